from __future__ import annotations

import pytest
import torch
from torch import nn

from refiners.networks import PatchDiscriminator, ResnetGenerator, initialise, to_multiple


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_are_the_reference_implementations() -> None:
    with torch.device("meta"):
        assert count(ResnetGenerator()) == 11_378_179
        assert count(ResnetGenerator(n_blocks=6)) == 7_837_699
        assert count(PatchDiscriminator()) == 2_764_737


@pytest.mark.parametrize(("n_layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_as_many_pixels_as_documented(n_layers: int, field: int) -> None:
    network = PatchDiscriminator(4, n_layers)
    # Normalisation sees the whole image; without it the gradient shows the receptive field alone.
    for name, module in network.layers.named_children():
        if isinstance(module, nn.InstanceNorm2d):
            setattr(network.layers, name, nn.Identity())
    image = torch.zeros(1, 3, 160, 160).requires_grad_()
    initialise(network)
    logits = network(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert image.grad is not None
    seen = image.grad.abs().sum((0, 1)).amax(1) > 0
    assert int(seen.sum()) == field


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("n_downsampling", [0, 1, 2])
def test_output_has_the_input_s_shape_and_range(residual: bool, n_downsampling: int) -> None:
    torch.manual_seed(0)
    network = ResnetGenerator(4, 1, n_downsampling, residual=residual)
    with torch.no_grad():
        out = network(torch.randn(2, 3, 24, 32) * 3)
    assert out.shape == (2, 3, 24, 32)
    assert out.abs().max() <= 1


def test_the_first_residual_output_is_close_to_the_input() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 32, 32) * 1.6 - 0.8
    plain, residual = ResnetGenerator(8, 2), ResnetGenerator(8, 2, residual=True)
    initialise(plain, residual)
    with torch.no_grad():
        assert (residual(image) - image).abs().mean() < 0.5 * (plain(image) - image).abs().mean()


def test_normalisation_is_per_sample_and_has_no_modes() -> None:
    torch.manual_seed(0)
    network, judge = ResnetGenerator(4, 1), PatchDiscriminator(4, 2)
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        together = network(images), judge(images)
        alone = torch.cat([network(x[None]) for x in images]), torch.cat([judge(x[None]) for x in images])
        evaluated = network.eval()(images), judge.eval()(images)
    for first, second, third in zip(together, alone, evaluated, strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
        assert torch.equal(first, third)


def test_noise_is_added_in_proportion_to_the_predicted_strength() -> None:
    network = ResnetGenerator(4, 1, residual=True, noise=True)
    for parameter in network.head.parameters():
        nn.init.zeros_(parameter)
    image, noise = torch.zeros(1, 3, 16, 16), torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(network(image), image)
        strength = float(torch.nn.functional.softplus(torch.tensor(-4.0)))
        torch.testing.assert_close(network(image, noise), noise * strength)


def test_weights_are_drawn_from_the_papers_distribution() -> None:
    torch.manual_seed(0)
    network = ResnetGenerator(16, 2)
    initialise(network)
    weights = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d)])
    assert float(weights.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(weights.detach().mean()) == pytest.approx(0, abs=5e-4)
    assert all(not m.bias.any() for m in network.modules() if isinstance(m, nn.Conv2d) and m.bias is not None)


def test_padding_reaches_the_multiple_and_keeps_the_image() -> None:
    image = torch.rand(1, 3, 30, 33)
    padded = to_multiple(image, 4)
    assert padded.shape == (1, 3, 32, 36)
    assert torch.equal(padded[..., :30, :33], image)
    assert to_multiple(padded, 4).shape == padded.shape
