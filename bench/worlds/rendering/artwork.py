"""Printed packaging: the artwork of a product, its worn print for the real look, its cheap copy for the plain look."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.samples import U8
from bench.worlds.rendering.scene import Colour
from bench.worlds.rendering.textures import to_u8, value_noise

_FULL = 256  # artwork is drawn at this many pixels and then reduced


@dataclass(frozen=True, slots=True)
class Design:
    """One product's artwork.

    Attributes:
        brand, claim: the words printed on it.
        base, accent, ink: sRGB 0 to 1: ground, decoration and logo, lettering.
        style: how the ground is decorated.
        fronts: how many times logo and text stand around the pack (2 for round ones: one always shows).
    """

    brand: str
    claim: str
    base: Colour
    accent: Colour
    ink: Colour
    style: Literal["bands", "waves", "dots", "slashes", "fade"]
    fronts: int = 1

    @property
    def seed(self) -> int:
        """Fixes the random details; derived from the brand alone."""
        return int.from_bytes(self.brand.encode(), "big") % (1 << 32)


def draw(design: Design, size: int) -> U8:
    """The artwork, (size, size, 3): decoration, logo, claim, small print and bar code."""
    rng = np.random.default_rng(design.seed)
    base, accent, ink = (_rgb(colour) for colour in (design.base, design.accent, design.ink))
    image = Image.new("RGB", (_FULL, _FULL), base)
    _decorate(image, design, rng)
    pen = ImageDraw.Draw(image)
    pitch = _FULL // design.fronts
    for front in range(design.fronts):
        middle = front * pitch + pitch // 2
        half = pitch * 0.45
        pen.ellipse((middle - half, 46, middle + half, 122), fill=accent, outline=ink, width=3)
        _centred(pen, design.brand, middle, 84, pitch * 1.25 / max(4, len(design.brand)), ink)
        _centred(pen, design.claim, middle, 150, pitch * 0.9 / max(5, len(design.claim)), ink)
        for line in range(4):
            length = pitch * rng.uniform(0.2, 0.32)
            pen.line((middle - half, 206 + 9 * line, middle - half + length, 206 + 9 * line), fill=ink, width=2)
        _bar_code(pen, middle + pitch * 0.12, pitch * 0.28, rng)
    return _reduced(image, size)


def worn(design: Design, size: int, rng: np.random.Generator) -> U8:
    """A print as it comes off the press and out of the crate: ink shift, fading, stains and scratches."""
    art = draw(design, _FULL) / 255.0
    stain = value_noise(_FULL, rng, 5, 6)[..., None]
    art = art ** rng.uniform(0.85, 1.2) * (1 - 0.18 * stain) * rng.uniform(0.93, 1.03, 3)
    fade = rng.uniform(0.0, 0.12)
    art = art * (1 - fade) + fade * art.mean(-1, keepdims=True)
    image = Image.fromarray(to_u8(art))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(0, _FULL, 2)
        dx, dy = rng.uniform(-36, 36, 2)
        pen.line((x, y, x + dx, y + dy), fill=(218, 216, 210), width=int(rng.integers(1, 3)))
    return _reduced(image, size)


def cheap_copy(design: Design, texels: int = 32, colours: int = 6) -> U8:
    """What a modeller makes of it: few texels, few colours, too saturated, a little off; (texels, texels, 3)."""
    rng = np.random.default_rng([design.seed, 1])
    small = Image.fromarray(draw(design, texels)).quantize(colours).convert("RGB")
    art = np.asarray(small) / 255.0
    grey = art.mean(-1, keepdims=True)
    return to_u8((grey + (art - grey) * 1.25) * rng.uniform(0.9, 1.1, 3))


def cheap_colour(colour: Colour, seed: int) -> Colour:
    """The same mistake for a plain colour: more saturated, a little off."""
    rng = np.random.default_rng([seed, 2])
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    gain = rng.uniform(0.92, 1.08)
    return colorsys.hsv_to_rgb((hue + rng.uniform(-0.02, 0.02)) % 1, min(1, saturation * 1.25), min(1, value * gain))


def _rgb(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in colour)
    return red, green, blue


def _reduced(image: Image.Image, size: int) -> U8:
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)).astype(np.uint8)


def _centred(pen: ImageDraw.ImageDraw, text: str, x: float, y: float, size: float, fill: tuple[int, int, int]) -> None:
    font = ImageFont.load_default(size=max(6, round(size)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pen.text((x - (left + right) / 2, y - (top + bottom) / 2), text, font=font, fill=fill)


def _bar_code(pen: ImageDraw.ImageDraw, left: float, width: float, rng: np.random.Generator) -> None:
    pen.rectangle((left - 3, 200, left + width, 240), fill=(248, 248, 246))
    x = left
    while x < left + width - 3:
        bar = int(rng.integers(1, 4))
        pen.rectangle((x, 203, x + bar - 1, 237), fill=(18, 18, 18))
        x += bar + int(rng.integers(1, 4))


def _decorate(image: Image.Image, design: Design, rng: np.random.Generator) -> None:
    pen, accent, base = ImageDraw.Draw(image), _rgb(design.accent), np.asarray(design.base)
    if design.style == "bands":
        for y in range(0, _FULL, 36):
            pen.rectangle((0, y, _FULL, y + 12), fill=accent)
    elif design.style == "waves":
        x = np.arange(_FULL + 1)
        for k, colour in enumerate((accent, _rgb(design.ink))):
            crest = _FULL * (0.64 + 0.18 * k) + 16 * np.sin(x * 4 * np.pi / _FULL + k)
            pen.polygon([(0, _FULL), *zip(x.tolist(), crest.tolist(), strict=True), (_FULL, _FULL)], fill=colour)
    elif design.style == "dots":
        for _ in range(30):
            x0, y0, radius = rng.uniform(0, _FULL), rng.uniform(0, _FULL), rng.uniform(6, 22)
            pen.ellipse((x0 - radius, y0 - radius, x0 + radius, y0 + radius), fill=accent)
    elif design.style == "slashes":
        for x0 in range(-_FULL, _FULL, 64):
            pen.polygon([(x0, 0), (x0 + 30, 0), (x0 + 30 + _FULL, _FULL), (x0 + _FULL, _FULL)], fill=accent)
    else:
        share = np.linspace(0, 1, _FULL)[:, None, None]
        ground = base * (1 - share) + np.asarray(design.accent) * share * np.ones((1, _FULL, 1))
        image.paste(Image.fromarray(to_u8(ground)))
