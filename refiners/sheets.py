"""Sample sheets that show a translating refiner at work while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.samples import U8

GAP = 2


def write_sheet(path: Path, rows: Sequence[Sequence[U8]]) -> None:
    """Write images of one size as a grid with white gaps: one row a sample, one column a kind."""
    height, width = rows[0][0].shape[:2]
    columns = len(rows[0])
    sheet = np.full(
        (len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8
    )
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            top, left = r * (height + GAP), c * (width + GAP)
            sheet[top : top + height, left : left + width] = image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
