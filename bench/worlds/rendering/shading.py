"""The plain look of a renderer without light transport: what synthetic training images usually are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.samples import U8
from bench.worlds.rendering.gbuffer import GBuffer, base_colour
from bench.worlds.rendering.scene import Colour, Part


def flat_lambert(
    buffer: GBuffer,
    parts: Sequence[Part],
    light: ArrayLike = (-0.4, -0.7, 0.6),
    ambient: float = 0.45,
    background: Colour = (0.55, 0.60, 0.65),
) -> U8:
    """Shade with one distant light and constant ambient light: no shadow, no gloss, no smoothing of edges.

    ``light`` points towards the light; ``ambient`` is its share, 0 to 1. Colours are mixed as they are encoded
    (sRGB), as simple renderers do. Returns (H, W, 3) uint8.
    """
    towards = np.asarray(light, np.float64)
    towards = towards / np.linalg.norm(towards)
    strength = ambient + (1 - ambient) * np.clip(buffer.normal @ towards, 0, 1)
    shaded = base_colour(buffer, parts) * strength[..., None]
    image = np.where(buffer.hit[..., None], shaded, np.asarray(background))
    return np.asarray(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
