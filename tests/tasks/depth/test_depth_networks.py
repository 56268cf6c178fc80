from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from bench import plugins
from tasks.depth.t2net_unet import T2NetUNetModel
from tasks.depth.unet import T2NetUNet
from tasks.depth.unet_depth import UNetDepth
from tasks.supervised import DataSpec, SupervisedModel

MODELS: dict[str, tuple[type[SupervisedModel], dict[str, Any]]] = {
    "t2net-unet": (T2NetUNetModel, {"width": 4}),
    "unet-depth": (UNetDepth, {"decoder_channels": (16, 16, 8, 8, 8)}),
}


def test_parameters_as_published() -> None:
    with torch.device("meta"):
        network = T2NetUNet(3, 64)
    assert sum(parameter.numel() for parameter in network.parameters()) == 54_564_676
    assert sum(isinstance(module, nn.PReLU) for module in network.modules()) == 1


def test_shapes_as_published() -> None:
    """At 640x192 (KITTI): feature 512x12x40 and depth at 24x80, 48x160, 96x320, 192x640."""
    with torch.device("meta"):
        network = T2NetUNet(3, 64)
        maps = network.encode(torch.empty(1, 3, 192, 640))
        depths = network.decode(maps)
    assert maps[-1].shape == (1, 512, 12, 40)
    assert [tuple(depth.shape) for depth in depths] == [(1, 1, 24 * 2**k, 80 * 2**k) for k in range(4)]


def test_one_slope_is_learnt_by_every_layer() -> None:
    network = T2NetUNet(3, 2)
    images = torch.randn(2, 3, 32, 32)
    before = network(images)[-1]
    with torch.no_grad():
        network.activation.weight.fill_(1.0)  # the network is linear but for normalisation and heads now
    assert not torch.allclose(before, network(images)[-1])
    assert len({name for name, _ in network.named_parameters() if "activation" in name}) == 1


def test_skips_are_weighted_down() -> None:
    plain, none = T2NetUNet(3, 2, skip_weight=0.1), T2NetUNet(3, 2, skip_weight=0.0)
    assert plain.skip_weights == pytest.approx((0.1, 0.05, 0.01))
    none.load_state_dict(plain.state_dict())
    maps = plain.eval().encode(torch.randn(1, 3, 32, 32))
    blind = [torch.zeros_like(part) for part in maps[:-1]] + [maps[-1]]
    assert torch.allclose(none.eval().decode(maps)[-1], plain.decode(blind)[-1], atol=1e-6)
    assert not torch.allclose(none.decode(maps)[-1], plain.decode(maps)[-1], atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(64, 64), (48, 80), (50, 37)])
def test_every_size_comes_back(name: str, size: tuple[int, int]) -> None:
    cls, settings = MODELS[name]
    model = cls(cls.Config(**settings))
    module = model.build(DataSpec(1, 4, size)).eval()
    images = torch.rand(2, 4, *size) * 2 - 1
    with torch.no_grad():
        outputs = model.forward(module, images)
        both, features = model.outputs_and_features(module, images)
        alone = model.features(module, images)
    finest = outputs if isinstance(outputs, torch.Tensor) else outputs[-1]
    assert finest.shape == (2, 1, *size)
    assert finest.abs().max() <= 1
    assert torch.equal(finest, both if isinstance(both, torch.Tensor) else both[-1])
    assert torch.equal(features, alone)
    assert features.ndim == 4
    assert len(features) == 2


def test_found_by_name_without_import() -> None:
    assert set(MODELS) <= set(plugins.names("model", "depth"))
    for name, (cls, _) in MODELS.items():
        assert plugins.find("model", name).load() is cls
