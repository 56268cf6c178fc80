"""Closed solids that objects are put together from. Lengths are in the unit of the arguments (the models use cm)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.worlds.rendering.mesh import F64, Mesh, box, lathe, merge, quad, sheet
from bench.worlds.rendering.scene import Colour

Finish = Literal["plastic", "metal", "rubber", "matte"]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A solid of one colour (sRGB, 0 to 1) and one material."""

    mesh: Mesh
    colour: Colour
    finish: Finish = "plastic"


def scaled(mesh: Mesh, factors: ArrayLike) -> Mesh:
    """A copy stretched by ``factors`` (3,) > 0 along x, y, z; normals stay normal to the surface."""
    by = np.broadcast_to(np.asarray(factors, np.float64), (3,))
    normals = mesh.normals / by
    return Mesh(mesh.vertices * by, mesh.faces, normals / np.linalg.norm(normals, axis=1, keepdims=True), mesh.uv)


def ball(centre: Point, radii: Point | float, sides: int = 14) -> Mesh:
    """An ellipsoid with half axes ``radii`` along x, y, z."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    # The poles keep a little radius: a point would have no normal.
    profile = [(max(1e-4, float(np.cos(a))), float(np.sin(a))) for a in angle]
    return scaled(lathe([profile], sides), radii).moved(offset=centre)


def block(centre: Point, size: Point) -> Mesh:
    """A box with edges ``size`` along x, y, z about its centre."""
    return box(*size).moved(offset=(centre[0], centre[1], centre[2] - size[2] / 2))


def rod(start: Point, end: Point, radius: float, end_radius: float | None = None, sides: int = 12) -> Mesh:
    """A closed cylinder or cone between two points."""
    axis = np.subtract(end, start)
    length, last = float(np.linalg.norm(axis)), max(1e-4, radius if end_radius is None else end_radius)
    profiles = [[(0.0, 0.0), (radius, 0.0)], [(radius, 0.0), (last, length)], [(last, length), (0.0, length)]]
    return lathe(profiles, sides).moved(_frame(axis), start)


def _frame(axis: F64) -> F64:
    """(3, 3) rotation that turns z into the direction of ``axis``."""
    z = axis / np.linalg.norm(axis)
    x = np.cross((0.0, 1.0, 0.0) if abs(z[1]) < 0.9 else (1.0, 0.0, 0.0), z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


def tube(points: Sequence[Point], radius: float, sides: int = 8, steps: int = 4) -> Mesh:
    """A bent, closed tube along a smooth curve through ``points`` (Catmull and Rom 1974)."""
    path = _curve(np.asarray(points, np.float64), steps)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = _frame(tangent[0])[:, 0]
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    rings = []
    for along in tangent:
        side = side - along * (side @ along)  # carried along without twist
        side /= np.linalg.norm(side)
        rings.append(np.outer(np.cos(angle), side) + np.outer(np.sin(angle), np.cross(along, side)))
    ring = np.stack(rings)
    grid = path[:, None] + radius * ring
    ends = [path[k] + ring[k] * radius * 1e-3 for k in (0, -1)]
    grid = np.concatenate([ends[0][None], grid, ends[1][None]])
    v, u = np.meshgrid(np.linspace(0, 1, len(grid)), np.linspace(0, 1, sides + 1), indexing="ij")
    return sheet(grid, np.stack([u, v], -1))


def _curve(points: F64, steps: int) -> F64:
    """Points on the curve through ``points``, ``steps`` to a segment."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(steps) / steps)[:, None]
    out = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        out.append(b + t * (c - a) / 2 + t**2 * (a - 2.5 * b + 2 * c - d / 2) + t**3 * (1.5 * (b - c) + (d - a) / 2))
    return np.concatenate([*out, points[-1:]])


def prism(outline: ArrayLike, low: float, high: float, taper: float = 1.0) -> Mesh:
    """A convex ``outline`` (N, 2), counter-clockwise seen from above, raised from z ``low`` to ``high``.

    The upper end is the lower one times ``taper`` about the outline's mean.
    """
    base = np.asarray(outline, np.float64)
    middle = base.mean(0)
    top = middle + (base - middle) * taper
    lower, upper = np.c_[base, np.full(len(base), low)], np.c_[top, np.full(len(base), high)]
    walls = []
    for k in range(len(base)):
        a, b, c, d = lower[k - 1], lower[k], upper[k], upper[k - 1]
        wall = quad(a, b - a, d - a)
        walls.append(Mesh(np.stack([a, b, c, d]), wall.faces, wall.normals, wall.uv))
    return merge([*walls, _cap(upper, 1.0), _cap(lower[::-1], -1.0)])


def _cap(corners: F64, up: float) -> Mesh:
    span = np.ptp(corners[:, :2], axis=0)
    uv = (corners[:, :2] - corners[:, :2].min(0)) / span
    faces = np.array([[0, k, k + 1] for k in range(1, len(corners) - 1)])
    return Mesh(corners, faces, np.tile((0.0, 0.0, up), (len(corners), 1)), uv)
