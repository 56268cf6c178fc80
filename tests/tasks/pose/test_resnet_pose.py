"""ResNet for poses: counts by hand and torchvision's own, widths, stems."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet34

from tasks.pose.resnet_pose import ResNetPose
from tasks.supervised import DataSpec

LINEMOD = DataSpec(classes=11, channels=4, size=(64, 64))


def built(spec: DataSpec = LINEMOD, **options: Any) -> tuple[ResNetPose, nn.Module]:
    torch.manual_seed(0)
    model = ResNetPose(ResNetPose.Config(**options))
    return model, model.build(spec)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def by_hand(width: int, channels: int, stem: int, classes: int) -> int:
    """ResNet-18: stem, then per stage 4 convolutions, their normalisations, and a 1x1 shortcut from stage 2 on."""
    total = channels * width * stem**2 + 2 * width
    inputs = width
    for stage in range(4):
        planes = width * 2**stage
        total += 9 * inputs * planes + 3 * 9 * planes * planes + 4 * 2 * planes
        total += (inputs * planes + 2 * planes) if stage else 0
        inputs = planes
    return total + (inputs * 4 + 4) + (inputs * classes + classes)


@pytest.mark.parametrize(("width", "channels", "small"), [(1.0, 4, False), (1.0, 3, True), (0.25, 4, True)])
def test_parameter_count_by_hand(width: float, channels: int, small: bool) -> None:
    _, module = built(DataSpec(11, channels, (64, 64)), width=width, small_stem=small)
    assert parameters(module) == by_hand(round(64 * width), channels, 3 if small else 7, 11)


def test_parameter_count_against_torchvision() -> None:
    heads = 512 * 4 + 4 + 512 * 11 + 11
    fourth_channel = 64 * 49
    for theirs, blocks in ((resnet18, (2, 2, 2, 2)), (resnet34, (3, 4, 6, 3))):
        expected = parameters(theirs(weights=None)) - (512 * 1000 + 1000) + heads + fourth_channel
        assert parameters(built(blocks=blocks, small_stem=False)[1]) == expected
    assert by_hand(64, 4, 7, 11) == 11_187_343


@pytest.mark.parametrize("small", [False, True])
def test_shapes_and_unit_quaternions(small: bool) -> None:
    model, module = built(width=0.25, small_stem=small)
    module.eval()
    images = torch.rand(2, 4, 64, 64)
    outputs, features = model.outputs_and_features(module, images)
    assert outputs["logits"].shape == (2, 11)
    assert outputs["quaternion"].norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert features.shape == (2, 128)
    assert torch.equal(features, model.features(module, images))
    assert torch.equal(outputs["logits"], model.forward(module, images)["logits"])
    before_pooling = module.backbone.layer4(module.backbone.layer3(module.backbone.layer2(module.backbone.layer1(
        module.backbone.maxpool(module.backbone.relu(module.backbone.bn1(module.backbone.conv1(images))))
    ))))  # fmt: skip
    assert before_pooling.shape[2:] == ((8, 8) if small else (2, 2))


def test_the_stem_is_initialised_as_the_rest() -> None:
    _, module = built(small_stem=True)
    expected = (2 / (64 * 9)) ** 0.5
    assert module.backbone.conv1.weight.std().item() == pytest.approx(expected, rel=0.1)
    assert module.backbone.layer1[0].conv1.weight.std().item() == pytest.approx(expected, rel=0.1)
