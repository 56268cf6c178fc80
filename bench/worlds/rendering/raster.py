"""A z-buffer rasteriser in numpy: the source of every label, of the denoiser's guides and of the plain look.

It keeps every covered (pixel, triangle) pair, a *fragment*, so that the silhouette of an object can be counted
apart from what stands in front of it. Back faces are culled: solids must be closed, walls face the room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.worlds.rendering.mesh import F64, I64
from bench.worlds.rendering.scene import Camera, Geometry

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """Each pixel centre that a front face covers: row-major ``pixel``, ``nearness`` (1 / depth in metres), ``face``."""

    pixel: I64
    nearness: F64
    face: I64

    def where(self, keep: NDArray[np.bool_]) -> Fragments:
        """Some of the fragments."""
        return Fragments(self.pixel[keep], self.nearness[keep], self.face[keep])

    def nearest(self, height: int, width: int) -> I64:
        """(H, W) index of the visible face, -1 where there is none."""
        order = np.argsort(self.nearness, kind="stable")
        out = np.full(height * width, -1, np.int64)
        out[self.pixel[order]] = self.face[order]  # later writes win: the nearest is written last
        return out.reshape(height, width)


def rasterise(geometry: Geometry, camera: Camera, near: float = 0.02) -> Fragments:
    """Find all fragments of the front faces; what reaches nearer than ``near`` metres is clipped there."""
    triangles, face = _clip(camera.to_camera(geometry.vertices)[geometry.faces], near)
    nearness = 1.0 / triangles[:, :, 2]
    # Pixel coordinates with integers at the pixel centres; y downwards, so front faces turn clockwise.
    x = triangles[:, :, 0] * nearness * camera.focal + camera.width / 2 - 0.5
    y = camera.height / 2 - 0.5 - triangles[:, :, 1] * nearness * camera.focal
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    x0 = np.ceil(x.min(1)).clip(0, camera.width).astype(np.int64)
    y0 = np.ceil(y.min(1)).clip(0, camera.height).astype(np.int64)
    wide = np.floor(x.max(1)).clip(-1, camera.width - 1).astype(np.int64) - x0 + 1
    high = np.floor(y.max(1)).clip(-1, camera.height - 1).astype(np.int64) - y0 + 1
    keep = np.flatnonzero((wide > 0) & (high > 0) & (area < -1e-9))
    x, y, nearness, face, area = x[keep], y[keep], nearness[keep], face[keep], area[keep]
    x0, y0, wide, high = x0[keep], y0[keep], wide[keep], high[keep]
    # Barycentric weights of corners 1 and 2 are affine in the pixel; nearness is affine in them (perspective).
    towards1 = np.stack([y[:, 2] - y[:, 0], x[:, 0] - x[:, 2]], 1) / area[:, None]
    towards2 = np.stack([y[:, 0] - y[:, 1], x[:, 1] - x[:, 0]], 1) / area[:, None]

    found: list[tuple[I64, F64, I64]] = []
    # Triangles of like size are tested together, each on a grid as large as the largest of its kind.
    bucket = _log2(wide) * 32 + _log2(high)
    for kind in np.unique(bucket):
        members = np.flatnonzero(bucket == kind)
        columns, rows = np.arange(1 << int(kind // 32)), np.arange(1 << int(kind % 32))
        step = max(1, _CHUNK // (len(columns) * len(rows)))
        for start in range(0, len(members), step):
            j = members[start : start + step]
            px, py = x0[j, None] + columns, y0[j, None] + rows
            dx, dy = (px - x[j, :1])[:, None, :], (py - y[j, :1])[:, :, None]
            b1 = towards1[j, 0, None, None] * dx + towards1[j, 1, None, None] * dy
            b2 = towards2[j, 0, None, None] * dx + towards2[j, 1, None, None] * dy
            inside = (b1 >= 0) & (b2 >= 0) & (b1 + b2 <= 1)
            inside &= (columns < wide[j, None])[:, None, :] & (rows < high[j, None])[:, :, None]
            t, r, c = np.nonzero(inside)
            n = nearness[j[t]]
            depth = n[:, 0] + b1[t, r, c] * (n[:, 1] - n[:, 0]) + b2[t, r, c] * (n[:, 2] - n[:, 0])
            found.append((py[t, r] * camera.width + px[t, c], depth, face[j[t]]))
    if not found:
        return Fragments(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    pixel, depth, faces = (np.concatenate(column) for column in zip(*found, strict=True))
    return Fragments(pixel, depth, faces)


def _log2(count: I64) -> I64:
    """Smallest k with 2**k >= count."""
    return np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64)


def _clip(triangles: F64, near: float) -> tuple[F64, I64]:
    """Cut (N, 3, 3) camera-space triangles at depth ``near``; returns them with the index of each one's parent."""
    inside = triangles[:, :, 2] > near
    count = inside.sum(1)
    whole = np.flatnonzero(count == 3)
    pieces, parents = [triangles[whole]], [whole]
    for corners_inside in (1, 2):
        cut = np.flatnonzero(count == corners_inside)
        lone = np.argmax(inside[cut] == (corners_inside == 1), axis=1)
        a, b, c = (triangles[cut, (lone + k) % 3] for k in range(3))
        ab, ac = _crossing(a, b, near), _crossing(a, c, near)
        parts = [(a, ab, ac)] if corners_inside == 1 else [(ab, b, c), (ab, c, ac)]
        pieces += [np.stack(part, 1) for part in parts]
        parents += [cut] * len(parts)
    return np.concatenate(pieces), np.concatenate(parents)


def _crossing(start: F64, end: F64, near: float) -> F64:
    share = (near - start[:, 2:]) / (end[:, 2:] - start[:, 2:])
    return start + (end - start) * share
