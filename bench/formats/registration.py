"""Whether a refined image still lies on its synthetic one: the whole-pixel shift that brings their edges together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.formats.geometry import PADDING

F64 = NDArray[np.float64]
LEAST = 0.12
"""Correlation of edges below which nothing is said: the refined image shares too few edges to tell."""
CHANCE = 4.0
"""Nor below so many times what pictures without anything in common have, one over the root of their pixels."""
MARGIN = 1.25
"""So many times better than where it should lie must the shifted place be, so that no texture is taken for a shift."""
LUMA = np.array([0.299, 0.587, 0.114])


def edges(image: NDArray[np.uint8]) -> F64:
    """(H, W) gradient magnitude of the grey (H, W, 3) image, its mean taken away.

    The square root keeps one strong edge from drowning all others; a refiner changes contrast, not places.
    """
    grey = image.astype(np.float64) @ LUMA
    down, across = np.gradient(grey)
    strength = np.sqrt(np.hypot(down, across))
    return np.asarray(strength - strength.mean())


def shift_between(before: NDArray[np.uint8], after: NDArray[np.uint8], allowed: int) -> tuple[int, int] | None:
    """By how many pixels (right, down) ``after`` is shifted against ``before``, or None if it is not.

    Cross-correlation of edge magnitudes by Fourier transform, zero-padded so that nothing wraps around; shifts up to a
    quarter of the shorter side are looked at. Letterbox bars of ``before`` are cut off both, since their long edges
    stay in place whatever the picture does.

    Args:
        before, after: (H, W, 3) uint8 of one size, 8 pixels or more a side.
        allowed: shifts of up to so many pixels are no shift (rounding when somebody resized).
    """
    top, left, bottom, right = inner(before)
    first, second = (edges(image[top:bottom, left:right]) for image in (before, after))
    reach = min(first.shape) // 4
    if reach <= allowed or min(first.std(), second.std()) < 1e-6:
        return None
    shape = (first.shape[0] + reach, first.shape[1] + reach)
    one, other = (_whitened(np.fft.rfft2(part, shape)) for part in (first, second))
    # By Parseval, the correlation of equal pictures is 1 at no shift.
    energy = np.sqrt(np.fft.irfft2(abs(one) ** 2, shape)[0, 0] * np.fft.irfft2(abs(other) ** 2, shape)[0, 0])
    correlation = np.fft.irfft2(np.conj(one) * other, shape) / energy
    # Negative shifts lie at the end of each axis; bring the window around zero together.
    window: NDArray[Any] = np.roll(correlation, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    down, across = (int(place) - reach for place in np.unravel_index(int(window.argmax()), window.shape))
    middle = slice(reach - allowed, reach + allowed + 1)
    least = max(LEAST, CHANCE / float(np.sqrt(first.size)))
    in_place, best = float(window[middle, middle].max()), float(window.max())
    if max(abs(down), abs(across)) <= allowed or best < max(least, MARGIN * in_place):
        return None
    return across, down


def _whitened(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """A spectrum with the root of its amplitudes: halfway to phase correlation, so that soft edges have sharp peaks."""
    return np.asarray(spectrum / np.sqrt(np.maximum(abs(spectrum), 1e-12)))


def inner(image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the picture inside letterbox bars; the whole image where it has none."""
    picture = (image != np.array(PADDING, np.uint8)).any(axis=-1)
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    if not rows.size:
        return 0, 0, image.shape[0], image.shape[1]
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
