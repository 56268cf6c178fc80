"""Mixed precision must not reach the boxes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from bench import plugins
from tasks.detection.model import Limits, Target
from tasks.detection.precision import keep_float32, to_float32, without_autocast

CONFIGS: dict[str, dict[str, Any]] = {
    "ssd": {"width": 8}, "pvanet": {"width": 0.125, "head_width": 16}, "yolov3": {"width": 0.125, "depth": 0.1},
    "yolov3u": {"width": 0.125, "depth": 0.1},
}


def test_nested_values() -> None:
    half, whole = torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.int64)
    converted = to_float32({"a": [half, (half, whole)], "b": OrderedDict(c=half), "d": None})
    assert converted["a"][0].dtype == converted["a"][1][0].dtype == converted["b"]["c"].dtype == torch.float32
    assert isinstance(converted["b"], OrderedDict)
    assert converted["a"][1][1] is whole
    assert converted["d"] is None


def test_outputs_are_converted_and_names_stay() -> None:
    layer = nn.Linear(2, 2)
    keep_float32(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.zeros(1, 2)).dtype == torch.float32
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.bfloat16
        with without_autocast(torch.device("cpu")):
            assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.float32
    assert set(layer.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize("name", CONFIGS)
def test_losses_in_mixed_precision_are_close_to_float32(name: str) -> None:
    """In bfloat16 the networks differ by per cents; were anchors or targets rounded too, boxes would differ more."""
    model_class: Any = plugins.find("model", name).load()
    if reason := model_class.skip():
        pytest.skip(reason)
    model = model_class(model_class.Config(**CONFIGS[name]))
    torch.manual_seed(0)
    module = model.build(2, (64, 64)).eval() if name == "yolov3u" else model.build(2, (64, 64)).train()
    images = torch.rand(2, 3, 64, 64)
    target = Target(torch.tensor([[10.0, 12.0, 23.5, 40.25], [40.0, 30.0, 60.0, 50.0]]), torch.tensor([1, 0]))
    losses = []
    for enabled in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(model.loss(module, images, [target, target]))
    for key, value in losses[1].items():
        assert value.dtype == torch.float32
        assert float(value.detach()) == pytest.approx(float(losses[0][key].detach()), rel=0.1, abs=0.02)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for found in model.detect(module.eval(), images, Limits(0.0, 0.9, 5)):
            assert found.boxes.dtype == found.scores.dtype == torch.float32
