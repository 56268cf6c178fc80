"""The table of the real look: what stands around an object and partly in front of it, and the light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.worlds.objects.catalogue import NAMES, model
from bench.worlds.objects.materials import PATTERNS, object_surface, pattern
from bench.worlds.objects.poses import View
from bench.worlds.objects.solids import ball, rod
from bench.worlds.rendering.mesh import F64, Mesh, box, quad, turn_x, turn_z
from bench.worlds.rendering.pathtrace import Lamp
from bench.worlds.rendering.raster import rasterise
from bench.worlds.rendering.scene import Camera, Geometry, Part

TARGET = 1
"""The instance number of the object; clutter has higher ones."""


def object_parts(index: int, view: View, real: bool, place: F64 | None = None, number: int = TARGET) -> list[Part]:
    """The object of class ``index`` in the renderer's axes, ``place`` (4, 4) moving it on the table before that."""
    turn, shift = view.turn, np.zeros(3)
    if place is not None:
        turn, shift = turn @ place[:3, :3], turn @ place[:3, 3]
    return [
        Part(piece.mesh.moved(turn, shift), object_surface(index, k, "real" if real else "synthetic"), number)
        for k, piece in enumerate(model(index).pieces)
    ]


def surroundings(index: int, view: View, rng: np.random.Generator) -> list[Part]:
    """Table, wall and clutter for the object of class ``index``, which is not among the clutter again.

    Every thing has an instance number of its own, from 2 on; table and wall are scenery (0).
    """
    shown = model(index)
    turn, ground = view.turn, shown.bottom
    yaw, repeat = turn_z(float(rng.uniform(0, 2 * np.pi))), float(rng.uniform(5, 14))
    table = quad((-1, -1, 0), (2, 0, 0), (0, 2, 0), (repeat, repeat)).moved(yaw, (0, 0, ground))
    away = -view.towards * (1, 1, 0)
    away /= np.linalg.norm(away)
    along = np.cross(away, (0.0, 0.0, 1.0))
    foot = away * rng.uniform(0.35, 0.9) - 1.5 * along + (0, 0, ground)
    wall = quad(foot, 3 * along, (0, 0, 0.5), (9, 1.5))  # no higher than it is seen: lamps shine over it
    parts = [Part(mesh.moved(turn), pattern(int(rng.integers(PATTERNS)))) for mesh in (table, wall)]
    taken: list[tuple[F64, float]] = [(np.zeros(2), shown.reach * 0.8)]
    number = TARGET
    for _ in range(int(rng.integers(5, 11))):
        bearing, size = float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.02, 0.05))
        if rng.random() < 0.35:  # in front of the object, as the camera sees it
            bearing = view.azimuth + float(rng.normal(0, 0.5))
        kind = int(rng.integers(5))
        other = (index + int(rng.integers(1, len(NAMES)))) % len(NAMES)
        radius = model(other).reach if kind == 4 else size * 1.2
        gap = float(rng.uniform(0.005, 0.09))
        centre = (shown.reach * 0.8 + radius + gap) * np.array([np.cos(bearing), np.sin(bearing)])
        if any(np.hypot(*(centre - at)) < radius + reach for at, reach in taken):
            continue
        taken.append((centre, radius))
        number += 1
        place = np.eye(4)
        place[:3, :3] = turn_z(float(rng.uniform(0, 2 * np.pi)))
        place[:3, 3] = (*centre, ground)
        if kind == 4:
            place[2, 3] -= model(other).bottom
            parts += object_parts(other, view, True, place, number)
        else:
            surface = pattern(int(rng.integers(PATTERNS)))
            mesh = _thing(kind, size, rng).moved(place[:3, :3], place[:3, 3])
            parts.append(Part(mesh.moved(turn), surface, number))
    return parts


def _thing(kind: int, size: float, rng: np.random.Generator) -> Mesh:
    """A box, a cup or tin, a ball, or a stick that lies; no wider than 1.2 ``size`` from its axis."""
    if kind == 0:
        return box(1.6 * size * rng.uniform(0.6, 1), 1.6 * size, size * rng.uniform(0.6, 3.0))
    if kind == 1:
        return rod((0, 0, 0), (0, 0, size * rng.uniform(1, 3)), size * 0.8, size * rng.uniform(0.7, 1.0))
    if kind == 2:
        return ball((0, 0, size), (size, size, size))
    stick = rod((0, 0, -1.1 * size), (0, 0, 1.1 * size), size * 0.25)
    return stick.moved(turn_x(np.pi / 2), (0, 0, size * 0.25))


def uncovered(parts: list[Part], camera: Camera, min_fraction: float) -> list[Part]:
    """Take clutter away, what hides the most first, until ``min_fraction`` of the object's silhouette is seen."""
    geometry = Geometry.of(parts)
    owner = np.array([part.instance for part in parts], np.int64)[geometry.part]
    fragments = rasterise(geometry, camera)
    of_object = np.zeros(camera.width * camera.height, np.bool_)
    of_object[fragments.pixel[owner[fragments.face] == TARGET]] = True
    gone: list[int] = []
    while True:
        left = fragments.where(~np.isin(owner[fragments.face], gone))
        face = left.nearest(camera.height, camera.width).ravel()
        seen = np.bincount(owner[face[of_object]], minlength=TARGET + 1)
        if seen[TARGET] >= min_fraction * of_object.sum() or not seen[TARGET + 1 :].any():
            return [part for part in parts if part.instance not in gone]
        gone.append(TARGET + 1 + int(seen[TARGET + 1 :].argmax()))


def draw_lamps(view: View, rng: np.random.Generator) -> tuple[list[Lamp], tuple[float, float, float]]:
    """One or two lamps above the table and the glow of the room, from one side and warm to all around and cool."""
    lamps = []
    for power in (float(rng.uniform(20, 65)), float(rng.uniform(0, 20)))[: int(rng.integers(1, 3))]:
        bearing, slope = rng.uniform(-np.pi, np.pi), rng.uniform(0.5, 1.4)
        distance = rng.uniform(1.25, 1.8)  # behind the camera, never in its sight
        warmth = rng.uniform(-0.25, 0.25)
        at = distance * np.array([np.cos(slope) * np.cos(bearing), np.cos(slope) * np.sin(bearing), np.sin(slope)])
        size = (float(rng.uniform(0.15, 0.6)), float(rng.uniform(0.15, 0.6)))
        radiance = (power * (1 + warmth), power, power * (1 - warmth))
        lamps.append(Lamp(_point(view.turn @ at), size, _point(view.turn @ -at), radiance))
    glow, tint = float(rng.uniform(0.25, 0.9)), float(rng.uniform(-0.15, 0.15))
    return lamps, (glow * (1 + tint), glow, glow * (1 - tint))


def _point(values: Sequence[float] | F64) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
