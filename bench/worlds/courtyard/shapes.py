"""Shapes in the lane, standing on z = 0 around the z axis: closed meshes, each part with its role.

Up to two metres, where the quadcopter flies, each one fills its footprint.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from bench.worlds.courtyard.obstacles import Obstacle
from bench.worlds.rendering.mesh import F64, Mesh, box, lathe, merge, quad, turn_x, turn_z

Role = Literal["bark", "leaves", "metal", "lamp", "masonry", "planks", "paint", "glass", "tyre"]
Shape = list[tuple[Mesh, Role]]


def shape(thing: Obstacle, rng: np.random.Generator) -> Shape:
    """The meshes of an obstacle in the world; ``rng`` draws the details that no label tells (crowns, bumps)."""
    if thing.kind == "trunk":
        parts = _tree(thing, rng)
    elif thing.kind == "foliage":
        parts = [(_column(thing.radius, thing.height, rng), "leaves")]
    elif thing.kind == "pole":
        parts = _lamp_post(thing)
    elif thing.kind == "wall":
        parts = [(_block(2 * thing.half_length, 2 * thing.half_width, thing.height, 2.0), "masonry")]
    elif thing.kind == "crate":
        parts = _crates(thing)
    else:
        parts = _van(thing)
    return [(mesh.moved(turn_z(thing.angle), (thing.x, thing.y, 0.0)), role) for mesh, role in parts]


def _tree(thing: Obstacle, rng: np.random.Generator) -> Shape:
    """A trunk and a crown that begins above the quadcopter."""
    r, h = thing.radius, thing.height
    trunk = lathe([[(1.15 * r, -0.1), (r, 0.25), (0.98 * r, 2.4), (0.5 * r, 0.8 * h)]], sides=12)
    bottom = max(2.7, 0.42 * h)
    blobs = []
    for _ in range(6):
        size = float(rng.uniform(0.55, 1.0)) * (0.5 + 0.12 * h)
        turn, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9)
        z = float(rng.uniform(bottom + 0.75 * size, max(bottom + 0.8 * size, h)))
        blobs.append(_blob(size, rng).moved(offset=(out * np.cos(turn), out * np.sin(turn), z)))
    return [(trunk, "bark"), (merge(blobs), "leaves")]


def _blob(radius: float, rng: np.random.Generator, rows: int = 7, columns: int = 10) -> Mesh:
    """A bumpy ball, flatter below, centred on the origin."""
    polar, turn = np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns + 1)
    bump = rng.uniform(0.72, 1.12, (rows, columns))
    bump[[0, -1]] = bump[[0, -1], :1]  # the poles are one point each
    bump = np.concatenate([bump, bump[:, :1]], 1)
    z = -np.cos(polar)[:, None] * bump
    ring = np.sin(polar)[:, None] * bump
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), np.where(z < 0, 0.7, 0.9) * z], -1)
    return _grid(points, points, 3.0, 1.5, radius)


def _column(radius: float, height: float, rng: np.random.Generator, rows: int = 8, columns: int = 14) -> Mesh:
    """A clipped bush: nearly a cylinder, bumpy, with a round top."""
    level, turn = np.linspace(0, 1, rows), np.linspace(0, 2 * np.pi, columns + 1)
    bump = rng.uniform(0.9, 1.0, (rows, columns))
    bump[-1] = 0.0
    bump[-2] *= 0.75
    bump[0] *= 0.85
    bump = np.concatenate([bump, bump[:, :1]], 1)
    z = np.broadcast_to((level * height / radius)[:, None], bump.shape)
    circle = np.stack([np.cos(turn), np.sin(turn)], -1)
    points = np.concatenate([bump[..., None] * circle, z[..., None]], -1)
    outward = np.concatenate([np.broadcast_to(circle, (rows, columns + 1, 2)), np.zeros((rows, columns + 1, 1))], -1)
    outward = outward + np.where(level[:, None, None] > 0.9, (0, 0, 3.0), (0, 0, 0.1))
    return _grid(points, outward, 3.0, height / radius / 2, radius)


def _grid(points: F64, outward: F64, across: float, along: float, scale: float) -> Mesh:
    """A tube of (rows, columns, 3) points with given normals (any length), its print repeated."""
    rows, columns = points.shape[:2]
    i, j = (g.ravel() for g in np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij"))
    a = i * columns + j
    faces = np.concatenate([np.stack([a, a + 1, a + columns + 1], 1), np.stack([a, a + columns + 1, a + columns], 1)])
    normals = outward.reshape(-1, 3) / (np.linalg.norm(outward.reshape(-1, 3), axis=1, keepdims=True) + 1e-12)
    v, u = np.meshgrid(np.linspace(0, along, rows), np.linspace(0, across, columns), indexing="ij")
    return Mesh(points.reshape(-1, 3) * scale, faces, normals, np.stack([u, v], -1).reshape(-1, 2))


def _lamp_post(thing: Obstacle) -> Shape:
    r, h = thing.radius, thing.height
    top = h - 0.4
    post = lathe([[(1.3 * r, 0.0), (1.3 * r, 0.35)], [(r, 0.35), (r, top)], [(r, top), (0.0, top)]], sides=10)
    head = lathe([[(0.0, top), (0.16, top)], [(0.16, top), (0.24, h)], [(0.24, h), (0.0, h + 0.12)]], sides=10)
    return [(post, "metal"), (head, "lamp")]


def _block(length: float, width: float, height: float, texture_metres: float) -> Mesh:
    """A box whose print repeats every ``texture_metres``."""
    half = np.array([length, width]) / 2
    sides = []
    for corner, right, span in (
        ((-half[0], -half[1]), (length, 0), length), ((half[0], -half[1]), (0, width), width),
        ((half[0], half[1]), (-length, 0), length), ((-half[0], half[1]), (0, -width), width),
    ):  # fmt: skip
        repeat = (span / texture_metres, height / texture_metres)
        sides.append(quad((*corner, 0), (*right, 0), (0, 0, height), repeat))
    top = quad((-half[0], -half[1], height), (length, 0, 0), (0, width, 0), (length / texture_metres, 0.2))
    return merge([*sides, top])


def _crates(thing: Obstacle) -> Shape:
    side, half = 2 * thing.half_length, thing.height / 2
    upper = box(0.94 * side, 0.94 * side, half).moved(offset=(0.02 * side, -0.02 * side, half))
    return [(merge([box(side, side, half), upper]), "planks")]


def _van(thing: Obstacle) -> Shape:
    """A delivery van with a flat front, towards +x."""
    length, width, height, floor = 2 * thing.half_length, 2 * thing.half_width, thing.height, 0.32
    body = box(length, width, height - floor).moved(offset=(0, 0, floor))
    e, low, tall = 0.01, 1.25, 0.65
    x, y = length / 2 + e, width / 2 + e
    panes = [
        quad((x, -0.42 * width, low), (0, 0.84 * width, 0), (0, 0, tall)),
        quad((-x, 0.36 * width, low), (0, -0.72 * width, 0), (0, 0, 0.5)),
        quad((x - 1.3, -y, low), (1.15, 0, 0), (0, 0, tall)),
        quad((x - 0.15, y, low), (-1.15, 0, 0), (0, 0, tall)),
    ]
    wheel = lathe([[(0.0, -0.12), (0.36, -0.12)], [(0.36, -0.12), (0.36, 0.12)], [(0.36, 0.12), (0.0, 0.12)]], sides=12)
    wheels = [
        wheel.moved(turn_x(np.pi / 2), (front * 0.31 * length, side * (width / 2 - 0.11), 0.36))
        for front in (1, -1) for side in (1, -1)
    ]  # fmt: skip
    return [(body, "paint"), (merge(panes), "glass"), (merge(wheels), "tyre")]
