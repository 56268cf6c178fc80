"""Deciding what a picture shows: objects that are nearly hidden are taken out before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.worlds.rendering.gbuffer import GBuffer, gbuffer
from bench.worlds.rendering.mesh import F64, I64
from bench.worlds.rendering.raster import Fragments, rasterise
from bench.worlds.rendering.scene import Camera, Geometry, Part


def visible_scene(parts: Sequence[Part], camera: Camera, min_fraction: float) -> tuple[list[Part], GBuffer]:
    """Drop objects of which less than ``min_fraction`` of the silhouette is seen; return the rest and their buffer.

    Nothing is left half-labelled: an object is in the picture and in the labels, or in neither. To drop one only
    uncovers others, so those that were kept stay visible.
    """
    geometry = Geometry.of(list(parts))
    fragments = rasterise(geometry, camera)
    owner = np.array([part.instance for part in parts], np.int64)
    seen = visible_fraction(fragments, owner[geometry.part], camera)
    hidden = [number for number in range(1, len(seen)) if seen[number] < min_fraction]
    if hidden:
        kept = ~np.isin(owner, hidden)
        fragments = fragments.where(kept[geometry.part[fragments.face]])
    buffer = gbuffer(geometry, parts, camera, fragments.nearest(camera.height, camera.width))
    if not hidden:
        return list(parts), buffer
    number = np.append(np.cumsum(kept) - 1, -1)  # old part index to new; -1 stays -1
    left = [part for part, keep in zip(parts, kept.tolist(), strict=True) if keep]
    return left, GBuffer(number[buffer.part], buffer.depth, buffer.normal, buffer.uv, buffer.instance)


def visible_fraction(fragments: Fragments, owner: I64, camera: Camera) -> F64:
    """For each object number (0 = scenery), the share of its silhouette that is seen; 0 where it has none.

    ``owner`` (F,) is the object number of each face.
    """
    pixels, count = camera.width * camera.height, int(owner.max(initial=0)) + 1
    covered = np.zeros(count * pixels, np.bool_)
    covered[owner[fragments.face] * pixels + fragments.pixel] = True
    whole = covered.reshape(count, pixels).sum(1)
    face = fragments.nearest(camera.height, camera.width)
    shown: NDArray[np.int64] = np.bincount(owner[face[face >= 0]], minlength=count)
    return np.asarray(shown / np.maximum(whole, 1))
