"""Fixtures of the formats' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import save_picture, write_coco


@pytest.fixture
def coco_folder(tmp_path: Path) -> Path:
    """Three 40x20 images, four boxes of two classes; category ids have a gap and no order."""
    root = tmp_path / "coco"
    for seed in range(3):
        save_picture(root / "images" / f"{seed}.png", seed)
    write_coco(root)
    return root
