"""Procedural surfaces: tileable noise, brushed and rough materials. All arrays are (H, W, 3) uint8 sRGB."""

from __future__ import annotations

import numpy as np

from bench.samples import U8
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.scene import Colour


def to_u8(colour: F64) -> U8:
    """Values 0 to 1 (clipped) as 0 to 255, rounded."""
    return np.asarray(np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8)


def value_noise(size: int, rng: np.random.Generator, octaves: int = 5, cells: int = 4) -> F64:
    """(size, size) smooth random field that tiles, 0 to 1: octave k interpolates a lattice of ``cells * 2**k``."""
    out = np.zeros((size, size))
    for octave in range(octaves):
        count = cells * 2**octave
        if count > size:
            break
        lattice = rng.random((count, count))
        place = np.arange(size) * count / size
        low = place.astype(np.int64)
        high = (low + 1) % count
        share = place - low
        share = share * share * (3 - 2 * share)
        rows = lattice[low] * (1 - share)[:, None] + lattice[high] * share[:, None]
        out += 0.55**octave * (rows[:, low] * (1 - share) + rows[:, high] * share)
    out -= out.min()
    out /= out.max() + 1e-12
    return out


def brushed(size: int, rng: np.random.Generator, colour: Colour, grain: float = 0.04, stain: float = 0.12) -> U8:
    """Brushed or wiped sheet: horizontal streaks of strength ``grain`` over soft stains of strength ``stain``."""
    streak = np.repeat(rng.normal(0, grain, (size, 1)), size, 1)
    soft = (value_noise(size, rng) - 0.5) * stain
    return to_u8((1 + streak + soft)[..., None] * np.asarray(colour))


def speckled(size: int, rng: np.random.Generator, colour: Colour, contrast: float = 0.25) -> U8:
    """A rough, uneven surface (concrete, worn plastic)."""
    field = value_noise(size, rng, octaves=6) - 0.5 + rng.normal(0, 0.12, (size, size))
    return to_u8((1 + contrast * field)[..., None] * np.asarray(colour))
