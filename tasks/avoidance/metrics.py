"""The open-loop metrics: each view by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.avoidance.steering import Steering


def direction_accuracy(steering: Steering, predicted: NDArray[Any], true: NDArray[Any], tolerance: float) -> float:
    """The share of views with a right choice.

    A choice is right that is the one that the true free distances lead to, or that by them promises at most
    ``tolerance`` metres less progress than the best one (`Steering.values`).

    Args:
        steering: the rule.
        predicted, true: (N, K) metres.
        tolerance: metres.
    """
    right = 0
    for guess, free in zip(predicted, true, strict=True):
        choice, values = steering.choose(guess), steering.values(free)
        right += bool(values[choice] >= values.max() - tolerance - 1e-9) or choice == steering.choose(free)
    return right / len(true)


def distance_error(predicted: NDArray[Any], true: NDArray[Any], reach: float) -> float:
    """The mean of absolute differences in metres over views and directions; both are taken as at most ``reach``."""
    return float(np.abs(np.minimum(predicted, reach) - np.minimum(true, reach)).mean(dtype=np.float64))
