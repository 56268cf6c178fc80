"""Every detector learns two classes of drawn rectangles within seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench import plugins
from bench.contracts import Context
from bench.samples import ImageSet
from tasks.detection.task import Detection

CASES = {
    "ssd": ({"width": 12}, {"steps": 60}),
    "pvanet": ({"width": 0.125, "head_width": 64, "rois": 24}, {"steps": 60}),
    "yolov3": ({"width": 0.125, "depth": 0.2}, {"steps": 60}),
    "yolov3u": ({"width": 0.125, "depth": 0.2}, {"steps": 60}),
}


@pytest.mark.parametrize("name", CASES)
def test_learns(name: str, make_set: Callable[..., ImageSet], context: Context) -> None:
    options, training = CASES[name]
    model_class: Any = plugins.find("model", name).load()
    if reason := model_class.skip():
        pytest.skip(reason)
    model = model_class(model_class.Config(**options))
    task = Detection(Detection.Config(batch_size=8, **training))
    state = task.train(model, make_set(48), context)
    test = make_set(24, seed=1000)
    task.predict(model, state, test.unlabelled(), context)
    figures = {score.metric: score.value for score in task.score(context.directory, test)}
    assert figures["mAP50"] > 0.5, figures


def test_every_detector_is_found() -> None:
    assert set(CASES) <= set(plugins.names("model", "detection"))
    assert plugins.find("task", "detection").load() is Detection
