"""The networks: parameters by hand, shapes, what a direction sees, features."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from bench.errors import UsageError
from tasks.avoidance.fan_net import FanNet
from tasks.avoidance.model import FanHead, FanModel, FanSpec
from tasks.avoidance.resnet_fan import ResNetFan
from tasks.supervised import DataSpec

SPEC = FanSpec(classes=8, channels=3, size=(64, 64), directions=16)


def head_parameters(channels: int, height: int, hidden: int) -> int:
    """A convolution over all rows, one over 5 columns, and one output."""
    return channels * height * hidden + hidden + 5 * hidden * hidden + hidden + hidden + 1


def fan_net(width: int) -> int:
    """Convolutions without biases, and their normalisations."""
    channels = [3, width, 2 * width, 4 * width, 4 * width, 4 * width]
    layers = sum(9 * a * b + 2 * b for a, b in pairwise(channels))
    return layers + head_parameters(4 * width, 8, 4 * width)


def resnet(width: int, hidden: int, stem: int, height: int) -> int:
    """ResNet-18: stem, then per stage 4 convolutions, their normalisations, and a 1x1 shortcut from stage 2 on."""
    total, inputs = 3 * width * stem**2 + 2 * width, width
    for stage in range(4):
        planes = width * 2**stage
        total += 9 * inputs * planes + 3 * 9 * planes * planes + 4 * 2 * planes
        total += (inputs * planes + 2 * planes) if stage else 0
        inputs = planes
    return total + head_parameters(inputs, height, hidden)


@pytest.mark.parametrize(
    ("model", "expected", "features"),
    [
        (FanNet(FanNet.Config()), fan_net(16), (64, 8, 16)),
        (FanNet(FanNet.Config(width=5)), fan_net(5), (20, 8, 16)),
        (ResNetFan(ResNetFan.Config()), resnet(64, 128, 3, 8), (512, 8, 8)),
        (ResNetFan(ResNetFan.Config(width=0.25, small_stem=False, hidden=32)), resnet(16, 32, 7, 2), (128, 2, 2)),
    ],
)
def test_parameters_and_shapes(model: FanModel, expected: int, features: tuple[int, int, int]) -> None:
    module = model.build(SPEC).eval()
    assert sum(parameter.numel() for parameter in module.parameters()) == expected
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        outputs, seen = model.outputs_and_features(module, images)
        assert outputs.shape == (2, 16)
        assert seen.shape == (2, *features)
        assert torch.equal(outputs, model.forward(module, images))
        assert torch.equal(seen, model.features(module, images))


@pytest.mark.parametrize(("size", "directions", "channels"), [((48, 80), 9, 4), ((30, 50), 32, 3), ((64, 64), 3, 3)])
def test_other_sizes_and_numbers(size: tuple[int, int], directions: int, channels: int) -> None:
    for model in (FanNet(FanNet.Config(width=4)), ResNetFan(ResNetFan.Config(width=0.1, hidden=8))):
        module = model.build(FanSpec(1, channels, size, directions)).eval()
        assert module(torch.zeros(2, channels, *size)).shape == (2, directions)


def test_building_learns_nothing_from_its_look_at_the_shape() -> None:
    module = FanNet(FanNet.Config()).build(SPEC)
    assert module.training
    assert all(part.training for part in module.modules())
    assert module.get_submodule("backbone.1").num_batches_tracked == 0


def test_a_direction_sees_its_own_side() -> None:
    """Of a wide image, what changes at the right edge reaches the directions on the right only."""
    torch.manual_seed(0)
    module = FanNet(FanNet.Config(width=4)).build(FanSpec(1, 3, (32, 256), 16)).eval()
    images = torch.rand(1, 3, 32, 256)
    changed = images.clone()
    changed[..., 224:] = -1
    with torch.no_grad():
        moved = (module(images) - module(changed)).abs()[0] > 1e-6
    assert moved.tolist() == [False] * 12 + moved[12:].tolist()
    assert moved[14:].all()


def test_rows_count() -> None:
    """A bar low in the image is not taken for one higher up, as a mean over rows would take it."""
    torch.manual_seed(0)
    head = FanHead(4, 8, 32, 16)
    features = torch.zeros(2, 4, 8, 16)
    features[0, :, 2], features[1, :, 6] = 1, 1
    with torch.no_grad():
        high, low = head(features)
    assert (high - low).abs().mean() > 0.01


def test_other_tasks_cannot_use_them() -> None:
    with pytest.raises(UsageError, match="'fan-net' belongs to the task 'avoidance'"):
        FanNet(FanNet.Config()).build(DataSpec(8, 3, (64, 64)))
