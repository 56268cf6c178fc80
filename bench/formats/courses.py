"""The ground plan of an obstacle course: what a closed-loop task must know to fly through it without any renderer.

A course runs along x from 0 to ``length``; y is 0 in its middle and grows to the left; metres and radians. A world
writes a plan as vectors of every sample (`GroundPlan.vectors`), a task reads it back (`GroundPlan.of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError

F64 = NDArray[np.float64]
COLUMNS = 6
"""Numbers per obstacle: x, y, angle, half length, half width, radius."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundPlan:
    """What stands in a course, seen from above.

    Attributes:
        width: of the corridor in metres; walls or hedges stand at y = -width / 2 and y = width / 2.
        length: x of the finish in metres.
        end: x of the wall that closes the corridor behind the finish.
        obstacles: (N, 6): x and y of the centre, angle of the long side to x, half length, half width, radius. It is a
            rectangle grown by the radius: a disc has halves of 0, a box has radius 0.
    """

    width: float
    length: float
    end: float
    obstacles: F64

    def vectors(self) -> dict[str, NDArray[np.float32]]:
        """As label vectors: ``corridor`` (width, length, end) and ``obstacles`` (6 N)."""
        corridor = np.array([self.width, self.length, self.end], np.float32)
        return {"corridor": corridor, "obstacles": self.obstacles.astype(np.float32).ravel()}

    @classmethod
    def of(cls, vectors: Mapping[str, ArrayLike]) -> GroundPlan:
        """Read what `vectors` wrote; raises `DataError` where a vector is missing or has a wrong length."""
        for name in ("corridor", "obstacles"):
            if name not in vectors:
                raise DataError(f"the labels have no vector '{name}'; this needs a world of courses (see `bench list`)")
        corridor, flat = (np.asarray(vectors[name], np.float64) for name in ("corridor", "obstacles"))
        if corridor.shape != (3,) or flat.ndim != 1 or flat.size % COLUMNS:
            raise DataError(
                f"vector corridor has {corridor.size} numbers and obstacles {flat.size}; "
                f"expected 3 and a multiple of {COLUMNS}: render or import the set again"
            )
        width, length, end = corridor.tolist()
        return cls(width, length, end, flat.reshape(-1, COLUMNS))

    def clearance(self, points: ArrayLike) -> F64:
        """Distance in metres from each of (..., 2) points to the nearest obstacle or wall; negative inside one."""
        place = np.asarray(points, np.float64)
        x, y = place[..., 0], place[..., 1]
        walls = np.minimum(self.width / 2 - np.abs(y), self.end - x)
        if not len(self.obstacles):
            return np.asarray(walls)
        dx, dy = x[..., None] - self.obstacles[:, 0], y[..., None] - self.obstacles[:, 1]
        cos, sin = np.cos(self.obstacles[:, 2]), np.sin(self.obstacles[:, 2])
        along = np.abs(cos * dx + sin * dy) - self.obstacles[:, 3]
        across = np.abs(cos * dy - sin * dx) - self.obstacles[:, 4]
        outside = np.hypot(along.clip(0), across.clip(0))
        inside = np.maximum(along, across).clip(max=0)
        return np.asarray(np.minimum(walls, (outside + inside - self.obstacles[:, 5]).min(-1)))

    def collides(self, points: ArrayLike, radius: float) -> NDArray[np.bool_]:
        """Whether a disc of ``radius`` metres at each of (..., 2) points touches anything."""
        return np.asarray(self.clearance(points) < radius)

    def passable(self, starts: ArrayLike, ends: ArrayLike, radius: float, step: float = 0.05) -> NDArray[np.bool_]:
        """Whether the disc can go straight from (..., 2) starts to ends, tested every ``step`` metres or closer."""
        a, b = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
        longest = float(np.linalg.norm(b - a, axis=-1).max(initial=0.0))
        shares = np.linspace(0, 1, max(2, int(np.ceil(longest / step)) + 1))
        points = a[..., None, :] + shares[:, None] * (b - a)[..., None, :]
        return np.asarray(~self.collides(points, radius).any(-1))

    def cast(self, eye: ArrayLike, angles: ArrayLike, reach: float) -> F64:
        """Free distance in metres from ``eye`` (2,) along each of (A,) ``angles`` to x, at most ``reach``.

        Sphere tracing (Hart 1996): to advance by the clearance never jumps over anything.
        """
        angle, start = np.asarray(angles, np.float64), np.asarray(eye, np.float64)
        direction = np.stack([np.cos(angle), np.sin(angle)], -1)
        distance = np.zeros(angle.shape)
        for _ in range(200):
            free = self.clearance(start + distance[..., None] * direction)
            going = (free > 1e-3) & (distance < reach)
            if not going.any():
                break
            distance = np.where(going, distance + free, distance)
        return np.asarray(distance.clip(max=reach))
