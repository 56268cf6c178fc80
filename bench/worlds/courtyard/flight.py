"""From where a course is seen: the frames of a flight through it, and the nodes of its lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.formats.courses import GroundPlan
from bench.worlds.courtyard.lattice import OFFSETS, STEP
from bench.worlds.rendering.scene import Camera

FIELD_OF_VIEW = 90.0
"""Degrees, across and down."""
HEIGHT = 1.4
"""Metres above the ground that the flight is meant to keep."""
_CLEAR = 0.5  # what a flight keeps from everything, at least


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera is and looks: metres; ``heading`` to the left of x, ``pitch`` up, ``roll`` right side down."""

    x: float
    y: float
    z: float
    heading: float
    pitch: float
    roll: float

    def camera(self, size: int) -> Camera:
        """The ideal camera for ``size`` pixels square."""
        level = np.cos(self.pitch)
        towards = (level * np.cos(self.heading), level * np.sin(self.heading), np.sin(self.pitch))
        eye = np.array([self.x, self.y, self.z])
        return Camera.looking(eye, eye + np.array(towards), FIELD_OF_VIEW, size, self.roll)


def frames(plan: GroundPlan, count: int, rng: np.random.Generator) -> list[Pose]:
    """A flight through the course in ``count`` frames: it weaves from side to side, never into anything.

    Its heading points to where it goes next, with errors, so that obstacles are seen close by and ahead too.
    """
    x = (np.arange(count) + rng.uniform(0.1, 0.9, count)) * plan.length / count
    phase, period, reach = rng.uniform(0, 2 * np.pi), rng.uniform(8, 20), rng.uniform(1.0, plan.width / 2 - _CLEAR)
    wish = reach * np.sin(2 * np.pi * x / period + phase) + rng.normal(0, 0.4, count)
    side = np.linspace(-plan.width / 2, plan.width / 2, 81)
    y = []
    for along, want in zip(x, wish, strict=True):
        spare = plan.clearance(np.stack([np.full(len(side), along), side], -1))
        order = np.where(spare > _CLEAR, np.abs(side - want), 100.0 - spare)
        y.append(float(side[np.argmin(order)]))
    ahead = np.arctan2(np.gradient(np.array(y)), np.maximum(np.gradient(x), 0.5)) if count > 1 else np.zeros(1)
    heading = (0.5 * ahead).clip(-0.45, 0.45) + rng.normal(0, 0.12, count)
    return [
        _pose(float(along), across, float(turn), rng, 0.12, 0.05)
        for along, across, turn in zip(x, y, heading, strict=True)
    ]


def node_pose(row: int, column: int, rng: np.random.Generator) -> Pose:
    """The view from a lattice node: straight along the course, at almost the same height, with little unrest."""
    return _pose(row * STEP, OFFSETS[column], 0.0, rng, 0.03, 0.025)


def _pose(x: float, y: float, heading: float, rng: np.random.Generator, height: float, unrest: float) -> Pose:
    z = HEIGHT + float(rng.normal(0, height))
    pitch, roll = float(rng.normal(-0.02, unrest)), float(rng.normal(0, 1.3 * unrest))
    return Pose(x, y, min(max(z, 1.1), 1.65), heading, pitch, roll)
