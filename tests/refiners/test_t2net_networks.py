from __future__ import annotations

import pytest
import torch
from torch import nn

from refiners.t2net_networks import FeatureDiscriminator, ImageDiscriminator, T2NetTranslator


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_as_published() -> None:
    with torch.device("meta"):
        assert parameters(T2NetTranslator()) == 3_121_220
        assert parameters(ImageDiscriminator()) == 2_765_570
        assert parameters(FeatureDiscriminator(512 * 12 * 40)) == 126_092_802


def test_shapes_as_published() -> None:
    with torch.device("meta"):
        image = torch.empty(2, 3, 192, 640)
        assert T2NetTranslator()(image).shape == image.shape
        assert ImageDiscriminator()(image).shape == (2, 1, 22, 78)
        assert FeatureDiscriminator(512 * 12 * 40)(torch.empty(2, 512, 12, 40)).shape == (2, 1)


def test_one_slope_a_network() -> None:
    for network in (T2NetTranslator(4, 2), ImageDiscriminator(4), FeatureDiscriminator(8, 4)):
        slopes = [parameter for name, parameter in network.named_parameters() if "activation" in name]
        assert [slope.numel() for slope in slopes] == [1]
        assert len(network.state_dict()) == len({value.data_ptr() for value in network.state_dict().values()})


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("size", [(32, 32), (30, 41)])
def test_every_size_comes_back_within_range(size: tuple[int, int], residual: bool) -> None:
    network = T2NetTranslator(4, 1, residual=residual)
    if residual:
        nn.init.normal_(network.head.weight)
    out = network(torch.rand(2, 3, *size) * 2 - 1)
    assert out.shape == (2, 3, *size)
    assert out.abs().max() <= 1
    assert out.std() > 0.1


def test_a_residual_translator_starts_as_the_identity() -> None:
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    assert torch.equal(T2NetTranslator(4, 1, residual=True)(image), image)
    assert not torch.allclose(T2NetTranslator(4, 1)(image), image, atol=0.1)


def test_every_block_counts() -> None:
    network, image = T2NetTranslator(4, 2), torch.rand(2, 3, 32, 32)
    network(image).square().sum().backward()  # type: ignore[no-untyped-call]
    used = [p for name, p in network.named_parameters() if "up.bias" not in name]  # normalisation takes that bias away
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in used)
