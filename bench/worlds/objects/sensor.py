"""Depth as the suite's images carry it: relative to the object's centre, and as a depth camera would measure it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bench.worlds.rendering.mesh import F64

RANGE = 0.2
"""Metres in front of and behind the object's centre that are told apart (papers: Wohlhart and Lepetit 2015)."""
_NEAREST = 0.001  # 0 would mean unknown


def relative(depth: F64, distance: float) -> F64:
    """Depth in metres along the optical axis (0 = nothing there) to metres from ``distance`` - `RANGE`, (0, 0.4].

    0.2 is the object's centre; 0.4 is everything at least `RANGE` behind it, nothing included. A network that reads it
    with a span of 0.4 sees [-1, 1], the background at 1.
    """
    beyond = np.where(depth > 0, depth - distance + RANGE, 2 * RANGE)
    return np.asarray(beyond.clip(_NEAREST, 2 * RANGE))


def measured(depth: F64, rng: np.random.Generator, noise: float = 0.002, step: float = 0.002) -> F64:
    """What a structured-light camera makes of ``depth`` (H, W; metres, 0 = nothing).

    Gaussian noise, quantisation in steps of ``step`` metres, and readings lost (0) at
    a fifth of the pixels beside a jump.
    """
    far = np.where(depth > 0, depth, 10.0)
    jump = ndimage.maximum_filter(far, 3) - ndimage.minimum_filter(far, 3) > 0.04
    noisy = np.rint((depth + rng.normal(0, noise, depth.shape)) / step) * step
    lost = jump & (rng.random(depth.shape) < 0.2)
    return np.where((depth > 0) & ~lost, noisy, 0.0)
