"""Free distances in a fan of directions, read off a depth map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.samples import U8
from bench.worlds.courtyard.flight import FIELD_OF_VIEW
from bench.worlds.courtyard.obstacles import CLASSES
from bench.worlds.rendering.mesh import F64

DIRECTIONS = 16
"""Sectors of equal angle over the field of view, from left to right."""
REACH = 20.0
"""Metres: what is farther away counts as this."""
BAND = 0.5
"""Metres above and below the camera that must be free."""
_PASSABLE = (CLASSES.index("ground"), CLASSES.index("sky"))


def edges() -> F64:
    """(DIRECTIONS + 1,) angles in radians between the sectors, to the left of the heading, falling."""
    half = np.radians(FIELD_OF_VIEW) / 2
    return np.linspace(half, -half, DIRECTIONS + 1)


def free_distances(depth: F64, semantic: U8, rays: F64, heading: float) -> NDArray[np.float32]:
    """(DIRECTIONS,) horizontal distance in metres to the nearest obstacle in each sector, at most `REACH`.

    Args:
        depth: (H, W) metres along the optical axis, 0 = nothing.
        semantic: (H, W) class indices; ground and sky are no obstacles.
        rays: (H, W, 3) direction of each pixel in the world, one metre of depth long.
        heading: of the camera in radians; the sectors are level, whatever its pitch and roll.
    """
    offset = rays * depth[..., None]
    obstacle = (depth > 0) & ~np.isin(semantic, _PASSABLE) & (np.abs(offset[..., 2]) <= BAND)
    ahead, left, _ = np.moveaxis(offset[obstacle], -1, 0)
    angle = np.arctan2(left, ahead) - heading
    sector = np.searchsorted(-edges(), -angle, side="right") - 1
    inside = (sector >= 0) & (sector < DIRECTIONS)
    out = np.full(DIRECTIONS, REACH)
    np.minimum.at(out, sector[inside], np.hypot(ahead, left)[inside])
    return out.astype(np.float32)
