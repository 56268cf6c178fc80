"""The seven usual depth metrics (Eigen et al. 2014, arXiv 1406.2283, section 4.2), as T2Net's evaluation takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Crop = Literal["none", "eigen", "garg", "indoor"]
METRICS: Mapping[str, bool] = {
    "abs_rel": False, "sq_rel": False, "rmse": False, "rmse_log": False, "delta1": True, "delta2": True, "delta3": True,
}
"""Metric -> whether higher is better."""
_CROPS: Mapping[str, tuple[float, float, float, float]] = {
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "indoor": (12 / 480, 468 / 480, 16 / 640, 624 / 640),
}
"""First and last row, first and last column as shares of the sides, as T2Net's evaluation has them."""


def inside(height: int, width: int, crop: Crop) -> NDArray[np.bool_]:
    """(height, width): the pixels that are scored. ``eigen`` and ``garg`` are for KITTI, ``indoor`` for NYUv2."""
    mask = np.ones((height, width), np.bool_)
    if crop != "none":
        top, bottom, left, right = _CROPS[crop]
        mask[:] = False
        mask[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return mask


def image_errors(
    predicted: NDArray[Any],
    truth: NDArray[Any],
    *,
    min_depth: float,
    cap: float,
    crop: Crop = "none",
    median_scaling: bool = False,
) -> dict[str, float] | None:
    """The metrics of one image.

    Args:
        predicted, truth: (H, W) in metres; ``truth`` is 0 where it is unknown.
        min_depth, cap: only pixels whose true depth lies strictly between are scored; predictions are clamped to them.
        crop: see `inside`.
        median_scaling: multiply predictions by the ratio of the medians over the scored pixels first (Zhou et al.
            2017, arXiv 1704.07813), for a network that knows depth only up to a factor.

    Returns:
        A value for each of `METRICS`, or None where no pixel can be scored. Logarithms are natural, relative errors
        are relative to the truth, ``delta`` k is the share of pixels within a factor of 1.25 ** k.
    """
    chosen = (truth > min_depth) & (truth < cap) & inside(truth.shape[0], truth.shape[1], crop)
    if not chosen.any():
        return None
    true, guess = truth[chosen].astype(np.float64), predicted[chosen].astype(np.float64)
    if median_scaling:
        guess = guess * (np.median(true) / max(float(np.median(guess)), 1e-9))
    guess = guess.clip(min_depth, cap)
    error, factor = guess - true, np.maximum(guess / true, true / guess)
    values = {
        "abs_rel": np.abs(error) / true,
        "sq_rel": error**2 / true,
        "rmse": error**2,
        "rmse_log": (np.log(guess) - np.log(true)) ** 2,
        **{f"delta{k}": factor < 1.25**k for k in (1, 2, 3)},
    }
    means = {name: float(value.mean()) for name, value in values.items()}
    return means | {name: float(np.sqrt(means[name])) for name in ("rmse", "rmse_log")}
