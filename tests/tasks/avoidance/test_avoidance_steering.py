"""The steering rule by hand, and against a march in small steps."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.avoidance.steering import Steering


def rule(directions: int = 16, **changes: float) -> Steering:
    settings = {"field_of_view": np.pi / 2, "reach": 20.0, "radius": 0.3, "margin": 0.15, "horizon": 6.0} | changes
    return Steering(directions, **settings)


def test_choices_lie_between_sectors() -> None:
    assert np.degrees(rule(4).edges()).tolist() == pytest.approx([45, 22.5, 0, -22.5, -45])
    assert np.degrees(rule(4).choices()).tolist() == pytest.approx([22.5, 0, -22.5])


def test_obstacles_are_arcs_at_the_free_distance() -> None:
    steering = rule(4)
    assert steering.obstacles([20.0, 20.0, 25.0, 20.0]).shape == (0, 2)
    ahead, left = steering.obstacles([20.0, 3.0, 20.0, 20.0]).T
    angles = np.degrees(np.arctan2(left, ahead))
    assert np.hypot(ahead, left) == pytest.approx(np.full(len(ahead), 3.0))
    assert (angles.max(), angles.min()) == pytest.approx((22.5, 0.0))
    assert np.abs(np.diff(angles)).max() <= 1


def test_a_free_view_leads_straight_on() -> None:
    steering = rule()
    assert steering.values(np.full(16, 20.0)) == pytest.approx(6 * np.cos(steering.choices()))
    assert steering.choose(np.full(16, 20.0)) == 7


def test_progress_by_hand() -> None:
    """Sectors of one degree, two of them blocked at 3 m straight ahead: points at 1, 0 and -1 degrees."""
    steering, free = rule(90), np.full(90, 20.0)
    free[44:46] = 3.0
    values = steering.values(free)
    assert values[44] == pytest.approx(3 - 0.45)
    # 8 degrees aside of the nearest of them, its distance to the path is 3 sin 7 = 0.366 m
    path = 3 * np.cos(np.radians(7)) - np.sqrt(0.45**2 - 0.3656**2)
    assert values[44 - 8] == pytest.approx(path * np.cos(np.radians(8)), abs=1e-3)
    # 10 degrees: 3 sin 9 = 0.469 m, more than 0.45: free
    assert values[44 - 10] == pytest.approx(6 * np.cos(np.radians(10)))
    assert values[44 - 9] < 3  # 3 sin 8 = 0.418
    assert steering.choose(free) == 44 - 10  # left and right are as good: left


def test_the_place_of_the_quadcopter_counts() -> None:
    steering, free = rule(90), np.full(90, 20.0)
    free[44:46] = 3.0
    assert steering.values(free, (1.0, 0.0))[44] == pytest.approx(3 - 0.45 - 1.0)
    assert steering.values(free, (0.0, 0.6))[44] == pytest.approx(6.0)
    assert steering.choose(free, (0.0, 0.6)) == 44
    assert steering.values(free, (3.2, 0.0))[44] == pytest.approx(6.0)  # it lies behind


def test_a_point_within_the_margin_forbids_to_come_closer() -> None:
    steering, free = rule(90), np.full(90, 20.0)
    free[:30] = 0.4  # to the left, 15 degrees and more, within 0.45 m
    assert not steering.values(free).any()  # no choice leads away from the point at 15 degrees
    assert steering.choose(free) == 44  # so what is far counts: everything from there to the right, and the straightest
    assert steering.values(free, (0.41, 0.0))[44] == pytest.approx(6.0)  # now all of them lie abeam or behind


def test_without_a_way_the_widest_is_taken() -> None:
    free = np.full(16, 0.4)
    free[11:13] = 0.42
    assert not rule().values(free).any()
    assert rule().choose(free) == 11


def test_mirrored_fans_lead_to_mirrored_choices() -> None:
    random, steering = np.random.default_rng(0), rule()
    for free in random.uniform(0.5, 20, (200, 16)):
        assert steering.values(free[::-1])[::-1] == pytest.approx(steering.values(free))


def test_against_a_march_in_small_steps() -> None:
    """Independent: go forward by millimetres until a point that was not touched before gets closer than allowed."""
    random, steering = np.random.default_rng(1), rule(8, horizon=4.0)
    for free in random.uniform(1, 8, (12, 8)):
        place = random.uniform(-0.2, 0.2, 2)
        expected = []
        for k in range(7):
            angle = np.pi / 4 - (k + 1) * np.pi / 16
            points = []
            for s, distance in enumerate(free):
                for share in np.linspace(0, 1, 13):
                    at = np.pi / 4 - (s + share) * np.pi / 16
                    points.append((distance * np.cos(at), distance * np.sin(at)))
            path = np.arange(0, 4.0005, 0.001)[:, None] * (np.cos(angle), np.sin(angle)) + place
            apart = np.min([np.hypot(*(path - point).T) for point in points], axis=0)
            hit = apart < 0.45
            expected.append((hit.argmax() * 0.001 if hit.any() else 4.0) * np.cos(angle))
        assert steering.values(free, place) == pytest.approx(expected, abs=0.002)
