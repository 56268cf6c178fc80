"""Ground plans: distances by hand and against an independent implementation; what a quadcopter can pass."""

import numpy as np
import pytest

from bench.errors import DataError
from bench.formats.courses import GroundPlan

DISC = (5.0, 1.0, 0.0, 0.0, 0.0, 0.5)
BOX = (10.0, -1.0, np.pi / 2, 2.0, 0.5, 0.0)  # its long side lies across the course
PLAN = GroundPlan(8.0, 20.0, 30.0, np.array([DISC, BOX]))


@pytest.mark.parametrize(
    ("point", "clearance"),
    [
        ((2.0, 5.0 - 4.0), 2.5),  # to the disc
        ((5.0, 1.0), -0.5),  # its middle
        ((8.5, -1.0), 1.0),  # to the box's long face, half a metre before its middle
        ((10.0, -1.0), -0.5),  # its middle
        ((10.5 + 0.3, 1.0 + 0.4), 0.5),  # to its corner: a 3-4-5 triangle
        ((1.0, 3.9), 0.1),  # to the left border
        ((29.0, 0.0), 1.0),  # to the wall at the end
        ((1.0, -4.5), -0.5),  # beyond the right border
    ],
)
def test_clearance_by_hand(point, clearance):
    assert PLAN.clearance(point) == pytest.approx(clearance)
    assert PLAN.collides(point, clearance + 1e-6)
    assert not PLAN.collides(point, clearance - 1e-6)


def test_rays_against_a_dense_sampling_of_the_footprints():
    """March in millimetres and ask, for each point, whether it lies inside the grown rectangle by its definition."""
    rng = np.random.default_rng(0)
    obstacles = np.column_stack(
        [rng.uniform(2, 10, 6), rng.uniform(-3, 3, 6), rng.uniform(-3, 3, 6), rng.uniform(0, 1, (6, 2)), [0.3] * 6]
    )
    plan, eye = GroundPlan(8.0, 12.0, 12.0, obstacles), np.array((0.0, 0.3))
    walked = np.arange(0, 15, 0.001)
    for angle in np.linspace(-0.8, 0.8, 9):
        points = eye + walked[:, None] * (np.cos(angle), np.sin(angle))
        hit = (np.abs(points[:, 1]) >= 4) | (points[:, 0] >= 12)
        for x, y, turn, length, width, radius in obstacles:
            c, s = np.cos(turn), np.sin(turn)
            local = (points - (x, y)) @ np.array([[c, -s], [s, c]])
            nearest = np.stack([local[:, 0].clip(-length, length), local[:, 1].clip(-width, width)], 1)
            hit |= np.linalg.norm(local - nearest, axis=1) <= radius
        assert plan.cast(eye, np.array([angle]), 15.0)[0] == pytest.approx(walked[hit.argmax()], abs=0.005)


def test_rays_end_at_their_reach():
    assert PLAN.cast((0, 0), [0.0], 6.0).tolist() == [6.0]
    assert PLAN.cast((0, 1), [0.0], 6.0)[0] == pytest.approx(4.5, abs=0.002)


def test_a_disc_passes_where_it_fits():
    """Between the disc (y >= 0.5 there) and the right border (y = -4) there are 4.5 m."""
    starts, ends = np.array([(3, 1), (3, -1.75), (3, -0.5)], float), np.array([(7, 1), (7, -1.75), (7, -0.5)], float)
    assert PLAN.passable(starts, ends, 0.3).tolist() == [False, True, True]
    assert PLAN.passable(starts, ends, 2.2).tolist() == [False, True, False]
    assert PLAN.passable(starts, ends, 2.3).tolist() == [False, False, False]
    # A thin wall between two free places is not jumped over.
    thin = GroundPlan(8.0, 20.0, 30.0, np.array([(5.0, 0.0, np.pi / 2, 3.0, 0.02, 0.0)]))
    assert not thin.passable((4.0, 0.0), (6.0, 0.0), 0.1)


def test_vectors_go_there_and_back():
    back = GroundPlan.of({name: tuple(map(float, value)) for name, value in PLAN.vectors().items()})
    assert (back.width, back.length, back.end) == (8.0, 20.0, 30.0)
    assert back.obstacles == pytest.approx(PLAN.obstacles, abs=1e-6)
    empty = GroundPlan.of(GroundPlan(8.0, 20.0, 30.0, np.zeros((0, 6))).vectors())
    assert empty.clearance((0.0, 0.0)) == 4.0


def test_what_is_no_plan_is_refused():
    with pytest.raises(DataError, match="no vector 'obstacles'"):
        GroundPlan.of({"corridor": (8.0, 20.0, 30.0)})
    with pytest.raises(DataError, match="obstacles 7; expected 3 and a multiple of 6"):
        GroundPlan.of({"corridor": (8.0, 20.0, 30.0), "obstacles": [0.0] * 7})
