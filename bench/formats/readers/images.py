"""A folder of photographs without any labels: enough for a refiner's real side, not for a test set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.formats.source import Item, Option, Problems, Source, folder, image_files

OPTIONS: tuple[Option, ...] = (
    Option("images", "folder of the images, relative to SRC (default: SRC)", metavar="DIR"),
)


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Take every image below a folder; raises `DataError` when there is none."""
    root = folder(source, options["images"], ["."], "images", "--images")
    items = tuple(Item(path.relative_to(root).as_posix(), path, str(path)) for path in image_files(root))
    if not items:
        raise DataError(f"{root}: no images; name their folder with --images")
    return Source(items, tuple(options["classes"] or ()), frozenset())
