"""The eleven objects: names as in LineMod's objects without symmetry (Hinterstoisser et al. 2012), shapes our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.worlds.objects import animals, household, tools
from bench.worlds.objects.solids import Piece, scaled

_MAKERS: dict[str, Callable[[], list[Piece]]] = {
    "ape": animals.ape, "benchvise": tools.benchvise, "cam": household.cam, "can": household.can,
    "cat": animals.cat, "driller": tools.driller, "duck": animals.duck, "holepuncher": tools.holepuncher,
    "iron": tools.iron, "lamp": household.lamp, "phone": household.phone,
}
NAMES: tuple[str, ...] = tuple(_MAKERS)
"""Class names, in the order of their indices."""
LARGEST = 0.168
"""Metres: what would be larger is made smaller, so that every view of it fits a crop of 20 cm."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One object in metres: z up, front towards -y, the origin in the middle of its bounding box.

    Attributes:
        pieces: what it is made of.
        bottom: z of the table that it stands on.
        reach: largest distance of its surface from the vertical axis.
        diameter: twice the largest distance of its surface from the origin.
    """

    pieces: tuple[Piece, ...]
    bottom: float
    reach: float
    diameter: float


@cache
def model(index: int) -> Model:
    """The object of class ``index``."""
    raw = _MAKERS[NAMES[index]]()
    points = np.concatenate([piece.mesh.vertices for piece in raw])
    middle = (points.min(0) + points.max(0)) / 2
    points -= middle
    diameter = float(2 * np.linalg.norm(points, axis=1).max())
    unit = min(0.01, LARGEST / diameter)
    pieces = [Piece(scaled(p.mesh.moved(offset=-middle), unit), p.colour, p.finish) for p in raw]
    reach = float(np.linalg.norm(points[:, :2], axis=1).max())
    return Model(tuple(pieces), float(points[:, 2].min()) * unit, reach * unit, diameter * unit)
