"""The lattice of views of a test course: where they are taken, and whether one can fly from one to the next."""

from __future__ import annotations

import numpy as np

from bench.formats.courses import F64, GroundPlan

STEP = 1.5
"""Metres from row to row, along the course."""
OFFSETS = (-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0)
"""y of the columns, from right to left. The next column of the next row is 27 degrees aside: well within the view."""
RADIUS = 0.3
"""Of the quadcopter."""


def rows(length: float) -> int:
    """How many rows a course of ``length`` metres has: from x = 0 to the finish."""
    return int(np.floor(length / STEP + 1e-9)) + 1


def positions(length: float) -> F64:
    """(rows, columns, 2): x and y of every node."""
    x, y = np.meshgrid(np.arange(rows(length)) * STEP, np.array(OFFSETS), indexing="ij")
    return np.stack([x, y], -1)


def nodes(plan: GroundPlan) -> list[tuple[int, int]]:
    """Row and column of every node that a quadcopter of `RADIUS` can be at, row by row; the others get no view."""
    free = ~plan.collides(positions(plan.length), RADIUS)
    return [(int(row), int(column)) for row, column in np.argwhere(free)]


def flyable(plan: GroundPlan) -> bool:
    """Whether the finish can be reached from the start's middle by steps to a neighbouring node of the next row."""
    place = positions(plan.length)
    reached = np.zeros(len(OFFSETS), np.bool_)
    reached[len(OFFSETS) // 2] = not plan.collides(place[0, len(OFFSETS) // 2], RADIUS)
    for row in range(len(place) - 1):
        ahead = np.zeros_like(reached)
        for column in np.flatnonzero(reached).tolist():
            to = np.arange(max(0, column - 1), min(len(OFFSETS), column + 2))
            ahead[to] |= plan.passable(np.tile(place[row, column], (len(to), 1)), place[row + 1, to], RADIUS)
        reached = ahead
    return bool(reached.any())
