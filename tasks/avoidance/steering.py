"""The steering rule: from free distances in a fan of directions to where to fly. One rule for truth and predictions.

Angles are in radians, to the left of straight ahead (the way to the goal, where the camera looks too); the sectors of a
fan have equal angles and run from its left edge to its right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]
_SPACING = np.radians(1.0)  # at most, between the points that stand for the near end of a sector


@dataclass(frozen=True, slots=True)
class Steering:
    """The rule's settings.

    Attributes:
        directions: K, the number of sectors.
        field_of_view: angle in radians that they cover, half of it to either side.
        reach: metres; a free distance of this or more means that nothing is in sight.
        radius: of the quadcopter in metres.
        margin: metres that it wants to keep from obstacles, besides.
        horizon: metres that it looks ahead: whoever can fly that far has no reason to turn away.
    """

    directions: int
    field_of_view: float
    reach: float
    radius: float
    margin: float
    horizon: float

    def edges(self) -> F64:
        """(K + 1,) angles between the sectors, falling."""
        return np.linspace(self.field_of_view / 2, -self.field_of_view / 2, self.directions + 1)

    def choices(self) -> F64:
        """(K - 1,) directions to choose from, falling: those between two neighbouring sectors."""
        return self.edges()[1:-1]

    def obstacles(self, free: ArrayLike) -> F64:
        """(P, 2) points ahead and to the left of the camera: where (K,) free distances end, along arcs.

        A sector that is free to `reach` has none.
        """
        distance = np.asarray(free, np.float64)
        count = int(np.ceil(self.field_of_view / self.directions / _SPACING - 1e-9)) + 1
        edges, share = self.edges(), np.linspace(0, 1, count)
        angle = edges[:-1, None] + share * (edges[1:] - edges[:-1])[:, None]
        seen = distance < self.reach
        points = distance[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        return np.asarray(points[seen].reshape(-1, 2))

    def values(self, free: ArrayLike, place: ArrayLike = (0.0, 0.0)) -> F64:
        """(K - 1,) metres of progress straight ahead that each of `choices` promises, at most `horizon`.

        How far a disc of radius + margin can go that way before it touches one of `obstacles` or has gone `horizon`,
        times the cosine of the direction. A point that is inside the disc already only forbids to come closer.

        Args:
            free: (K,) metres.
            place: of the disc, metres ahead and to the left of where ``free`` was seen from.
        """
        offset = self.obstacles(free) - np.asarray(place, np.float64)
        angle = self.choices()
        forward = offset @ np.stack([np.cos(angle), np.sin(angle)])
        sideways = offset @ np.stack([-np.sin(angle), np.cos(angle)])
        half_chord = np.sqrt(((self.radius + self.margin) ** 2 - sideways**2).clip(min=0))
        blocks = (half_chord > 0) & (forward > 0)
        path = np.where(blocks, (forward - half_chord).clip(min=0), np.inf).min(0, initial=np.inf)
        return np.asarray(np.minimum(path, self.horizon) * np.cos(angle))

    def choose(self, free: ArrayLike, place: ArrayLike = (0.0, 0.0)) -> int:
        """Index into `choices` of the one with the greatest of `values`; of equal ones the straightest, then the left.

        Where no choice promises any progress, the one between the two sectors that are free farthest is taken.
        """
        value, angle = self.values(free, place), self.choices()
        if value.max() <= 0:
            distance = np.asarray(free, np.float64)
            value = np.minimum(distance[:-1], distance[1:])
        best = np.flatnonzero(value >= value.max() - 1e-9)
        return int(best[np.argmin(np.abs(angle[best]).round(9))])
