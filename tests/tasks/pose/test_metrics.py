"""The metrics by hand, against scipy's rotations and against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from tasks.pose.metrics import accuracy, angle_errors


def test_angles_by_hand() -> None:
    """A turn by t has the quaternion (cos t/2, sin t/2 * axis)."""
    truth = np.array([[1.0, 0, 0, 0]] * 4)
    half = np.sqrt(0.5)
    predicted = np.array([[1, 0, 0, 0], [half, half, 0, 0], [0, 0, 1, 0], [np.sqrt(0.75), 0, 0, -0.5]])
    assert angle_errors(predicted, truth) == pytest.approx([0, 90, 180, 60])


def test_angles_against_scipy() -> None:
    first, second = Rotation.random(50, rng=1), Rotation.random(50, rng=2)
    expected = np.degrees((first.inv() * second).magnitude())
    assert angle_errors(first.as_quat(), second.as_quat()) == pytest.approx(expected)
    assert angle_errors(-first.as_quat().astype(np.float32), second.as_quat()) == pytest.approx(expected, abs=1e-3)


def test_rounding_of_float32_does_not_become_an_angle() -> None:
    quaternions = Rotation.random(200, rng=3).as_quat().astype(np.float32) * np.float32(1.0005)
    assert angle_errors(quaternions, quaternions).max() < 1e-5


def test_accuracy_by_hand() -> None:
    assert accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75


def test_accuracy_against_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    random = np.random.default_rng(4)
    predicted, truth = random.integers(0, 5, 60), random.integers(0, 5, 60)
    tensors = torch.tensor(predicted), torch.tensor(truth)
    expected = functional.multiclass_accuracy(*tensors, num_classes=5, average="micro")
    assert accuracy(predicted, truth) == pytest.approx(expected.item())
