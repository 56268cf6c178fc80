"""Pictures for people: boxes with class names, and contact sheets. Used by `bench data show` and the report's gallery.

Everything takes and returns (H, W, 3) uint8 sRGB arrays, draws nothing random and needs nothing but Pillow and numpy.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

U8 = NDArray[np.uint8]
Colour = tuple[int, int, int]

INK: Colour = (25, 25, 30)
PAPER: Colour = (255, 255, 255)
_GOLDEN_RATIO = 0.618033988749895


def class_colour(key: int | str) -> Colour:
    """Return the colour of a class, the same in every picture and process.

    An index walks round the hue circle in golden-ratio steps, so neighbouring classes differ most; a name is hashed
    (two names may then look alike: pass indices where there is a class list).
    """
    if isinstance(key, str):
        key = int.from_bytes(hashlib.sha256(key.encode()).digest()[:2], "big")
    hue = (0.02 + key * _GOLDEN_RATIO) % 1.0
    value = (1.0, 0.78)[key // 8 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.88, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever reads better on ``colour`` (by its luma)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return INK if luma > 140 else PAPER


def magnification(height: int, width: int, target: int = 256) -> int:
    """The whole factor that brings the longer side of a small image nearest to ``target`` pixels (at least 1)."""
    return max(1, round(target / max(height, width, 1)))


def upscale(image: U8, scale: float, smooth: bool = False) -> U8:
    """Magnify by ``scale``: nearest neighbour for whole factors (crisp pixels), else, or if ``smooth``, Lanczos."""
    if scale == 1:
        return image
    height, width = image.shape[:2]
    whole = float(scale).is_integer() and scale > 1 and not smooth
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resample = Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image).resize(size, resample))


def draw_semantic(image: U8, semantic: U8, strength: float = 0.5) -> U8:
    """Return the (H, W, 3) image tinted by class: (H, W) indices, 255 = void, which keeps the image's own colour."""
    tint = np.asarray([class_colour(k) for k in range(256)], np.float32)[semantic]
    mixed = np.where((semantic == 255)[..., None], image, image * (1 - strength) + tint * strength)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def draw_boxes(
    image: U8,
    boxes: ArrayLike,
    labels: Sequence[str] | None = None,
    scale: float = 1,
    classes: Sequence[int] | None = None,
    colour: Colour | None = None,
    smooth: bool = False,
) -> U8:
    """Return the image, magnified by ``scale``, with boxes (and a name tag on each) drawn over it.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        boxes: (N, 4), x0 y0 x1 y1 in pixels of ``image``; x1 and y1 exclusive.
        labels: N tags, such as a class name or "can 0.93".
        scale: magnification; lines and text are drawn after it, so they stay thin and legible.
        classes: N class indices, which decide the colours; without them the labels do.
        colour: one colour for all boxes instead.
        smooth: magnify with Lanczos even by a whole factor.

    Raises:
        ValueError: ``labels`` or ``classes`` have another length than ``boxes``.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    for name, values in (("labels", labels), ("classes", classes)):
        if values is not None and len(values) != len(corners):
            raise ValueError(f"{len(corners)} boxes, but {len(values)} {name}")
    canvas = Image.fromarray(upscale(image, scale, smooth)).copy()
    draw = ImageDraw.Draw(canvas)
    line = max(1, round(max(canvas.size) / 170))
    font = _font(max(11, min(20, round(max(canvas.size) / 26))))
    tags = []
    for index, corner in enumerate(corners):
        x0, y0, x1, y1 = (corner * scale).tolist()
        # The last pixel inside an exclusive corner; a box thinner than a pixel still shows.
        right, bottom = max(x0, math.ceil(x1) - 1), max(y0, math.ceil(y1) - 1)
        key: int | str = classes[index] if classes is not None else labels[index] if labels is not None else 0
        shade = colour or class_colour(key)
        draw.rectangle((x0, y0, right, bottom), outline=shade, width=line)
        if labels is not None and labels[index]:
            tags.append((x0, y0, labels[index], shade))
    # Tags come after all boxes, so that no line strikes through a name.
    for x0, y0, text, shade in tags:
        _tag(draw, canvas.size, x0, y0, text, shade, font)
    return np.asarray(canvas)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _tag(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], x: float, y: float, text: str, shade: Colour, font: Any
) -> None:
    """A name on a filled plate: above the box's corner, or inside where there is no room, never off the image."""
    left, top, right, bottom = font.getbbox(text)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(0.0, x), max(0.0, size[0] - width))
    y = y - height if y >= height else min(max(0.0, y), max(0.0, size[1] - height))
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=shade)
    draw.text((x + 2 - left, y + 2 - top), text, fill=ink_on(shade), font=font)


def contact_sheet(
    images: Sequence[U8],
    columns: int,
    titles: Sequence[str] | None = None,
    *,
    column_titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    heading: str | None = None,
    gap: int = 6,
    font_size: int = 14,
    paper: Colour = PAPER,
) -> U8:
    """Lay images out in rows of ``columns`` and return the sheet as an (H, W, 3) uint8 array.

    Args:
        images: (h, w, 3) uint8 arrays; sizes may differ, each is centred in a cell of the largest.
        columns: images in a row.
        titles: a line under each image.
        column_titles: a line above each column (for galleries: synthetic, refined, real).
        row_titles: a line above each row.
        heading: a larger line at the top.
        gap: pixels between cells and round the sheet.
        font_size: of titles, in pixels; text that is too wide ends in an ellipsis.
        paper: background colour.

    Raises:
        ValueError: no images, or titles that do not match their number.
    """
    if not images or columns < 1:
        raise ValueError("a contact sheet needs at least one image and one column")
    rows = math.ceil(len(images) / columns)
    for name, values, count in (
        ("titles", titles, len(images)), ("column_titles", column_titles, columns), ("row_titles", row_titles, rows)
    ):
        if values is not None and len(values) != count:
            raise ValueError(f"{len(values)} {name}, expected {count}")
    font, large = _font(font_size), _font(round(font_size * 1.4))
    line = sum(font.getmetrics())
    cell_height, cell_width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    width = gap + columns * (cell_width + gap)
    top = gap + (sum(large.getmetrics()) + gap if heading else 0) + (line + gap if column_titles else 0)
    pitch = (line if row_titles else 0) + cell_height + (line if titles else 0) + gap
    sheet = Image.new("RGB", (width, top + rows * pitch), paper)
    draw = ImageDraw.Draw(sheet)
    ink = ink_on(paper)
    if heading:
        draw.text((gap, gap), _shortened(heading, large, width - 2 * gap), fill=ink, font=large)
    for column, text in enumerate(column_titles or ()):
        x = gap + column * (cell_width + gap)
        draw.text((x, top - line - gap), _shortened(text, font, cell_width), fill=ink, font=font)
    for row, text in enumerate(row_titles or ()):
        draw.text((gap, top + row * pitch), _shortened(text, font, width - 2 * gap), fill=ink, font=font)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        x, y = gap + column * (cell_width + gap), top + row * pitch + (line if row_titles else 0)
        height, wide = image.shape[:2]
        sheet.paste(Image.fromarray(image), (x + (cell_width - wide) // 2, y + (cell_height - height) // 2))
        if titles is not None:
            draw.text((x, y + cell_height), _shortened(titles[index], font, cell_width), fill=ink, font=font)
    return np.asarray(sheet)


def _shortened(text: str, font: Any, width: int) -> str:
    """The text, cut with an ellipsis so that it fits into ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
