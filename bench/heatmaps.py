"""Colours for numbers: depth maps, class maps, confusion matrices, and the bars and legends that explain them.

As `bench.drawing`: (H, W, 3) uint8 sRGB arrays in and out, nothing random, nothing but Pillow and numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.drawing import INK, PAPER, Colour, class_colour, ink_on

U8 = NDArray[np.uint8]
Ramp = Literal["depth", "error", "share"]
_ANCHORS: dict[Ramp, tuple[Colour, ...]] = {
    # Viridis turned round, near is bright: lightness falls all along, so it reads in every colour vision and in grey.
    "depth": ((253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139), (68, 1, 84)),
    # Brewer's YlOrBr and Blues, sequential and safe for colour-blind eyes; white is nothing.
    "error": ((255, 255, 255), (254, 227, 145), (236, 112, 20), (153, 52, 4), (70, 22, 4)),
    "share": ((255, 255, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107)),
}
UNKNOWN: Colour = (150, 150, 150)
"""Pixels without a value."""


def ramp(shares: ArrayLike, name: Ramp) -> U8:
    """Colours of values in [0, 1] (what lies outside is clamped): (...,) -> (..., 3) uint8."""
    values = np.clip(np.nan_to_num(np.asarray(shares, np.float64)), 0, 1)
    anchors = np.asarray(_ANCHORS[name], np.float64)
    places = np.linspace(0, 1, len(anchors))
    return np.stack([np.rint(np.interp(values, places, anchors[:, k])) for k in range(3)], -1).astype(np.uint8)


def value_map(values: NDArray[Any], high: float, name: Ramp, known: NDArray[np.bool_] | None = None) -> U8:
    """An (H, W) map of values from 0 to ``high`` in colours; grey where it is not ``known`` or not a number."""
    picture = ramp(values / high if high > 0 else np.zeros_like(values), name)
    picture[~(np.isfinite(values) if known is None else known & np.isfinite(values))] = UNKNOWN
    return picture


def class_map(semantic: NDArray[Any]) -> U8:
    """An (H, W) map of class indices in the classes' colours; void (255) is grey."""
    colours = np.asarray([class_colour(k) for k in range(255)] + [UNKNOWN], np.uint8)
    return colours[semantic.astype(np.uint8)]


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten: a readable end of a scale."""
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = [float(f"{step * power:.6g}") for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)]
    return next(step for step in steps if step >= value * 0.999)


def colour_bar(width: int, high: float, unit: str, title: str, name: Ramp, size: int = 15) -> U8:
    """A bar from 0 to ``high`` with five numbers below and ``title`` above: (h, width, 3) uint8."""
    font: Any = ImageFont.load_default(size)
    line, gap = sum(font.getmetrics()), 8
    strip = Image.new("RGB", (width, 2 * line + size + gap), PAPER)
    draw = ImageDraw.Draw(strip)
    long = max(40, min(width - 2 * gap, 620))
    draw.text((gap, 0), title, fill=INK, font=font)
    bar = np.broadcast_to(ramp(np.linspace(0, 1, long), name), (size, long, 3))
    strip.paste(Image.fromarray(np.ascontiguousarray(bar)), (gap, line))
    draw.rectangle((gap, line, gap + long - 1, line + size - 1), outline=INK)
    for k in range(5):
        text = f"{high * k / 4:.3g} {unit}"
        length = font.getlength(text)
        x = min(max(gap + long * k / 4 - length / 2, gap), gap + long - length)
        draw.text((x, line + size + 1), text, fill=INK, font=font)
    return np.asarray(strip)


def class_legend(
    width: int, classes: Sequence[int], class_names: Sequence[str], size: int = 15, gap: int = 8, filled: bool = False
) -> U8:
    """Class colours with their names, in as many lines as it takes; (h, width, 3) uint8.

    A square is an outline, as a box is, or ``filled``, as a class map is; 255 stands for void.
    """
    font: Any = ImageFont.load_default(size)
    placed, x, y, line = [], gap, 0, size + gap
    for index in classes:
        name = class_names[index] if 0 <= index < len(class_names) else "void" if index == 255 else f"class {index}"
        length = size + gap + math.ceil(font.getlength(name)) + 2 * gap
        if x > gap and x + length > width:
            x, y = gap, y + line
        placed.append((x, y, name, UNKNOWN if index == 255 else class_colour(index)))
        x += length
    strip = Image.new("RGB", (width, y + line + gap // 2), PAPER)
    draw = ImageDraw.Draw(strip)
    for x, y, name, colour in placed:
        draw.rectangle((x, y + 1, x + size - 1, y + size), outline=colour, width=3, fill=colour if filled else None)
        draw.text((x + size + gap, y), name, fill=INK, font=font)
    return np.asarray(strip)


def confusion_picture(counts: ArrayLike, class_names: Sequence[str], title: str, cell: int = 46) -> U8:
    """A confusion matrix as a heat map: each row's shares in percent, true classes down, predicted ones across.

    Args:
        counts: (K, K), rows are true classes; a row without any stays empty and says so.
        class_names: K names.
        title: a line above.
        cell: side of a square in pixels.

    Raises:
        ValueError: the matrix and the names do not fit.
    """
    table = np.asarray(counts, np.float64)
    if table.shape != (len(class_names),) * 2:
        raise ValueError(f"a matrix of {table.shape} for {len(class_names)} class names")
    total = table.sum(1, keepdims=True)
    shares = np.divide(table, total, out=np.zeros_like(table), where=total > 0)
    font: Any = ImageFont.load_default(15)
    small: Any = ImageFont.load_default(max(10, round(cell * 0.33)))
    bold: Any = ImageFont.load_default(19)
    side = math.ceil(max((font.getlength(name) for name in class_names), default=0)) + 12
    top, gap = 64, 10
    left, width = gap + side, gap + side + cell * len(class_names) + gap
    width = max(width, gap + math.ceil(bold.getlength(title)) + gap)
    picture = Image.new("RGB", (width, top + cell * len(class_names) + side + gap), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((gap, gap), title, fill=INK, font=bold)
    draw.text((gap, top - 26), "rows: true, columns: predicted", fill=INK, font=small if cell < 40 else font)
    for row, name in enumerate(class_names):
        y = top + row * cell
        draw.text((left - 6 - font.getlength(name), y + cell / 2 - 9), name, fill=INK, font=font)
        upright = Image.new("RGB", (side, 20), PAPER)
        ImageDraw.Draw(upright).text((side - 6 - font.getlength(name), 0), name, fill=INK, font=font)
        turned = upright.rotate(90, expand=True)
        picture.paste(turned, (left + row * cell + (cell - 20) // 2, top + cell * len(class_names)))
        for column in range(len(class_names)):
            x, share = left + column * cell, float(shares[row, column])
            colour = ramp(share, "share")
            shade: Colour = (int(colour[0]), int(colour[1]), int(colour[2]))
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=shade, outline=(203, 210, 217))
            text = "-" if not total[row, 0] else "" if share < 0.005 else f"{100 * share:.0f}"
            place = (x + (cell - small.getlength(text)) / 2, y + cell / 2 - small.size * 0.62)
            draw.text(place, text, fill=ink_on(shade), font=small)
    return np.asarray(picture)


def stacked(parts: Sequence[U8], gap: int = 0) -> U8:
    """Pictures one below the other on white, flush left; (H, W, 3) uint8 of the widest."""
    width = max(part.shape[1] for part in parts)
    rows = [np.pad(p, ((0, gap), (0, width - p.shape[1]), (0, 0)), constant_values=PAPER[0]) for p in parts]
    return np.concatenate(rows)


def beside(parts: Sequence[U8], gap: int = 0) -> U8:
    """Pictures side by side on white, flush at the top; (H, W, 3) uint8 of the highest."""
    height = max(part.shape[0] for part in parts)
    columns = [np.pad(p, ((0, height - p.shape[0]), (0, gap), (0, 0)), constant_values=PAPER[0]) for p in parts]
    return np.concatenate(columns, axis=1)
