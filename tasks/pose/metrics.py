"""Accuracy and angle error (Bousmalis et al. 2017, PixelDA, Table 2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of equal entries of two (N,) arrays."""
    return float(np.mean(predicted == truth))


def angle_errors(predicted: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """(N,) angles in degrees, in [0, 180], of the rotations between (N, 4) quaternions: 2 acos(abs(q . p)).

    The plain form of the published code's metric, which also takes 1e-4 off the cosine. Both are normalised in double
    precision first, since the arc cosine near 1 would turn rounding into degrees.
    """
    first, second = unit(predicted), unit(truth)
    alignment = np.minimum(np.abs((first * second).sum(1)), 1.0)
    return np.asarray(np.degrees(2 * np.arccos(alignment)), np.float64)


def unit(quaternions: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 4) float64 of length 1; a quaternion of length 0 stays 0."""
    values = np.asarray(quaternions, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
