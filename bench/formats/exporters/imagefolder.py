"""A folder a class, with its images in it, as classifiers are trained on."""

from __future__ import annotations

from pathlib import Path

from bench.errors import DataError
from bench.formats.exporting import copy_image
from bench.samples import ImageSet

KINDS = frozenset({"boxes"})
NEEDS = "boxes"
IMPORT = "--format imagefolder"


def write(images: ImageSet, folder: Path) -> None:
    """Write ``<class>/<image>``, with an empty folder for a class that has none.

    Raises:
        DataError: an image shows no object, or objects of two classes; or a class name is no folder name.
    """
    for name in images.class_names:
        if not name or name.startswith(".") or "/" in name or "\\" in name:
            raise DataError(f"class {name!r} is no folder name; rename it, or export as coco")
        (folder / name).mkdir()
    for record in images.records:
        classes = sorted({images.class_names[cls] for cls in record.classes})
        if len(classes) != 1:
            what = f"shows {', '.join(classes)}" if classes else "shows no object"
            raise DataError(f"{record.path}: {what}, but an image folder has one class an image; export as coco")
        copy_image(record, folder / classes[0])
