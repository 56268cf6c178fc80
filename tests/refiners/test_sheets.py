from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from refiners.sheets import GAP, write_sheet


def test_a_sheet_holds_every_image_where_it_belongs(tmp_path: Path) -> None:
    rows = [[np.full((6, 8, 3), 40 * r + 10 * c, np.uint8) for c in range(4)] for r in range(2)]
    write_sheet(tmp_path / "new" / "sheet.png", rows)
    with Image.open(tmp_path / "new" / "sheet.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (2 * 6 + GAP, 4 * 8 + 3 * GAP, 3)
    for r in range(2):
        for c in range(4):
            top, left = r * (6 + GAP), c * (8 + GAP)
            np.testing.assert_array_equal(sheet[top : top + 6, left : left + 8], rows[r][c])
    assert (sheet[6:8] == 255).all()
