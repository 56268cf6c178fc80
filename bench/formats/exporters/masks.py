"""Images, semantic index masks of the same stem (255 = void), and the class names in ``classes.txt``."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.formats.exporting import copy_image
from bench.samples import ImageSet

KINDS = frozenset({"semantic"})
NEEDS = "semantic"
IMPORT = "--format masks --names classes.txt"


def write(images: ImageSet, folder: Path) -> None:
    """Write ``images``, ``masks`` and ``classes.txt``: line k names value k, counted from 0."""
    (folder / "masks").mkdir()
    for record in images.records:
        copy_image(record, folder / "images")
        shutil.copyfile(record.label_path("semantic"), folder / "masks" / f"{record.id}.png")
    names = "".join(f"{name}\n" for name in images.class_names)
    (folder / "classes.txt").write_text(names, encoding="utf-8")
