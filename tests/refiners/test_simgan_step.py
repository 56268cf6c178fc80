"""SimGAN's losses against values by hand and in numpy, its networks, and what each update may change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.contracts import Context
from refiners.adaptation import AdaptationBatch
from refiners.simgan import SimGanConfig
from refiners.simgan_networks import LocalDiscriminator, PlainBlock, RefinerNetwork
from refiners.simgan_step import REAL, REFINED, SimGanStep, local_adversarial_loss, self_regularisation_loss

TINY: dict[str, Any] = {
    "ngf": 3, "n_blocks": 1, "widths": (3, 3, 3, 3), "pretrain_refiner": 2, "pretrain_discriminator": 3,
    "buffer_size": 6, "batch_size": 4,
}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def batches(number: int) -> AdaptationBatch:
    torch.manual_seed(100 + number)
    images = torch.rand(2, 4, 3, 16, 16) * 2 - 1
    return AdaptationBatch(images[0], images[1], None, (0, 1, 2, 3))


def make(context: Context, **settings: Any) -> SimGanStep:
    return SimGanStep(SimGanConfig(**TINY | settings), context, 3)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_networks_have_the_papers_sizes() -> None:
    block = 2 * (3 * 3 * 64 * 64 + 64)
    with torch.device("meta"):
        assert count(RefinerNetwork(1)) == (3 * 3 * 64 + 64) + 4 * block + (64 + 1) == 296_129
        assert count(RefinerNetwork(4)) == (3 * 3 * 4 * 64 + 64) + 4 * block + (64 * 4 + 4)
        grey = LocalDiscriminator(1)
        assert count(grey) == (
            (9 * 96 + 96) + (9 * 96 * 64 + 64) + (9 * 64 * 32 + 32) + (32 * 32 + 32) + (32 * 2 + 2)
        ) == 75_906
        assert grey(torch.empty(2, 1, 35, 55)).shape == (2, 2, 9, 14)


def test_a_logit_sees_23_pixels() -> None:
    torch.manual_seed(0)
    network = LocalDiscriminator(1, (4, 4, 4, 4))
    for index, module in list(network.layers.named_children()):
        if isinstance(module, nn.MaxPool2d):  # a maximum passes one gradient; an average shows the whole field
            setattr(network.layers, index, nn.AvgPool2d(3, 1, 1))
        elif isinstance(module, nn.ReLU):
            setattr(network.layers, index, nn.Identity())
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    network(image)[0, 0, 8, 8].backward()
    assert image.grad is not None
    assert int((image.grad[0, 0].abs().sum(0) > 0).sum()) == 23


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("channels", [3, 4])
def test_refined_images_keep_shape_and_range(residual: bool, channels: int) -> None:
    torch.manual_seed(0)
    network = RefinerNetwork(channels, 4, 1, residual=residual)
    image = torch.rand(2, channels, 9, 13) * 2 - 1
    out = network(image)
    assert out.shape == image.shape
    assert out.abs().max() <= 1
    assert ((out - image).abs().mean() < 0.1) == residual  # a residual one starts near the identity


def test_a_block_ends_in_a_relu() -> None:
    torch.manual_seed(0)
    block, x = PlainBlock(2), torch.randn(1, 2, 5, 5)
    assert torch.equal(block(x), torch.relu(x + block.layers(x)))
    assert block(x).min() == 0


def test_self_regularisation_by_hand() -> None:
    source = torch.zeros(1, 3, 1, 2)
    refined = torch.tensor([[[[0.3, -0.1]], [[0.2, 0.0]], [[-0.5, 0.4]]]])
    assert float(self_regularisation_loss(refined, source, reduction="sum")) == pytest.approx(1.5)
    assert float(self_regularisation_loss(refined, source)) == pytest.approx(1.5 / 6)
    # grey: means 0 and 0.1; the gradient along the row: -0.4, -0.2, 0.9
    assert float(self_regularisation_loss(refined, source, "grayscale", "sum")) == pytest.approx(0.1)
    assert float(self_regularisation_loss(refined, source, "gradient", "sum")) == pytest.approx(1.5)
    two = torch.cat([refined, source]), torch.cat([source, source])
    assert float(self_regularisation_loss(*two, reduction="sum")) == pytest.approx(0.75)


def test_self_regularisation_in_numpy() -> None:
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (2, 3, 4, 5, 6)).astype(np.float32)
    given = torch.from_numpy(x), torch.from_numpy(y)
    d = x - y
    grey = np.concatenate([d[:, :3].mean(1, keepdims=True), d[:, 3:]], 1)
    gradient = np.abs(np.diff(d, axis=2)).sum() + np.abs(np.diff(d, axis=3)).sum()
    for feature, total, values in (
        ("identity", np.abs(d).sum(), d[0].size),
        ("grayscale", np.abs(grey).sum(), grey[0].size),
        ("gradient", gradient, 4 * (4 * 6 + 5 * 5)),
    ):
        assert float(self_regularisation_loss(*given, feature, "sum")) == pytest.approx(total / 3, rel=1e-5)
        assert float(self_regularisation_loss(*given, feature)) == pytest.approx(total / 3 / values, rel=1e-5)


def test_local_adversarial_loss_by_hand() -> None:
    logits = torch.zeros(2, 2, 1, 3)
    logits[0, REAL, 0, 0] = 1.0
    logits[1, REFINED, 0, 2] = 2.0
    probability = np.array([[1 / (1 + np.exp(-1)), 0.5, 0.5], [0.5, 0.5, 1 / (1 + np.exp(2))]])  # of being real
    real, refined = -np.log(probability), -np.log(1 - probability)
    for kind, expected in ((REAL, real), (REFINED, refined)):
        assert float(local_adversarial_loss(logits, kind, "sum")) == pytest.approx(expected.sum() / 2, rel=1e-5)
        assert float(local_adversarial_loss(logits, kind)) == pytest.approx(expected.mean(), rel=1e-5)


def test_each_update_changes_its_own_network(context: Context) -> None:
    step = make(context)
    before = snapshot(step.refiner), snapshot(step.discriminator)
    step.refiner_step(batches(0))
    assert changed(step.refiner, before[0]) and not changed(step.discriminator, before[1])
    before = snapshot(step.refiner), snapshot(step.discriminator)
    step.discriminator_step(batches(1), 1)
    assert changed(step.discriminator, before[1]) and not changed(step.refiner, before[0])


def test_the_refiners_gradient_is_that_of_the_weighted_sum(context: Context) -> None:
    step = make(context, lambda_regularisation=0.7, gradient_clip=0.0)
    data, parameters = batches(0), list(step.refiner.parameters())
    refined = step.refiner(data.source)
    real = step.discriminator(refined).softmax(1)[:, REAL]
    expected = torch.autograd.grad(-real.log().mean() + 0.7 * (refined - data.source).abs().mean(), parameters)
    step.refiner_step(data)
    for parameter, gradient in zip(parameters, expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-7)
    step = make(context, lambda_regularisation=0.7, gradient_clip=0.0)
    loss = 0.7 * (step.refiner(data.source) - data.source).abs().mean()
    expected = torch.autograd.grad(loss, list(step.refiner.parameters()))
    step.refiner_step(data, adversarial=False)
    for parameter, gradient in zip(step.refiner.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-7)


def test_pretraining_then_the_ratio(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    step = make(context, refiner_updates=3, discriminator_updates=2)
    done: list[str] = []
    asked: list[int] = []
    refiner_step, discriminator_step = step.refiner_step, step.discriminator_step

    def refine(batch: AdaptationBatch, adversarial: bool = True) -> dict[str, Tensor]:
        done.append("R" if adversarial else "r")
        return refiner_step(batch, adversarial)

    def judge(batch: AdaptationBatch, number: int) -> dict[str, Tensor]:
        done.append("D")
        return discriminator_step(batch, number)

    def counted(number: int) -> AdaptationBatch:
        asked.append(number)
        return batches(number)

    monkeypatch.setattr(step, "refiner_step", refine)
    monkeypatch.setattr(step, "discriminator_step", judge)
    for i in range(7):
        assert set(step(i, counted)) == {"adversarial", "regularisation", "discriminator"}
    assert "".join(done) == "rr" + "DDD" + "RRRDD" * 2
    assert asked == list(range(15))  # every update has a batch of its own


def test_the_buffer_fills_and_half_of_what_the_discriminator_sees_is_old(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = make(context, pretrain_refiner=0, pretrain_discriminator=0)
    seen: list[Tensor] = []
    loss = step.discriminator_loss
    monkeypatch.setattr(
        step, "discriminator_loss", lambda target, refined: (seen.append(refined), loss(target, refined))[1]
    )
    for i in range(5):
        before = step.history.state_dict()["images"]
        step(i, batches)
        assert len(step.history) == min(6, 2 * (i + 1))
        old = [any(torch.equal(image, kept) for kept in before) for image in seen[-1]]
        assert old == ([False, False, True, True] if i else [False] * 4)
    none = make(context, pretrain_refiner=0, pretrain_discriminator=0, buffer_size=0)
    none(0, batches)
    assert len(none.history) == 0


def test_without_adversary_pretraining_reaches_the_identity(context: Context) -> None:
    step = make(context, ngf=8, learning_rate=1e-2)
    first = float(step.refiner_step(batches(0), adversarial=False)["regularisation"])
    for i in range(1, 60):
        last = float(step.refiner_step(batches(i), adversarial=False)["regularisation"])
    assert last < 0.4 * first


def test_plain_gradient_descent_is_what_it_says(context: Context) -> None:
    step = make(context, optimizer="sgd", learning_rate=0.1, gradient_clip=0.0)
    before = [parameter.detach().clone() for parameter in step.refiner.parameters()]
    step.refiner_step(batches(0))
    for parameter, old in zip(step.refiner.parameters(), before, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter, old - 0.1 * parameter.grad, atol=1e-7)
