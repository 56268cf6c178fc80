"""What may stand in the lane, and drawing it: apart from each other, so that nothing closes the lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.formats.courses import F64, GroundPlan

Kind = Literal["trunk", "foliage", "pole", "wall", "crate", "vehicle"]
CLASSES = ("ground", "sky", "trunk", "foliage", "pole", "wall", "crate", "vehicle")
"""Class names in the order of their indices."""
WIDTH = 8.0
"""Of the corridor."""
START = 3.0
"""Where the first obstacle may stand."""
GAP = 1.6
"""Between any two obstacles: nothing closes the lane."""
VARIANTS = 3
"""Individual shapes and materials of a kind."""

# How often each kind is tried; the largest are placed first, while there is room.
_SHARES: dict[Kind, float] = {
    "vehicle": 0.04, "wall": 0.08, "crate": 0.14, "foliage": 0.16, "trunk": 0.38, "pole": 0.20
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the lane; its footprint is as in `GroundPlan`, its height in metres, ``variant`` its individual."""

    kind: Kind
    x: float
    y: float
    angle: float
    half_length: float
    half_width: float
    radius: float
    height: float
    variant: int

    @property
    def footprint(self) -> tuple[float, float, float, float, float, float]:
        """As one row of `GroundPlan.obstacles`."""
        return self.x, self.y, self.angle, self.half_length, self.half_width, self.radius


def draw_obstacles(rng: np.random.Generator, stop: float, density: float) -> list[Obstacle]:
    """Up to ``density`` obstacles per metre from x = `START` to ``stop``; fewer where there is no room."""
    placed: list[Obstacle] = []
    kinds: list[Kind] = list(_SHARES)
    drawn = rng.choice(len(kinds), round(density * (stop - START)), p=list(_SHARES.values()))
    for number in sorted(drawn.tolist()):
        kind = kinds[number]
        for _ in range(20):
            thing = _one(rng, kind, float(rng.uniform(START, stop)), float(rng.uniform(-WIDTH / 2, WIDTH / 2)))
            if _fits(thing, placed):
                placed.append(thing)
                break
    return placed


def _one(rng: np.random.Generator, kind: Kind, x: float, y: float) -> Obstacle:
    variant, angle, a, b, radius, height = int(rng.integers(VARIANTS)), 0.0, 0.0, 0.0, 0.0, 0.0
    if kind == "trunk":
        radius, height = rng.uniform(0.16, 0.36), rng.uniform(4.5, 7.0)
    elif kind == "foliage":
        radius, height = rng.uniform(0.5, 1.0), rng.uniform(2.3, 3.2)
    elif kind == "pole":
        radius, height = rng.uniform(0.10, 0.15), rng.uniform(3.2, 5.0)
    elif kind == "wall":
        angle, a, b, height = np.pi / 2 + rng.normal(0, 0.3), rng.uniform(0.8, 1.4), 0.16, rng.uniform(2.2, 2.8)
    elif kind == "crate":
        angle, a, height = rng.uniform(-np.pi / 4, np.pi / 4), rng.uniform(0.45, 0.65), rng.uniform(2.1, 2.5)
        b = a
    else:
        angle, a, b, height = rng.normal(0, 0.25), 2.1, 0.95, 2.2
    return Obstacle(
        kind, round(x, 3), round(y, 3), round(float(angle), 3), round(float(a), 3), round(float(b), 3),
        round(float(radius), 3), round(float(height), 3), variant,
    )


def _outline(thing: Obstacle, cells: int = 9) -> F64:
    """Points of the rectangle inside the footprint, (P, 2); the radius is added by whoever measures from them."""
    u, v = (g.ravel() for g in np.meshgrid(np.linspace(-1, 1, cells), np.linspace(-1, 1, cells)))
    cos, sin = np.cos(thing.angle), np.sin(thing.angle)
    along, across = u * thing.half_length, v * thing.half_width
    return np.stack([thing.x + cos * along - sin * across, thing.y + sin * along + cos * across], -1)


def _fits(thing: Obstacle, placed: list[Obstacle]) -> bool:
    """Inside the lane and apart from the others; it keeps a passable gap to a border, or leans right against it."""
    points = _outline(thing)
    to_border = WIDTH / 2 - float(np.abs(points[:, 1]).max()) - thing.radius
    if to_border < 0.02 or 0.6 < to_border < GAP / 2 or points[:, 0].min() - thing.radius < START - 0.5:
        return False
    others = np.array([other.footprint for other in placed]).reshape(-1, 6)
    plan = GroundPlan(1e6, 0.0, 1e6, others)
    return float(plan.clearance(points).min()) - thing.radius > GAP
