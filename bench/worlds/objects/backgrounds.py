"""Procedural stand-ins for the crops of photographs that the paper's Table 3 puts behind synthetic objects."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from bench.samples import U8
from bench.worlds.objects.materials import PATTERNS, pattern
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.textures import to_u8


def photograph_like(size: int, rng: np.random.Generator) -> U8:
    """A random picture, (size, size, 3): colours with the spectrum of photographs, edges of shapes, prints, shade."""
    image = _spectral(size, rng) if rng.random() < 0.7 else _printed(size, rng)
    if rng.random() < 0.75:
        image = _shapes(image, rng)
    if rng.random() < 0.5:
        image = image * (1 - rng.uniform(0.2, 0.8) * _ramp(size, rng)[..., None])
    return to_u8(image + rng.normal(0, rng.uniform(0, 0.03), image.shape))


def _spectral(size: int, rng: np.random.Generator) -> F64:
    """Coloured noise whose amplitude falls like 1 / frequency, as photographs' does (Field 1987)."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = 1.0
    falloff = frequency ** -rng.uniform(0.9, 1.7)
    falloff[0, 0] = 0.0
    noise = rng.normal(0, 1, (3, size, size))
    fields = np.fft.irfft2(np.fft.rfft2(noise) * falloff, s=(size, size))
    fields /= fields.std((1, 2), keepdims=True) + 1e-12
    # Most of it is one luminance: independent channels would be confetti.
    light, colour = fields[:1] * rng.uniform(0.10, 0.25), fields * rng.uniform(0.02, 0.12)
    return np.asarray(np.moveaxis(light + colour, 0, -1) + rng.uniform(0.2, 0.8, 3))


def _printed(size: int, rng: np.random.Generator) -> F64:
    """A patterned surface at a random scale and turn."""
    texture = pattern(int(rng.integers(PATTERNS))).texture
    assert texture is not None
    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 2.0) * 64 / size
    axis = np.arange(size) - size / 2
    x = scale * (np.cos(angle) * axis[None, :] - np.sin(angle) * axis[:, None]) + 640
    y = scale * (np.sin(angle) * axis[None, :] + np.cos(angle) * axis[:, None]) + 640
    return np.asarray(texture[y.astype(np.int64) % 64, x.astype(np.int64) % 64] / 255.0)


def _shapes(image: F64, rng: np.random.Generator) -> F64:
    """A few overlapping bodies, each of one colour with a soft shade of its own."""
    size = image.shape[0]
    for _ in range(int(rng.integers(1, 7))):
        mask = Image.new("L", (size, size))
        pen = ImageDraw.Draw(mask)
        x, y = rng.uniform(0, size, 2)
        w, h = rng.uniform(0.06, 0.5, 2) * size
        if rng.random() < 0.5:
            pen.ellipse((x - w, y - h, x + w, y + h), fill=255)
        else:
            angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            pen.polygon([(x + w * np.cos(a), y + h * np.sin(a)) for a in angle.tolist()], fill=255)
        body = rng.uniform(0.05, 0.95, 3) * (0.7 + 0.6 * _ramp(size, rng)[..., None])
        image = np.where((np.asarray(mask) > 0)[..., None], body, image)
    return image


def _ramp(size: int, rng: np.random.Generator) -> F64:
    """(size, size) even slope from 0 to 1 in a random direction."""
    angle, axis = rng.uniform(0, 2 * np.pi), np.linspace(-0.5, 0.5, size)
    slope = np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]
    return np.asarray((slope - slope.min()) / (np.ptp(slope) + 1e-12))
