"""Triangle meshes with normals and texture coordinates, built by numpy alone. Metres, z up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle soup.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) indices into the vertices, counter-clockwise seen from outside.
        normals: (V, 3) unit length, outwards.
        uv: (V, 2) texture coordinates, u to the right, v upwards, one print per unit square.
    """

    vertices: F64
    faces: I64
    normals: F64
    uv: F64

    def moved(self, rotation: F64 | None = None, offset: ArrayLike = (0.0, 0.0, 0.0)) -> Mesh:
        """A copy turned by ``rotation`` (3, 3) about the origin, then shifted by ``offset`` (3,) metres."""
        turn = np.eye(3) if rotation is None else rotation
        shifted = self.vertices @ turn.T + np.asarray(offset, np.float64)
        return Mesh(shifted, self.faces, self.normals @ turn.T, self.uv)


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh out of several."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
    )


def turn_z(angle: float) -> F64:
    """Rotation by ``angle`` radians about the vertical."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def turn_x(angle: float) -> F64:
    """Rotation by ``angle`` radians about x (positive: the top leans towards -y)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def quad(corner: ArrayLike, right: ArrayLike, up: ArrayLike, repeat: tuple[float, float] = (1.0, 1.0)) -> Mesh:
    """A rectangle from ``corner`` along ``right`` and ``up``; it faces ``right x up`` and prints ``repeat`` times."""
    p, r, u = (np.asarray(value, np.float64) for value in (corner, right, up))
    normal = np.cross(r, u)
    normal /= np.linalg.norm(normal)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * np.asarray(repeat)
    return Mesh(np.stack([p, p + r, p + r + u, p + u]), np.array([[0, 1, 2], [0, 2, 3]]), np.tile(normal, (4, 1)), uv)


def box(width: float, depth: float, height: float) -> Mesh:
    """A box standing on z = 0, centred in x and y; every side carries the whole print upright."""
    w, d, h = width / 2, depth / 2, height
    return merge(
        [
            quad((-w, -d, 0), (width, 0, 0), (0, 0, h)),
            quad((w, -d, 0), (0, depth, 0), (0, 0, h)),
            quad((w, d, 0), (-width, 0, 0), (0, 0, h)),
            quad((-w, d, 0), (0, -depth, 0), (0, 0, h)),
            quad((-w, -d, h), (width, 0, 0), (0, depth, 0)),
            quad((-w, d, 0), (width, 0, 0), (0, -depth, 0)),
        ]
    )


def lathe(profiles: Sequence[Sequence[tuple[float, float]]], sides: int = 28) -> Mesh:
    """A surface of revolution about z.

    Each profile is a polyline of (radius, height) in metres, walked so that the outside lies to its right (upwards
    on an outer wall); normals are smooth along a profile and sharp between profiles. u runs once around, v along.
    """
    return merge([_revolve(np.asarray(profile, np.float64), sides) for profile in profiles])


def _revolve(profile: F64, sides: int) -> Mesh:
    rows = len(profile)
    steps = np.diff(profile, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    tangent = np.gradient(profile, axis=0) if rows > 2 else np.repeat(steps, 2, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)

    def swept(radial: F64, vertical: F64) -> F64:
        ring = radial[:, None, None] * circle[None]
        return np.concatenate([ring, np.broadcast_to(vertical[:, None, None], (rows, sides + 1, 1))], 2).reshape(-1, 3)

    uv = np.stack(np.broadcast_arrays(angle[None] / (2 * np.pi), along[:, None] / along[-1]), -1).reshape(-1, 2)
    faces = _grid_faces(rows, sides + 1)
    return Mesh(swept(profile[:, 0], profile[:, 1]), faces, swept(normal[:, 0], normal[:, 1]), uv)


def sheet(points: F64, uv: F64) -> Mesh:
    """A smooth surface through a grid of points (rows, columns, 3); it faces columns x rows (right x up)."""
    rows, columns = points.shape[:2]
    normal = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
    return Mesh(points.reshape(-1, 3), _grid_faces(rows, columns), normal.reshape(-1, 3), uv.reshape(-1, 2))


def _grid_faces(rows: int, columns: int) -> I64:
    """Two triangles per cell of a grid whose columns run right and whose rows run up, seen from outside."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    lower, upper = np.stack([a, a + 1, a + columns + 1], 1), np.stack([a, a + columns + 1, a + columns], 1)
    return np.concatenate([lower, upper])


def cushion(width: float, height: float, depth: float, rng: np.random.Generator, cells: int = 18) -> Mesh:
    """A sealed bag standing on z = 0: two crinkled sheets that meet at the seams, the print upright on both sides."""
    a = np.linspace(0.0, 1.0, cells + 1)
    v, u = np.meshgrid(a, a, indexing="ij")
    inside = np.clip((v - 0.06) / 0.88, 0.0, 1.0)
    bulge = np.sin(np.pi * u) ** 0.5 * np.sin(np.pi * inside) ** 0.55
    phase, rate = rng.uniform(0, 2 * np.pi, 10), rng.uniform(6, 26, (10, 2))
    crinkle = np.mean([np.sin(f[0] * u + f[1] * v + p) for f, p in zip(rate, phase, strict=True)], axis=0)
    thick = depth / 2 * bulge * (1 + 0.35 * crinkle) + 0.0004
    x = (u - 0.5) * width * (1 - 0.10 * np.sin(np.pi * v))
    front = np.stack([x, -thick, v * height], -1)
    back = np.stack([-x, thick, v * height], -1)
    return merge([sheet(points, np.stack([u, v], -1)) for points in (front, back)])
