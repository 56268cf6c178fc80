"""``gallery.png``: the same samples side by side, as rendered, as refined by each, and a real one; labels drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.drawing import contact_sheet, draw_boxes, draw_semantic
from bench.heatmaps import beside, class_legend, class_map, colour_bar, round_up, stacked, value_map
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
    far = depth_span(filled)
    blank = np.full((8, 8, 3), 255, np.uint8)
    single = _single(filled)
    pictures, names = [], []
    for row in range(rows):
        for column in filled:
            pictures.append(labelled_picture(column, row, scale, far) if row < len(column.images) else blank)
            classes = column.classes[row] if row < len(column.classes) else ()
            names.append(", ".join(_name(int(index), class_names) for index in classes))
    titles = [real_label(kind) if column.title == "real" else column.title for column in filled]
    sheet = contact_sheet(pictures, len(filled), names if single else None, column_titles=titles, gap=8, font_size=15)
    return np.concatenate([sheet, *_legends(sheet.shape[1], filled, class_names, single, far)])


def label_words(columns: Sequence[GalleryColumn]) -> str:
    """What of the labels is drawn, in words."""
    far = depth_span(columns)
    if not far and not any(_given(column.semantics) for column in columns):
        if _single(columns):
            return "Below each stands its class; refining leaves the labels as they are, so they must still fit."
        return "Boxes are the labels, coloured by class; refining leaves them as they are, so they must still fit."
    maps = []
    if any(_given(column.semantics) for column in columns):
        maps.append("class map" if far else "class map, alone and over the image")
    if far:
        maps.append("depth")
    return (
        f"Below each: its {' and its '.join(maps)}. Labels stay as they are when an image is refined, so they must "
        "still fit; only depth that a sensor measures may be refined as well."
    )


def _given(labels: Sequence[Any]) -> bool:
    return any(label is not None for label in labels)


def _single(columns: Sequence[GalleryColumn]) -> bool:
    """Whether the images are of one object each (a pose or digit set): its name then stands below the image."""
    counts = [len(row) for column in columns for row in column.classes]
    return max(counts, default=0) == 1


def _name(index: int, class_names: Sequence[str]) -> str:
    return class_names[index] if 0 <= index < len(class_names) else f"class {index}"


def depth_span(columns: Sequence[GalleryColumn]) -> float:
    """The far end in metres of the one depth scale that all columns share; 0 where there is no depth."""
    depths = [depth for column in columns for depth in column.depths if depth is not None]
    return round_up(max(float(np.percentile(depth, 99)) for depth in depths)) if depths else 0.0


def _legends(
    width: int, columns: Sequence[GalleryColumn], class_names: Sequence[str], single: bool, far: float
) -> list[U8]:
    """What explains the colours below the sheet."""
    boxed = sorted({index for column in columns for row in column.classes for index in map(int, row)})
    mapped = [s for column in columns for s in column.semantics if s is not None]
    seen = sorted({int(value) for semantic in mapped for value in np.unique(semantic)})
    parts = []
    if seen:
        parts.append(class_legend(width, sorted({*seen, *boxed}), class_names, filled=True))
    elif boxed and not single:
        parts.append(class_legend(width, boxed, class_names))
    return parts + ([colour_bar(width, far, "m", "Depth", "depth")] if far else [])


def labelled_picture(column: GalleryColumn, row: int, scale: float, far: float) -> U8:
    """One image with its boxes, and its maps below at half its size.

    Names stand in the legend, where they hide nothing of a crowded scene.
    """
    boxes = column.boxes[row] if row < len(column.boxes) else None
    classes = [int(index) for index in column.classes[row]] if row < len(column.classes) else []
    if boxes is None:
        boxes, classes = np.empty((0, 4), np.float32), []
    image = column.images[row]
    picture = draw_boxes(image, boxes, scale=scale, classes=classes or None)
    semantic = column.semantics[row] if row < len(column.semantics) else None
    depth = column.depths[row] if row < len(column.depths) else None
    maps = []
    if semantic is not None:
        maps.append(class_map(semantic))
        if depth is None:
            maps.append(draw_semantic(image, semantic))
    if depth is not None:
        maps.append(value_map(depth, far, "depth", depth > 0))
    if not maps:
        return picture
    height, width = picture.shape[0] // 2 - 1, picture.shape[1] // 2 - 1
    small = [np.asarray(Image.fromarray(m).resize((width, height), Image.Resampling.NEAREST)) for m in maps]
    return stacked([picture, np.full((2, 1, 3), 255, np.uint8), beside(small, 2)])[:, : picture.shape[1]]


def write_sheet(sheet: U8, path: Path) -> None:
    """Write a sheet as PNG."""
    temporary = path.with_name(f".{path.name}.tmp")
    Image.fromarray(sheet).save(temporary, "PNG", optimize=False, compress_level=6)
    temporary.replace(path)
