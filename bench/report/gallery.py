"""``gallery.png``: the same samples side by side, as rendered, as refined by each, and a real one; labels drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.drawing import contact_sheet, draw_boxes
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
            pictures.append(_picture(column, row, scale, class_names) if row < len(column.images) else blank)
    titles = [real_label(kind) if column.title == "real" else column.title for column in filled]
    return contact_sheet(pictures, len(filled), column_titles=titles, gap=8, font_size=15)


def _picture(column: GalleryColumn, row: int, scale: float, class_names: Sequence[str]) -> U8:
    boxes = column.boxes[row] if row < len(column.boxes) else None
    classes = [int(index) for index in column.classes[row]] if row < len(column.classes) else []
    if boxes is None:
        boxes, classes = np.empty((0, 4), np.float32), []
    tags = [class_names[index] if 0 <= index < len(class_names) else str(index) for index in classes]
    return draw_boxes(column.images[row], boxes, tags if tags else None, scale, classes if classes else None)


def write_gallery(sheet: U8, path: Path) -> None:
    """Write the gallery as PNG."""
    temporary = path.with_name(f".{path.name}.tmp")
    Image.fromarray(sheet).save(temporary, "PNG", optimize=False, compress_level=6)
    temporary.replace(path)
