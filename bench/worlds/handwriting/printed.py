"""Printed digits: bright ink on black in the fonts that matplotlib ships (DejaVu, STIX, Computer Modern)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.errors import DataError
from bench.samples import U8

FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic", "DejaVuSerif-Italic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta", "STIXGeneralItalic",
    "cmb10", "cmr10", "cmss10", "cmtt10",
)  # fmt: skip
"""Every font of matplotlib's that has the ten digits at their usual code points, less two that look like another."""

OVERSAMPLING = 4
"""A digit is drawn at this many times the size, then averaged: smooth edges at any angle."""


@dataclass(frozen=True, slots=True)
class Print:
    """How one digit is printed.

    Attributes:
        digit: 0 to 9.
        font: one of `FONTS`.
        height: of the ink, as a share of the image's height.
        shift: of the ink's centre to the right and down, as shares of the image's size.
        rotation: degrees counter-clockwise.
        stroke: what the strokes gain on each side, as a share of the image's size.
        ink: grey level of the ink, 1 to 255.
    """

    digit: int
    font: str
    height: float
    shift: tuple[float, float]
    rotation: float
    stroke: float
    ink: int

    @classmethod
    def draw(cls, digit: int, random: np.random.Generator) -> Print:
        """A random print of ``digit``: upright within a few degrees, about as large as the handwriting."""
        return cls(
            digit=digit,
            font=FONTS[int(random.integers(len(FONTS)))],
            height=float(random.uniform(0.6, 0.8)),
            shift=(float(random.uniform(-0.05, 0.05)), float(random.uniform(-0.05, 0.05))),
            rotation=float(random.uniform(-8, 8)),
            stroke=float(random.choice([0.0, 0.0, 0.01, 0.02])),
            ink=int(random.integers(176, 256)),
        )


def printed_digit(how: Print, size: int) -> tuple[U8, U8]:
    """The (size, size) grey image, 0 where there is no ink, and how much of each pixel is ink, 0 to 255."""
    canvas = size * OVERSAMPLING
    stroke = round(how.stroke * canvas)
    font = _font(how.font, _font_size(how.font, how.digit, max(1, round(how.height * canvas) - 2 * stroke)))
    left, top, right, bottom = font.getbbox(str(how.digit), stroke_width=stroke)
    corner = (
        canvas * (0.5 + how.shift[0]) - (left + right) / 2,
        canvas * (0.5 + how.shift[1]) - (top + bottom) / 2,
    )
    image = Image.new("L", (canvas, canvas))
    ImageDraw.Draw(image).text(
        (round(corner[0]), round(corner[1])), str(how.digit), fill=255, font=font, stroke_width=stroke
    )
    centre = (canvas * (0.5 + how.shift[0]), canvas * (0.5 + how.shift[1]))
    turned = image.rotate(how.rotation, Image.Resampling.BILINEAR, center=centre)
    coverage = np.asarray(turned.reduce(OVERSAMPLING), np.uint8)
    return np.rint(coverage * (how.ink / 255)).astype(np.uint8), coverage


@cache
def _font_size(name: str, digit: int, ink_height: int) -> int:
    """The font size at which a digit's ink is ``ink_height`` pixels high."""
    _, top, _, bottom = _font(name, 256).getbbox(str(digit))
    return max(1, round(256 * ink_height / (bottom - top)))


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    try:
        return ImageFont.truetype(str(path), size)
    except OSError:
        raise DataError(f"{path}: no such font, which matplotlib ships; install matplotlib again") from None
