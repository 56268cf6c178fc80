"""``gallery.png``: the same samples side by side, as rendered, as refined by each, and a real one; labels drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.drawing import INK, PAPER, class_colour, contact_sheet, draw_boxes
from bench.report.summary import GalleryColumn
from bench.report.words import real_label
from bench.samples import U8, RealKind

SHEET_WIDTH = 1900
"""Pixels that the columns share: enough for a wide screen, small enough for a page."""


def build_gallery(columns: Sequence[GalleryColumn], class_names: Sequence[str], kind: RealKind) -> U8 | None:
    """The gallery as an (H, W, 3) uint8 image, or None where there is nothing to show.

    Columns may differ in length; the cells that one lacks stay empty.
    """
    filled = [column for column in columns if len(column.images)]
    if not filled:
        return None
    rows = max(len(column.images) for column in filled)
    widest = max(image.shape[1] for column in filled for image in column.images)
    target = min(320, SHEET_WIDTH // len(filled))
    scale = max(1.0, round(target / widest)) if widest <= target else target / widest
    blank = np.full((8, 8, 3), 255, np.uint8)
    pictures = []
    for row in range(rows):
        for column in filled:
            pictures.append(_picture(column, row, scale) if row < len(column.images) else blank)
    drawn = {index for column in filled for row in column.classes for index in map(int, row)}
    titles = [real_label(kind) if column.title == "real" else column.title for column in filled]
    sheet = contact_sheet(pictures, len(filled), column_titles=titles, gap=8, font_size=15)
    return np.concatenate([sheet, _legend(sheet.shape[1], sorted(drawn), class_names)]) if drawn else sheet


def _picture(column: GalleryColumn, row: int, scale: float) -> U8:
    """One image with its boxes; names stand in the legend, where they hide nothing of a crowded scene."""
    boxes = column.boxes[row] if row < len(column.boxes) else None
    classes = [int(index) for index in column.classes[row]] if row < len(column.classes) else []
    if boxes is None:
        boxes, classes = np.empty((0, 4), np.float32), []
    return draw_boxes(column.images[row], boxes, scale=scale, classes=classes or None)


def _legend(width: int, classes: Sequence[int], class_names: Sequence[str], size: int = 15, gap: int = 8) -> U8:
    """Class colours with their names, in as many lines as it takes; (h, width, 3) uint8."""
    font: Any = ImageFont.load_default(size)
    placed, x, y, line = [], gap, 0, size + gap
    for index in classes:
        name = class_names[index] if 0 <= index < len(class_names) else f"class {index}"
        length = size + gap + math.ceil(font.getlength(name)) + 2 * gap
        if x > gap and x + length > width:
            x, y = gap, y + line
        placed.append((x, y, name, class_colour(index)))
        x += length
    strip = Image.new("RGB", (width, y + line + gap // 2), PAPER)
    draw = ImageDraw.Draw(strip)
    for x, y, name, colour in placed:
        draw.rectangle((x, y + 1, x + size - 1, y + size), outline=colour, width=3)
        draw.text((x + size + gap, y), name, fill=INK, font=font)
    return np.asarray(strip)


def write_gallery(sheet: U8, path: Path) -> None:
    """Write the gallery as PNG."""
    temporary = path.with_name(f".{path.name}.tmp")
    Image.fromarray(sheet).save(temporary, "PNG", optimize=False, compress_level=6)
    temporary.replace(path)
