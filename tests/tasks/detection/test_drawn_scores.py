"""AP50 and AR100 on drawn test sets: one draw at a time against pycocotools' rule, and memory that does not grow."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bench.statistics import group_draws
from tasks.detection import resampling
from tasks.detection.resampling import resampled_scores
from tests.tasks.detection.test_evaluation import image_set, random_case, result, scores


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_of_each_image_once_is_the_score(seed: int) -> None:
    results, truth = random_case(seed)
    found, whole = resampled_scores(results, truth, np.ones((2, len(truth)), np.int64)), scores(results, truth)
    for metric in ("mAP50", "mAR100"):
        assert found[metric] == pytest.approx([whole[metric]] * 2)


def test_how_many_draws_are_looked_at_together_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    results, truth = random_case(5)
    draws = group_draws([str(k // 2) for k in range(len(truth))], 101)
    whole = resampled_scores(results, truth, draws)
    for at_once in (1, 2000):
        monkeypatch.setattr(resampling, "AT_ONCE", at_once)
        for metric, values in resampled_scores(results, truth, draws).items():
            assert values.tobytes() == whole[metric].tobytes()


def test_memory_does_not_grow_with_draws_times_detections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "AT_ONCE", 20_000)
    box = (4.0, 4.0, 20.0, 20.0)
    truth = image_set([[(*box, 0)]] * 400)
    results = [result(image, 0, box, (image % 90) / 100 + k / 1000) for image in range(400) for k in range(5)]
    draws = np.ones((500, 400), np.int64)
    tracemalloc.start()
    try:
        found = resampled_scores(results, truth, draws)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["mAR100"] == pytest.approx(np.ones(500))
    assert peak < 8e6, "500 draws of 2,000 detections are 8 MB an array of whole numbers"
