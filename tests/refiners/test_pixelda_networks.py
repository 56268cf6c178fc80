from __future__ import annotations

import pytest
import torch
from torch import nn

from refiners.pixelda_networks import NoiseGenerator, NoisyDiscriminator


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_generator_of_the_papers_size() -> None:
    noise = 10 * 64 * 64 + 2 * 64 * 64  # fully connected without a bias, and the normalisation's scale and shift
    stem = 3 * 3 * 5 * 64 + 64  # four channels and the noise
    block = 2 * (3 * 3 * 64 * 64 + 2 * 64)
    head = 64 * 4 + 4
    with torch.device("meta"):
        assert count(NoiseGenerator(4, (64, 64))) == noise + stem + 6 * block + head == 496_260
        assert count(NoiseGenerator(3, (28, 28), residual=True)) == (
            12 * 28 * 28 + (3 * 3 * 4 * 64 + 64) + 6 * block + 64 * 4 + 4
        )


def test_discriminator_of_the_papers_size() -> None:
    first = 3 * 3 * 4 * 64 + 64
    rest = sum(3 * 3 * a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512), (512, 1024)))
    with torch.device("meta"):
        network = NoisyDiscriminator(4, (64, 64))
    assert count(network) == first + rest + (4 * 4 * 1024 + 1) == 6_289_473
    assert len(network.stages) == 5
    with torch.device("meta"):
        small = NoisyDiscriminator(4, (64, 64), 16, first_stride=2, widest=32)
    assert [stage[0].out_channels for stage in small.stages] == [16, 32, 32, 32]
    assert small.logit.in_features == 32 * 4 * 4


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("n_downsampling", [0, 2])
@pytest.mark.parametrize("channels", [3, 4])
def test_output_has_the_inputs_shape_and_range(residual: bool, n_downsampling: int, channels: int) -> None:
    torch.manual_seed(0)
    network = NoiseGenerator(channels, (16, 24), 3, 4, 1, n_downsampling=n_downsampling, residual=residual)
    image = torch.rand(2, channels, 16, 24) * 2 - 1
    out = network(image, torch.rand(2, 3) * 2 - 1)
    assert out.shape == image.shape
    assert out.abs().max() <= 1
    out.mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_noise_is_a_picture_of_its_own_and_reaches_the_result() -> None:
    torch.manual_seed(0)
    network = NoiseGenerator(3, (8, 8), 2, 4, 1).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0, 0.3)
    image = torch.rand(1, 3, 8, 8)
    noise = torch.tensor([[0.5, -0.5]])
    plane = network.noise(noise)
    assert plane.shape == (1, 64)
    assert plane.min() == 0 < plane.max()
    assert not torch.allclose(network(image, noise), network(image, -noise), atol=1e-4)


def test_a_residual_generator_starts_near_the_identity_and_moves_off_black() -> None:
    torch.manual_seed(0)
    image = torch.full((4, 3, 16, 16), -1.0)
    network = NoiseGenerator(3, (16, 16), 2, 4, 1, residual=True)
    out = network(image, torch.rand(4, 2))
    assert (out - image).abs().mean() < 0.1
    out.mean().backward()
    assert network.head.weight.grad is not None
    assert network.head.weight.grad.abs().max() > 0


def test_a_residual_block_adds_without_a_relu() -> None:
    torch.manual_seed(0)
    block = NoiseGenerator(3, (8, 8), 2, 4, 1).body[0]
    x = torch.full((2, 4, 8, 8), -2.0)
    assert block(x).min() < 0  # a ReLU after the sum would leave nothing below 0
    assert torch.allclose(block(x), x + block.layers(x))


def test_the_discriminator_is_noisy_only_where_it_was_told_to_be() -> None:
    torch.manual_seed(0)
    image = torch.rand(3, 3, 16, 16)
    quiet = NoisyDiscriminator(3, (16, 16), 4, keep=1.0, noise=0.0)
    assert torch.equal(quiet(image), quiet(image))
    for settings in ({"keep": 0.5, "noise": 0.0}, {"keep": 1.0, "noise": 0.2}):
        loud = NoisyDiscriminator(3, (16, 16), 4, **settings)
        assert not torch.equal(loud(image), loud(image))


def test_discriminator_by_hand() -> None:
    """One stage and a logit, written out with tensors."""
    torch.manual_seed(0)
    network = NoisyDiscriminator(3, (4, 4), 2, keep=1.0, noise=0.0)
    assert len(network.stages) == 1
    image = torch.rand(2, 3, 4, 4) - 0.5
    patches = nn.functional.unfold(image, 3, padding=1)  # (B, 27, 16)
    convolution = network.stages[0][0]
    hidden = torch.einsum("of,bfp->bop", convolution.weight.flatten(1), patches) + convolution.bias[None, :, None]
    hidden = torch.where(hidden < 0, 0.2 * hidden, hidden)
    expected = hidden.flatten(1) @ network.logit.weight[0] + network.logit.bias
    assert torch.allclose(network(image), expected, atol=1e-6)
