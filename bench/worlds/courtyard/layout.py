"""Drawing a course: the lane, its borders and what looks over them, so that a quadcopter can always get through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.formats.courses import GroundPlan
from bench.worlds.courtyard.lattice import flyable
from bench.worlds.courtyard.obstacles import VARIANTS, WIDTH, Obstacle, draw_obstacles

RUN_OUT = 14.0
"""From the finish to the wall behind it, so that the last views look like the first."""


@dataclass(frozen=True, slots=True)
class Side:
    """A stretch of the lane's border, from x = ``start`` to ``stop``: a wall or a hedge of ``height`` metres."""

    kind: Literal["wall", "foliage"]
    start: float
    stop: float
    height: float
    variant: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands where: in the lane, along its right and left border, and (trees, houses) behind the borders."""

    length: float
    obstacles: tuple[Obstacle, ...]
    right: tuple[Side, ...]
    left: tuple[Side, ...]
    backdrop: tuple[Obstacle, ...]

    @property
    def plan(self) -> GroundPlan:
        """What the quadcopter can hit."""
        rows = np.array([thing.footprint for thing in self.obstacles], np.float64).reshape(-1, 6)
        return GroundPlan(WIDTH, self.length, self.length + RUN_OUT, rows)


def draw_layout(rng: np.random.Generator, length: float, density: float) -> Layout:
    """A course of ``length`` metres with up to ``density`` obstacles per metre; drawn again until it can be flown."""
    while True:
        layout = Layout(
            length, tuple(draw_obstacles(rng, length + RUN_OUT - 3.0, density)), _side(rng, length), _side(rng, length),
            tuple(_backdrop(rng, length)),
        )
        if flyable(layout.plan):
            return layout


def _side(rng: np.random.Generator, length: float) -> tuple[Side, ...]:
    sides, x = [], -6.0
    while x < length + RUN_OUT:
        stop = min(x + float(rng.uniform(5, 14)), length + RUN_OUT)
        hedge = rng.random() < 0.5
        height = float(rng.uniform(2.5, 3.2) if hedge else rng.uniform(2.4, 4.2))
        sides.append(Side("foliage" if hedge else "wall", x, stop, round(height, 3), int(rng.integers(VARIANTS))))
        x = stop if stop < length + RUN_OUT - 2 else length + RUN_OUT
    return tuple(sides)


def _backdrop(rng: np.random.Generator, length: float) -> list[Obstacle]:
    """Trees and houses that look over the borders and throw shadows into the lane."""
    out = []
    for sign in (-1, 1):
        x = -4.0
        while x < length + RUN_OUT + 8:
            variant, beyond = int(rng.integers(VARIANTS)), WIDTH / 2 + float(rng.uniform(1.2, 4.0))
            if rng.random() < 0.2:
                half, height = float(rng.uniform(2.5, 4.0)), float(rng.uniform(4.5, 7.0))
                out.append(Obstacle("wall", x, sign * (beyond + half), 0.0, half, half, 0.0, height, variant))
                x += 2 * half + 1
            else:
                radius, height = float(rng.uniform(0.18, 0.4)), float(rng.uniform(5.5, 8.5))
                out.append(Obstacle("trunk", x, sign * beyond, 0.0, 0.0, 0.0, radius, height, variant))
                x += float(rng.uniform(2.0, 4.5))
    return out
