"""The schedule's values, and which parameters are decayed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.rates import set_rate
from tasks.optimization import learning_rate_factor, make_optimizer


def test_one_cycle() -> None:
    factors = [learning_rate_factor(k, 100, "one-cycle", 0.25) for k in range(100)]
    assert factors.index(max(factors)) == 24
    assert max(factors) == pytest.approx(1)
    assert 0.04 < factors[0] < 0.05
    # Half way down, after 25 + 37.5 steps of 25 + 75, the cosine is at its middle.
    assert (factors[61] + factors[62]) / 2 == pytest.approx(0.5, abs=0.02)
    assert 0 < factors[-1] < 0.001
    assert factors[:25] == sorted(factors[:25])
    assert factors[24:] == sorted(factors[24:], reverse=True)


def test_cosine_and_constant_rise_linearly() -> None:
    for schedule in ("cosine", "constant"):
        rise = [learning_rate_factor(k, 40, schedule, 0.1) for k in range(4)]  # type: ignore[arg-type]
        assert rise == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert learning_rate_factor(39, 40, "constant", 0.1) == 1
    assert learning_rate_factor(39, 40, "cosine", 0.1) < 0.01


def test_a_single_step_has_the_whole_rate() -> None:
    assert learning_rate_factor(0, 1, "one-cycle", 0.25) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_only_matrices_decay(kind: str) -> None:
    """A zero gradient leaves nothing but decay: weights shrink by lr * decay, biases and scales stay."""
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in module.named_parameters()}
    optimizer = make_optimizer(module, kind, 1.0, 0.1)  # type: ignore[arg-type]
    set_rate(optimizer, 0.5)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in module.named_parameters():
        changed = not torch.equal(value, before[name])
        assert changed == (name == "0.weight")
    if kind == "adamw":
        torch.testing.assert_close(module[0].weight, before["0.weight"] * (1 - 0.5 * 0.1))
