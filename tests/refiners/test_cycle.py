"""The training step against a plain transcription of the paper, written out pass by pass."""

from __future__ import annotations

import copy

import pytest
import torch

from bench.contracts import Context
from refiners.crops import Batch
from refiners.cycle import CycleStep, Translation, decayed
from refiners.cyclegan import CycleGanConfig

TINY = {"ngf": 3, "ndf": 3, "n_blocks": 1, "n_layers": 1, "steps": 10, "pool_size": 0, "learning_rate": 1e-3}


def batch(count: int = 2) -> Batch:
    torch.manual_seed(5)
    return Batch(torch.rand(count, 3, 24, 24) * 2 - 1, torch.rand(count, 3, 24, 24) * 2 - 1)


@pytest.mark.parametrize("lambda_identity", [0.0, 0.5])
def test_one_step_is_the_papers(lambda_identity: float, context: Context) -> None:
    config = CycleGanConfig(**TINY, lambda_identity=lambda_identity)
    step = CycleStep(config, context)
    g, f = copy.deepcopy(step.to_real), copy.deepcopy(step.to_synthetic)
    d_real, d_synthetic = copy.deepcopy(step.judge_real), copy.deepcopy(step.judge_synthetic)
    data = batch()
    x, y = data.synthetic, data.real

    generators = torch.optim.Adam([*g.parameters(), *f.parameters()], 1e-3, (0.5, 0.999))
    fake_y, fake_x = g(x), f(y)
    cycle = 10 * (f(fake_y) - x).abs().mean() + 10 * (g(fake_x) - y).abs().mean()
    adversarial = ((d_real(fake_y) - 1) ** 2).mean() + ((d_synthetic(fake_x) - 1) ** 2).mean()
    identity = 10 * lambda_identity * ((g(y) - y).abs().mean() + (f(x) - x).abs().mean())
    total = cycle + adversarial + identity
    generators.zero_grad()
    total.backward()
    generators.step()
    judges = torch.optim.Adam([*d_real.parameters(), *d_synthetic.parameters()], 1e-3, (0.5, 0.999))
    judges.zero_grad()
    expected = {}
    for name, judge, real, fake in (
        ("discriminator_real", d_real, y, fake_y), ("discriminator_synthetic", d_synthetic, x, fake_x),
    ):
        loss = 0.5 * (((judge(real) - 1) ** 2).mean() + (judge(fake.detach()) ** 2).mean())
        loss.backward()
        expected[name] = float(loss.detach())
    judges.step()

    losses = step(0, data)
    assert float(losses["generator"]) == pytest.approx(float(total.detach()), rel=1e-5)
    for name, value in expected.items():
        assert float(losses[name]) == pytest.approx(value, rel=1e-5)
    # Adam divides by the gradient's own size, so rounding of tiny gradients shows: 2 % of the learning rate.
    for ours, theirs in (
        (step.to_real, g), (step.to_synthetic, f), (step.judge_real, d_real), (step.judge_synthetic, d_synthetic),
    ):
        moved = [(a - b).abs() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
        weights = [m for m, p in zip(moved, ours.parameters(), strict=True) if p.ndim > 1]
        assert torch.cat([w.flatten() for w in weights]).mean() < 2e-5


def test_the_learning_rate_is_constant_then_falls_to_zero_and_never_below() -> None:
    assert [decayed(step, 10, 0.5) for step in (0, 4, 5, 6, 9, 10, 13)] == pytest.approx([1, 1, 1, 0.8, 0.2, 0, 0])
    assert decayed(9, 10, 1.0) == 1
    assert decayed(5, 10, 0.0) == pytest.approx(0.5)


def test_own_losses_are_weighted_into_the_generators_alone(context: Context) -> None:
    def content(made: Translation) -> dict[str, tuple[float, torch.Tensor]]:
        assert made.refined.requires_grad
        return {"extra": (3.0, made.refined.abs().mean())}

    config = CycleGanConfig(**TINY)
    plain, extended = CycleStep(config, context), CycleStep(config, context, content)
    first, second = plain(0, batch()), extended(0, batch())
    assert float(second["generator"] - first["generator"]) == pytest.approx(3 * float(second["extra"]), rel=1e-4)
    assert torch.equal(first["discriminator_real"], second["discriminator_real"])


def test_generators_train_without_touching_the_discriminators_gradients(context: Context) -> None:
    step = CycleStep(CycleGanConfig(**TINY), context)
    step._generator_step(batch())
    assert all(parameter.grad is None for parameter in step.judge_real.parameters())
    assert all(parameter.grad is not None for parameter in step.to_real.parameters())
    assert all(parameter.requires_grad for parameter in step.judge_real.parameters())
