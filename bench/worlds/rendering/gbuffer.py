"""What lies behind each pixel centre: depth, normal, print coordinates, part, object and base colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.worlds.rendering.mesh import F64, I64
from bench.worlds.rendering.scene import Camera, Geometry, Part, Surface

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class GBuffer:
    """Per pixel, all (H, W) or (H, W, k): ``part`` (-1 = nothing), ``depth`` in metres (0 = nothing), unit ``normal``.

    ``uv`` are print coordinates and ``instance`` is the object's number (0 = scenery or nothing).
    """

    part: I64
    depth: F64
    normal: F64
    uv: F64
    instance: I64

    @property
    def hit(self) -> NDArray[np.bool_]:
        """(H, W): something is there."""
        return self.part >= 0


def gbuffer(geometry: Geometry, parts: Sequence[Part], camera: Camera, face: I64) -> GBuffer:
    """Intersect the ray of each pixel with its visible triangle ``face`` (H, W; -1 = none) and interpolate there."""
    hit = face >= 0
    rays = camera.rays()[hit]
    corners = geometry.faces[face[hit]]
    a, b, c = (geometry.vertices[corners[:, k]] for k in range(3))
    edge1, edge2, from_a = b - a, c - a, camera.eye - a
    # Moeller and Trumbore 1997; the determinant cannot vanish, edge-on triangles have no fragments.
    across = np.cross(rays, edge2)
    determinant = (edge1 * across).sum(1)
    back = np.cross(from_a, edge1)
    w1 = ((from_a * across).sum(1) / determinant).clip(0, 1)
    w2 = ((rays * back).sum(1) / determinant).clip(0, 1)
    depth = (edge2 * back).sum(1) / determinant
    weights = np.stack([(1 - w1 - w2).clip(0, 1), w1, w2], 1)
    normal = np.einsum("nk,nkd->nd", weights, geometry.normals[corners])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    uv = np.einsum("nk,nkd->nd", weights, geometry.uv[corners])
    part = geometry.part[face[hit]]
    instance = np.array([item.instance for item in parts], np.int64)
    return GBuffer(
        part=_spread(hit, part, -1), depth=_spread(hit, depth), normal=_spread(hit, normal), uv=_spread(hit, uv),
        instance=_spread(hit, instance[part]),
    )


def _spread(hit: NDArray[np.bool_], values: NDArray[Scalar], fill: int = 0) -> NDArray[Scalar]:
    out = np.full(hit.shape + values.shape[1:], fill, values.dtype)
    out[hit] = values
    return out


def base_colour(buffer: GBuffer, parts: Sequence[Part]) -> F64:
    """(H, W, 3) sRGB 0 to 1: print (nearest texel) or flat colour of what each pixel shows, 0 where nothing is."""
    out = np.zeros((*buffer.part.shape, 3))
    surfaces: dict[Surface, list[int]] = {}
    for index, part in enumerate(parts):
        surfaces.setdefault(part.surface, []).append(index)
    lookup = np.full(len(parts) + 1, -1)
    for number, indices in enumerate(surfaces.values()):
        lookup[indices] = number
    shown = lookup[buffer.part]  # part -1 reads the spare last entry
    for number, surface in enumerate(surfaces):
        mask = shown == number
        if not mask.any():
            continue
        if surface.texture is None:
            out[mask] = surface.colour
            continue
        height, width = surface.texture.shape[:2]
        u, v = np.moveaxis(buffer.uv[mask] % 1.0, -1, 0)
        row = ((1 - v) * height).astype(np.int64).clip(0, height - 1)
        out[mask] = surface.texture[row, (u * width).astype(np.int64).clip(0, width - 1)] / 255.0
    return out
