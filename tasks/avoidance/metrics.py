"""The open-loop metrics: each view by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.avoidance.steering import Steering


def right_directions(
    steering: Steering, predicted: NDArray[Any], true: NDArray[Any], tolerance: float
) -> NDArray[np.bool_]:
    """(N,): the views with a right choice.

    A choice is right that is the one that the true free distances lead to, or that by them promises at most
    ``tolerance`` metres less progress than the best one (`Steering.values`).

    Args:
        steering: the rule.
        predicted, true: (N, K) metres.
        tolerance: metres.
    """
    right = np.zeros(len(true), np.bool_)
    for index, (guess, free) in enumerate(zip(predicted, true, strict=True)):
        choice, values = steering.choose(guess), steering.values(free)
        right[index] = bool(values[choice] >= values.max() - tolerance - 1e-9) or choice == steering.choose(free)
    return right


def direction_accuracy(steering: Steering, predicted: NDArray[Any], true: NDArray[Any], tolerance: float) -> float:
    """The share of views with a right choice, see `right_directions`."""
    right = right_directions(steering, predicted, true, tolerance)
    return int(right.sum()) / len(true)


def distance_errors(predicted: NDArray[Any], true: NDArray[Any], reach: float) -> NDArray[np.float64]:
    """(N, K) absolute differences in metres; both distances are taken as at most ``reach``."""
    return np.asarray(np.abs(np.minimum(predicted, reach) - np.minimum(true, reach)), np.float64)


def distance_error(predicted: NDArray[Any], true: NDArray[Any], reach: float) -> float:
    """The mean of `distance_errors` over views and directions."""
    return float(distance_errors(predicted, true, reach).mean(dtype=np.float64))
