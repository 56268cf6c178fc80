"""Flights by hand, and against a dense sampling of every stretch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import DataError
from bench.formats.courses import GroundPlan
from bench.samples import ImageSet
from tasks.avoidance.flying import Flight, Lattice, Quadcopter, fly, free_way, lattices, nearest
from tasks.avoidance.steering import Steering

STEERING = Steering(16, np.pi / 2, 20.0, 0.3, 0.15, 6.0)
QUADCOPTER = Quadcopter(3.4, 10.0, 10.0, 0.3)
BLIND = 20.0


def flown(data: ImageSet, course: int, start: float, free: np.ndarray | None = None) -> tuple[Lattice, Flight]:
    lattice = lattices(data)[course]
    views = np.full((len(data), 16), BLIND) if free is None else free
    return lattice, fly(lattice, views, STEERING, QUADCOPTER, start)


def truth(data: ImageSet) -> np.ndarray:
    return np.array([record.vectors["free"] for record in data.records])


def touching(plan: GroundPlan, points: np.ndarray, radius: float) -> bool:
    """Independent of `GroundPlan.clearance`: the nearest point of each rectangle by clamping, in its own frame."""
    x, y = points.reshape(-1, 2).T
    hit = (np.abs(y) + radius > plan.width / 2) | (x + radius > plan.end)
    for cx, cy, angle, length, width, grown in plan.obstacles:
        turned = np.exp(-1j * angle) * (x - cx + 1j * (y - cy))
        clamped = turned.real.clip(-length, length) + 1j * turned.imag.clip(-width, width)
        hit |= np.abs(turned - clamped) < radius + grown
    return bool(hit.any())


@pytest.mark.parametrize(
    ("start", "metres"),
    [
        (0.0, 5 - 0.5 - 0.3),
        (0.7, 5 - np.sqrt(0.8**2 - 0.7**2)),
        (-0.7, 5 - np.sqrt(0.8**2 - 0.7**2)),
        (0.79, 5 - np.sqrt(0.8**2 - 0.79**2)),
    ],
)
def test_who_sees_nothing_hits_the_disc(courses: ImageSet, start: float, metres: float) -> None:
    _, flight = flown(courses, 0, start)
    assert flight.collided
    assert flight.metres == pytest.approx(metres, abs=0.002)
    assert flight.poses[-1].tolist() == pytest.approx([metres, start, 0.0], abs=0.002)


def test_who_starts_beside_the_disc_reaches_the_finish(courses: ImageSet) -> None:
    _, flight = flown(courses, 0, 0.81)
    assert not flight.collided
    assert flight.metres == pytest.approx(9.0)
    assert len(flight.views) == len(flight.poses) - 1 == np.ceil(9 / 0.34)
    assert np.diff(flight.poses[:-1, 0]) == pytest.approx(np.full(len(flight.views) - 1, 0.34))


def test_who_starts_in_an_obstacle_does_not_fly(courses: ImageSet) -> None:
    _, flight = flown(courses, 0, 3.8)
    assert (flight.collided, flight.metres, len(flight.views), len(flight.poses)) == (True, 0.0, 0, 1)


@pytest.mark.parametrize("course", [0, 1])
@pytest.mark.parametrize("start", [-1.5, -0.75, 0.0, 0.75, 1.5])
def test_who_sees_the_truth_reaches_the_finish(courses: ImageSet, course: int, start: float) -> None:
    lattice, flight = flown(courses, course, start, truth(courses))
    assert not flight.collided
    assert flight.metres == pytest.approx(lattice.plan.length)


@pytest.mark.parametrize("sight", ["truth", "nothing", "noise"])
def test_collisions_against_a_dense_sampling(courses: ImageSet, sight: str) -> None:
    """Every stretch in steps of 2 mm: nothing is touched up to the last pose, and there only by who collided."""
    random = np.random.default_rng(3)
    noise = random.uniform(0.5, 20, (len(courses), 16))
    free = {"truth": truth(courses), "nothing": np.full_like(noise, BLIND), "noise": noise}[sight]
    outcomes = []
    for course in (0, 1):
        for start in np.linspace(-3, 3, 7):
            lattice, flight = flown(courses, course, float(start), free)
            for a, b in zip(flight.poses[:-1, :2], flight.poses[1:, :2], strict=True):
                shares = np.arange(0, 1, 0.002 / max(0.002, np.hypot(*(b - a))))
                assert not touching(lattice.plan, a + shares[:, None] * (b - a), 0.297)
            end, heading = flight.poses[-1, :2], flight.poses[-1, 2]
            beyond = end + 0.003 * np.array([np.cos(heading), np.sin(heading)])
            assert touching(lattice.plan, beyond, 0.301) == flight.collided
            outcomes.append(flight.collided)
    assert any(outcomes) == (sight != "truth")


def test_a_flight_keeps_to_speed_and_turns(courses: ImageSet) -> None:
    turns = []
    for course in (0, 1):
        _, flight = flown(courses, course, 0.0, truth(courses))
        assert np.hypot(*np.diff(flight.poses[:, :2], axis=0).T)[:-1] == pytest.approx(0.34)
        heading = np.arctan2(*np.diff(flight.poses[:, :2], axis=0).T[::-1])
        assert heading == pytest.approx(flight.poses[1:, 2])
        turns += np.abs(np.diff(flight.poses[:, 2])).tolist()
    assert max(turns) == pytest.approx(10 / 3.4 / 10)  # a decision's largest turn, and it was needed


def test_every_picture_is_taken_at_the_row_just_passed(courses: ImageSet) -> None:
    for course in (0, 1):
        lattice, flight = flown(courses, course, 0.4, truth(courses))
        place = {int(view): where for view, where in zip(lattice.views, lattice.places, strict=True)}
        for k, view in enumerate(flight.views.tolist()):
            x, seen = flight.poses[k, 0], place[view]
            assert seen[0] == np.floor(x / 1.5 + 1e-9) * 1.5
            if k == 0 or view != flight.views[k - 1]:  # a new picture, of the place nearest to where it is
                row = [where for where in place.values() if where[0] == seen[0]]
                assert abs(seen[1] - flight.poses[k, 1]) == min(abs(where[1] - flight.poses[k, 1]) for where in row)
        assert set(np.floor(flight.poses[:-1, 0] / 1.5 + 1e-9)) == set(range(6))


def test_no_place_is_far_from_a_view(courses: ImageSet) -> None:
    """Wherever the quadcopter fits, a view of the row is less than a column away."""
    for lattice in lattices(courses):
        for row in np.unique(lattice.rows):
            for y in np.arange(-3.3, 3.31, 0.1):
                if not lattice.plan.collides((row, y), 0.3):
                    view = nearest(lattice, float(row), float(y))
                    assert lattice.places[view, 0] == row
                    assert abs(lattice.places[view, 1] - y) < 0.75


def test_flights_are_determined(courses: ImageSet) -> None:
    first, second = (flown(courses, 1, 0.0, truth(courses))[1] for _ in range(2))
    assert first.poses.tobytes() == second.poses.tobytes()
    assert first.views.tobytes() == second.views.tobytes()


def test_only_views_of_the_own_course_are_seen(courses: ImageSet) -> None:
    lattice, flight = flown(courses, 1, 0.0, truth(courses))
    assert {courses.groups[view] for view in flight.views} == {"c1"} == {lattice.course}
    only = courses.subset(lattice.views.tolist())
    alone = flown(only, 0, 0.0, truth(only))[1]
    assert alone.poses.tobytes() == flight.poses.tobytes()


def test_a_thin_post_is_not_jumped_over() -> None:
    plan = GroundPlan(8.0, 9.0, 20.0, np.array([(5.0, 0.0, np.pi / 2, 1.0, 0.001, 0.0)]))
    east = np.array([1.0, 0.0])
    assert free_way(plan, np.zeros(2), east, 9.0, 0.01) == pytest.approx(5 - 0.011, abs=0.002)
    assert free_way(plan, np.array([0.0, 1.02]), east, 9.0, 0.01) == 9.0
    assert free_way(plan, np.zeros(2), east, 2.0, 0.01) == 2.0


def test_sets_that_are_no_lattices(courses: ImageSet) -> None:
    def without(name: str, index: int) -> ImageSet:
        record = courses.records[index]
        vectors = {key: value for key, value in record.vectors.items() if key != name}
        records = (*courses.records[:index], replace(record, vectors=vectors), *courses.records[index + 1 :])
        return replace(courses, records=records)

    assert lattices(courses.unlabelled()) == []
    for name, reason in (("node", "no vector 'node'"), ("pose", "no vector 'pose'"), ("obstacles", "another course")):
        with pytest.raises(DataError, match=reason):
            lattices(without(name, 3))
