"""Images and 16-bit depth PNGs of the same stem, in millimetres, 0 where it is unknown."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.formats.exporting import copy_image
from bench.samples import ImageSet

KINDS = frozenset({"depth"})
NEEDS = "depth"
IMPORT = "--format depth --depth-scale 1000"


def write(images: ImageSet, folder: Path) -> None:
    """Write ``images`` and ``depth``."""
    (folder / "depth").mkdir()
    for record in images.records:
        copy_image(record, folder / "images")
        shutil.copyfile(record.label_path("depth"), folder / "depth" / f"{record.id}.png")
