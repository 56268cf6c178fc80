"""Where pictures are taken from: a person's eye or hand height, across the room, never from inside a cupboard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.worlds.furnished.items import CLASSES
from bench.worlds.furnished.room import Room
from bench.worlds.rendering.gbuffer import GBuffer, gbuffer
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Camera

NEAREST = 0.5
"""Metres: nothing that a picture shows is nearer along the optical axis (seen at a coarse resolution)."""
_COARSE = 20  # pixels that a viewpoint is judged by
_AWAY = 0.3  # metres from walls and furniture
_SHELL = [CLASSES.index(name) for name in ("wall", "floor", "ceiling", "window")]


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Where the camera is (3,) and looks to (3,), metres; radians that it is turned about its axis."""

    eye: F64
    target: F64
    roll: float

    def camera(self, size: int, field_of_view: float) -> Camera:
        """The camera for pictures of ``size`` pixels that span ``field_of_view`` degrees."""
        return Camera.looking(self.eye, self.target, field_of_view, size, self.roll)


def draw_viewpoint(room: Room, number: int, field_of_view: float) -> Viewpoint:
    """View ``number`` of a room: 1.2 to 1.8 m high, looking inwards and a little down.

    It shows some furniture and nothing too near. Successive views are from different quarters of the room, if they can.
    """
    rng = np.random.default_rng(room.seed("viewpoint", number))
    best, least = None, np.inf
    for trial in range(40):
        view = _guess(room, rng, (room.seed("quarter") + number) % 4 if trial < 28 else None)
        if view is None:
            continue
        fault = _fault(see(room, view.camera(_COARSE, field_of_view)))
        if fault < least:
            best, least = view, fault
        if least == 0:
            break
    return best if best is not None else _corner(room)


def see(room: Room, camera: Camera) -> GBuffer:
    """What lies behind each pixel."""
    face = rasterise(room.geometry, camera).nearest(camera.height, camera.width)
    return gbuffer(room.geometry, room.parts, camera, face)


def _guess(room: Room, rng: np.random.Generator, quarter: int | None) -> Viewpoint | None:
    plan = room.plan
    eye = np.array([*rng.uniform(_AWAY, np.array([plan.width, plan.depth]) - _AWAY), rng.uniform(1.2, 1.8)])
    ahead = np.array([plan.width, plan.depth]) / 2 - eye[:2]
    heading = float(np.arctan2(ahead[1], ahead[0]) + rng.normal(0, 0.35))
    pitch, roll = float(rng.uniform(-0.38, 0.02)), float(rng.normal(0, 0.025))
    if quarter is not None and quarter != int(np.floor(np.arctan2(*ahead) / (np.pi / 2))) + 2:
        return None
    if np.hypot(*ahead) < 0.2 * (plan.width + plan.depth):  # from near the walls most of a room is seen
        return None
    for item in plan.standing:
        if (np.abs(eye[:2] - (item.x, item.y)) < item.reach + _AWAY).all():
            return None
    level = np.cos(pitch)
    towards = np.array([level * np.cos(heading), level * np.sin(heading), np.sin(pitch)])
    return Viewpoint(eye, eye + towards, roll)


def _corner(room: Room) -> Viewpoint:
    """The view from under the ceiling of a corner, for a room that is full."""
    plan = room.plan
    return Viewpoint(np.array([_AWAY, _AWAY, 1.8]), np.array([plan.width / 2, plan.depth / 2, 1.2]), 0.0)


def _fault(seen: GBuffer) -> float:
    """0 for a good view; grows with what is too near, and with how little furniture there is to see."""
    near = float((seen.depth < 1.1 * NEAREST).mean())
    close = max(0.0, float((seen.depth < 1.0).mean()) - 0.2)
    furnished = float((~np.isin(seen.instance - 1, _SHELL)).mean())
    return 10 * near + close + max(0.0, 0.15 - furnished)
