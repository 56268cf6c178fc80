"""The light of a room: daylight through the windows, lamps that are on, or both at once (mixed light)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.worlds.furnished.fittings import shade
from bench.worlds.furnished.items import Item
from bench.worlds.furnished.plan import Plan
from bench.worlds.rendering.pathtrace import Lamp

_DAY = 0.65  # share of rooms that are seen by day
_OFF = 0.004  # metres that a light lies before what shines


def draw_lamps(plan: Plan, rng: np.random.Generator) -> list[Lamp]:
    """By day every window shines and a lamp may; by night at least one lamp does and windows hardly."""
    day = rng.random() < _DAY
    power = float(rng.uniform(2.5, 9.0) if day else rng.uniform(0.01, 0.08))
    sky = power * (1 + np.array((-0.25, 0.0, 0.3)) * float(rng.uniform(0.0, 1.0)))
    lamps, warmth = [], float(rng.uniform(0.2, 0.9))
    fixtures = [item for item in plan.items if item.kind in ("ceiling_lamp", "floor_lamp", "table_lamp")]
    lit = rng.random(len(fixtures)) < np.where([item.kind == "ceiling_lamp" for item in fixtures], 0.3, 0.25)
    if not day:
        lit |= rng.random(len(fixtures)) < 0.6
        if not lit.any():
            lit[int(rng.integers(len(fixtures)))] = True
    for item in plan.items:
        if item.kind == "window":
            lamps.append(_panel(item, (0, 0.01 - _OFF, item.height / 2), (item.width, item.height), (0, -1, 0), sky))
    for item, on in zip(fixtures, lit.tolist(), strict=True):
        if on:
            bulb = float(rng.uniform(0.8, 1.6)) * np.array((1.0, 1 - 0.3 * warmth, 1 - 0.62 * warmth))
            lamps += _bulb(item, bulb)
    return lamps


def _bulb(item: Item, colour: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[Lamp]:
    """What shines of a lamp: the four sides of its shade, and of a ceiling lamp the lower side most of all."""
    width, low, high = shade(item)
    middle, tall, out = (low + high) / 2, high - low, width / 2 + _OFF
    if item.kind == "ceiling_lamp":
        strength = 9.0 / (width * width)
        below = _panel(item, (0, 0, low - _OFF), (width, width), (0, 0, -1), colour * strength * 0.3)
        if tall < 0.12:
            return [below]
        sides = 0.12 * strength
    else:
        below, sides = None, 1.6 / (width * tall)
    lamps = [
        _panel(item, (out * x, out * y, middle), (width, tall), (x, y, 0), colour * sides)
        for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    return lamps if below is None else [below, *lamps]


def _panel(item: Item, centre: ArrayLike, size: tuple[float, float], towards: ArrayLike, radiance: ArrayLike) -> Lamp:
    """A light in the axes of a thing."""
    turn, offset = item.place
    return Lamp(_three(turn @ np.asarray(centre) + offset), size, _three(turn @ np.asarray(towards)), _three(radiance))


def _three(values: ArrayLike) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in np.asarray(values))
    return x, y, z
