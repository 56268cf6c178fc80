"""Closed-loop flight through a lattice of views: pure geometry over predictions, the same for whoever flies.

The quadcopter always looks along the course, as the views of a lattice do, flies at a constant speed, and steers by
the direction of its flight (a quadcopter can fly sideways). Its camera takes a picture whenever it passes a row of the
lattice: the picture is the view of that row that is nearest to it. Until the next one it steers by this picture, and
knows by odometry how far it has come since, and how far aside of the view's place it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError
from bench.formats.courses import GroundPlan
from bench.samples import ImageSet
from tasks.avoidance.steering import F64, Steering

I64 = NDArray[np.int64]
_PRECISION = 1e-3  # metres; collisions are found at least this closely


@dataclass(frozen=True, slots=True)
class Quadcopter:
    """What flies.

    Attributes:
        speed: m/s, constant.
        decisions_per_second: how often it chooses a direction; between two decisions it flies straight on.
        acceleration: m/s^2, the largest sideways. It limits the turn from one decision to the next: to
            ``acceleration / speed / decisions_per_second`` radians.
        radius: metres.
    """

    speed: float
    decisions_per_second: float
    acceleration: float
    radius: float


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The views of one course.

    Attributes:
        course: its group in the set.
        plan: what stands in it.
        places: (V, 2) x and y in metres that the views are seen from.
        rows: (V,) x of each view's row.
        views: (V,) index of each view in the set.
    """

    course: str
    plan: GroundPlan
    places: F64
    rows: F64
    views: I64


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """One flight.

    Attributes:
        poses: (T + 1, 3) x, y in metres and direction of flight in radians to the left of x: the start, then the end
            of each of T stretches.
        views: (T,) index in the set of the view that each stretch was steered by.
        metres: flown along the course; zigzags earn nothing.
        collided: whether it ended by a collision, at the last pose, and not at the finish.
    """

    poses: F64
    views: I64
    metres: float
    collided: bool


def lattices(data: ImageSet) -> list[Lattice]:
    """The courses of a set in order; empty where its vectors name no ``node``: then it is no set of lattices.

    Raises:
        DataError: a view lacks a vector, or the views of a group do not show one course.
    """
    if not any("node" in record.vectors for record in data.records):
        return []
    groups: dict[str, list[int]] = {}
    for index, record in enumerate(data.records):
        groups.setdefault(record.group, []).append(index)
    return [_lattice(data, name, indices) for name, indices in groups.items()]


def _lattice(data: ImageSet, name: str, indices: Sequence[int]) -> Lattice:
    records = [data.records[index] for index in indices]
    for record in records:
        for key, least in (("node", 2), ("pose", 2)):
            if len(record.vectors.get(key, ())) < least:
                raise DataError(f"{record.path}: no vector '{key}', which other test images have; render the set again")
        if any(record.vectors.get(key) != records[0].vectors.get(key) for key in ("corridor", "obstacles")):
            raise DataError(f"{record.path}: another course than {records[0].path}, but the same group '{name}'")
    places = np.array([record.vectors["pose"][:2] for record in records], np.float64)
    number = np.array([record.vectors["node"][0] for record in records])
    rows = np.array([places[number == row, 0].min() for row in number])
    return Lattice(name, GroundPlan.of(records[0].vectors), places, rows, np.array(indices, np.int64))


def fly(lattice: Lattice, free: ArrayLike, steering: Steering, quadcopter: Quadcopter, start: float) -> Flight:
    """Fly through a course from x of the first row, heading straight on, until a collision or the finish.

    Args:
        lattice: the course.
        free: (N, K) metres, the free distances predicted (or true) for each view of the whole set.
        steering: the rule that turns free distances into a direction.
        quadcopter: what flies.
        start: y in metres.
    """
    distances, choices = np.asarray(free, np.float64), steering.choices()
    stretch = quadcopter.speed / quadcopter.decisions_per_second
    turn = quadcopter.acceleration / quadcopter.speed / quadcopter.decisions_per_second
    rows = np.unique(lattice.rows)
    place, direction = np.array([rows[0], start]), 0.0
    poses, views, row, seen = [(*place.tolist(), direction)], [], -1, 0
    collided = bool(lattice.plan.collides(place, quadcopter.radius))
    while not collided and place[0] < lattice.plan.length - 1e-9:
        passed = int(np.searchsorted(rows, place[0] + 1e-9, side="right")) - 1
        if passed != row:
            row, seen = passed, nearest(lattice, float(rows[passed]), float(place[1]))
        choice = steering.choose(distances[lattice.views[seen]], place - lattice.places[seen])
        direction += float(np.clip(choices[choice] - direction, -turn, turn))
        length = min(stretch, (lattice.plan.length - place[0]) / np.cos(direction))
        towards = np.array([np.cos(direction), np.sin(direction)])
        went = free_way(lattice.plan, place, towards, length, quadcopter.radius)
        collided, place = went < length, place + went * towards
        views.append(lattice.views[seen])
        poses.append((*place.tolist(), direction))
    metres = float(place[0] - rows[0])
    return Flight(np.array(poses), np.array(views, np.int64), metres, collided)


def nearest(lattice: Lattice, row: float, y: float) -> int:
    """Index into the lattice's views of the one in the row at x = ``row`` that is nearest to y; the first of two."""
    distance = np.where(lattice.rows == row, np.abs(lattice.places[:, 1] - y), np.inf)
    return int(np.argmin(distance))


def free_way(plan: GroundPlan, place: F64, towards: F64, length: float, radius: float) -> float:
    """Metres, at most ``length``, that a disc goes from ``place`` along the unit vector ``towards`` until it collides.

    To advance by the clearance never jumps over anything (sphere tracing, Hart 1996), so collisions are exact to a
    millimetre.
    """
    went = 0.0
    while True:
        spare = float(plan.clearance(place + went * towards)) - radius
        if spare < 0:
            return min(went, float(np.nextafter(length, 0)))
        if went >= length:
            return length
        went = min(went + max(spare, _PRECISION), length)
