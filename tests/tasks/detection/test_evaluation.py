"""COCO figures against pycocotools, and against cases that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from bench.samples import ImageSet, Record
from tasks.detection.evaluation import coco_scores, coco_truth

NAMES = ("a", "b", "c")


def image_set(objects: list[list[tuple[float, float, float, float, int]]]) -> ImageSet:
    """An image set of 64 x 64 pixels without files: x, y, width, height, class of every object."""
    records = tuple(
        Record(
            Path(), str(k), f"{k}.png", 64, 64, str(k),
            boxes=tuple((x, y, x + w, y + h) for x, y, w, h, _ in items), classes=tuple(c for *_, c in items),
        )
        for k, items in enumerate(objects)
    )
    return ImageSet(records, NAMES, frozenset({"boxes"}), "real", "stand-in", "digest")


def result(image: int, cls: int, box: tuple[float, float, float, float], score: float) -> dict[str, object]:
    return {"image_id": image + 1, "category_id": cls + 1, "bbox": list(box), "score": score}


def scores(results: list[dict[str, object]], truth: ImageSet) -> dict[str, float]:
    return {score.metric: score.value for score in coco_scores(results, truth)}


def random_case(seed: int) -> tuple[list[dict[str, object]], ImageSet]:
    """Crowded images, detections near and far from objects, many equal scores, more than 100 in one image."""
    generator = np.random.default_rng(seed)
    objects, results = [], []
    for image in range(12):
        items = []
        for _ in range(int(generator.integers(0, 12))):
            x, y = generator.uniform(0, 44, 2)
            items.append((x, y, *generator.uniform(4, 20, 2), int(generator.integers(0, 3))))
        objects.append(items)
        for x, y, w, h, cls in items:
            for _ in range(int(generator.integers(0, 4))):
                box = np.array([x, y, w, h]) + generator.normal(0, 1.5, 4)
                guess = cls if generator.random() < 0.8 else int(generator.integers(0, 3))
                box[2:] = np.maximum(box[2:], 1)
                results.append(result(image, guess, tuple(box), round(float(generator.random()), 1)))
    for k in range(130):
        x, y = generator.uniform(0, 44, 2)
        results.append(result(0, k % 3, (x, y, 10.0, 10.0), float(generator.random())))
    return results, image_set(objects)


@pytest.mark.parametrize("seed", range(3))
def test_equals_pycocotools(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results, truth = random_case(seed)
    ours = scores(results, truth)
    assert capsys.readouterr().out == ""

    reference = COCO()
    reference.dataset = coco_truth(truth)
    reference.createIndex()
    evaluation = COCOeval(reference, reference.loadRes([dict(r) for r in results]), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    for metric, index in (("mAP", 0), ("mAP50", 1), ("mAR100", 8)):
        assert ours[metric] == pytest.approx(evaluation.stats[index], abs=1e-12)
        assert 0.01 < ours[metric] < 0.99
    for k, name in enumerate(NAMES):
        expected = evaluation.eval["precision"][0, :, k, 0, 2].mean()
        assert ours[f"AP50/{name}"] == pytest.approx(expected, abs=1e-12)


def test_perfect_detections_give_one() -> None:
    truth = image_set([[(4, 4, 10, 20, 0), (30, 30, 8, 8, 1)], [(10, 10, 16, 16, 0)]])
    found = [
        result(0, 0, (4, 4, 10, 20), 0.9), result(0, 1, (30, 30, 8, 8), 0.8), result(1, 0, (10, 10, 16, 16), 0.7)
    ]
    assert scores(found, truth) == {"mAP": 1.0, "mAP50": 1.0, "mAR100": 1.0, "AP50/a": 1.0, "AP50/b": 1.0}


def test_half_overlap_counts_at_two_thresholds() -> None:
    """IoU 16 x 9 / (16 x 16 + 16 x 9 - 16 x 9) = .5625 passes .50 and .55 of the ten thresholds."""
    truth = image_set([[(0, 0, 16, 16, 0)]])
    found = scores([result(0, 0, (0, 0, 16, 9), 0.5)], truth)
    assert found["mAP50"] == 1.0
    assert found["mAP"] == pytest.approx(0.2)
    assert found["mAR100"] == pytest.approx(0.2)


def test_a_better_scored_false_detection_halves_precision() -> None:
    """Precision is 1/2 at every recall up to 1."""
    truth = image_set([[(0, 0, 16, 16, 0)]])
    found = scores([result(0, 0, (40, 40, 16, 16), 0.9), result(0, 0, (0, 0, 16, 16), 0.5)], truth)
    assert found["mAP50"] == pytest.approx(0.5)
    assert found["mAR100"] == 1.0


def test_one_of_two_objects_found() -> None:
    """Precision 1 up to recall .5: 51 of the 101 recall points."""
    truth = image_set([[(0, 0, 16, 16, 0), (40, 40, 16, 16, 0)]])
    found = scores([result(0, 0, (0, 0, 16, 16), 0.9)], truth)
    assert found["AP50/a"] == pytest.approx(51 / 101)
    assert found["mAR100"] == pytest.approx(0.5)


def test_a_second_detection_of_the_same_object_is_false() -> None:
    """Scores .9 (true), .8 (its double, false), .7 (true): precision 1 up to recall .5, then 2/3."""
    truth = image_set([[(0, 0, 16, 16, 0), (40, 40, 16, 16, 0)]])
    found = scores(
        [
            result(0, 0, (0, 0, 16, 16), 0.9), result(0, 0, (0, 0, 16, 15), 0.8),
            result(0, 0, (40, 40, 16, 16), 0.7),
        ],
        truth,
    )
    assert found["AP50/a"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_classes_absent_from_the_truth_are_left_out() -> None:
    truth = image_set([[(0, 0, 16, 16, 0)], [(0, 0, 16, 16, 2)]])
    found = scores([result(0, 0, (0, 0, 16, 16), 0.9), result(0, 1, (0, 0, 16, 16), 0.9)], truth)
    assert set(found) == {"mAP", "mAP50", "mAR100", "AP50/a", "AP50/c"}
    assert found["mAP50"] == pytest.approx(0.5)


def test_no_detections_give_zero() -> None:
    truth = image_set([[(0, 0, 16, 16, 0)], [(0, 0, 16, 16, 2)]])
    assert scores([], truth) == {"mAP": 0.0, "mAP50": 0.0, "mAR100": 0.0, "AP50/a": 0.0, "AP50/c": 0.0}


def test_results_are_left_as_they_were() -> None:
    found = [result(0, 0, (0, 0, 16, 16), 0.9)]
    coco_scores(found, image_set([[(0, 0, 16, 16, 0)]]))
    assert found == [result(0, 0, (0, 0, 16, 16), 0.9)]


@pytest.mark.parametrize(("image", "cls"), [(2, 0), (-1, 0), (0, 3)])
def test_results_of_another_set_are_refused(image: int, cls: int) -> None:
    truth = image_set([[(0, 0, 16, 16, 0)], []])
    with pytest.raises(DataError, match="predict again"):
        coco_scores([result(image, cls, (0, 0, 8, 8), 0.5)], truth)


def test_a_set_without_objects_cannot_be_scored() -> None:
    with pytest.raises(DataError, match="not one box in 2 images"):
        coco_scores([], image_set([[], []]))
