"""The loss against values by hand and an independent computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from tasks.pose.losses import classification_loss, orientation_loss

IDENTITY = torch.tensor([[1.0, 0, 0, 0]])


def test_orientation_loss_by_hand() -> None:
    """cos = 1, 0 and 0.6: log(1e-4), log(1.0001) and log(0.4001)."""
    assert orientation_loss(IDENTITY, IDENTITY).item() == pytest.approx(-9.21034, abs=1e-4)
    across = torch.tensor([[0.0, 1, 0, 0]])
    assert orientation_loss(across, IDENTITY).item() == pytest.approx(9.9995e-5, rel=1e-2)
    tilted = torch.tensor([[0.6, 0.8, 0, 0]])
    assert orientation_loss(tilted, IDENTITY).item() == pytest.approx(math.log(0.4001), abs=1e-6)


def test_orientation_loss_is_a_mean_over_the_batch_and_blind_to_the_sign() -> None:
    predicted = torch.tensor([[0.6, 0.8, 0, 0], [0.0, 0, 1, 0]])
    target = torch.tensor([[-1.0, 0, 0, 0], [0.0, 0, 0.8, 0.6]])
    by_hand = (math.log(0.4001) + math.log(0.2001)) / 2
    assert orientation_loss(predicted, target).item() == pytest.approx(by_hand, abs=1e-5)
    assert orientation_loss(-predicted, target).item() == orientation_loss(predicted, target).item()


def test_orientation_loss_has_a_finite_gradient_at_both_ends() -> None:
    for quaternion in (IDENTITY, torch.tensor([[0.0, 1, 0, 0]])):
        predicted = quaternion.clone().requires_grad_()
        orientation_loss(predicted, IDENTITY).backward()
        assert predicted.grad is not None
        assert predicted.grad.isfinite().all()
        assert predicted.grad.abs().max() <= 1.01e4


def test_descent_turns_towards_the_target() -> None:
    """Independent of the formula: following the gradient must bring the angle down."""
    raw = torch.tensor([[0.3, 0.9, -0.2, 0.1]], requires_grad=True)
    start = torch.nn.functional.normalize(raw, dim=1).detach()[0, 0].abs()
    for _ in range(200):
        orientation_loss(torch.nn.functional.normalize(raw, dim=1), IDENTITY).backward()
        with torch.no_grad():
            raw -= 0.01 * raw.grad.clamp(-1, 1)
            raw.grad = None
    assert start < 0.4
    assert torch.nn.functional.normalize(raw, dim=1)[0, 0].abs() > 0.99


def test_classification_loss_against_scipy() -> None:
    random = np.random.default_rng(0)
    logits, classes = random.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
    expected = -log_softmax(logits, axis=1)[np.arange(5), classes].mean()
    assert classification_loss(torch.tensor(logits), torch.tensor(classes)).item() == pytest.approx(expected)
    assert classification_loss(torch.zeros(2, 4), torch.tensor([0, 1])).item() == pytest.approx(math.log(4))
