"""Motion blur: how a picture streams while the shutter is open, and what that leaves of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from bench.worlds.rendering.mesh import F64

FASTEST = 3.4
"""Metres per second: the paper's quadcopter at its fastest."""
_MOMENTS = 5  # that are mixed into one blurred picture


def draw_flow(depth: F64, focal: float, rng: np.random.Generator) -> F64:
    """The `flow` of one exposure of 1/90 to 1/25 s, at up to `FASTEST`, while turning a little."""
    shutter = 1 / rng.uniform(25, 90)
    forward, turn = float(rng.uniform(0.5, FASTEST)) * shutter, rng.normal(0, (0.35, 0.7)) * shutter
    return flow(depth, focal, forward, turn)


def flow(depth: F64, focal: float, forward: float, turn: ArrayLike) -> F64:
    """(2, H, W): pixels down and across that each pixel of (H, W) ``depth`` metres (0 = far) streams.

    Going ``forward`` metres moves a pixel away from the centre by its distance from it times forward over depth;
    ``turn`` (2,), radians down and across, moves all of them by ``focal`` pixels a radian.
    """
    size = np.array(depth.shape, np.float64)[:, None, None]
    nearness = np.where(depth > 0, 1 / np.maximum(depth, 0.2), 0.0)
    away = np.indices(depth.shape) - (size - 1) / 2
    return np.asarray(away * forward * nearness + focal * np.asarray(turn, np.float64)[:, None, None])


def blurred(linear: F64, streaming: F64) -> F64:
    """(H, W, 3) light, averaged along ``streaming`` (2, H, W) pixels, half of it to either side."""
    place = np.indices(linear.shape[:2])
    smooth = ndimage.gaussian_filter(streaming, (0, 0.7, 0.7))  # edges of near things take some background along
    out = np.zeros_like(linear)
    for moment in np.linspace(-0.5, 0.5, _MOMENTS):
        for channel in range(3):
            out[..., channel] += ndimage.map_coordinates(
                linear[..., channel], place + moment * smooth, order=1, mode="nearest"
            )
    return out / _MOMENTS
