"""A folder a class, with its images in it: each image counts as one object of its folder's class that fills it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.formats.source import Box, Item, Option, Problems, Source, image_files

OPTIONS: tuple[Option, ...] = (
    Option("split", "sub-folder to take, such as train; its folders are the classes", metavar="NAME"),
)


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read ``<class>/<any depth>/<image>``; classes are sorted by name unless ``--classes`` orders them.

    Raises:
        DataError: no folder of a class, or no image in any.
        UsageError: the split is no folder.
    """
    root = source / options["split"] if options["split"] else source
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; --split names one below SRC")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    items = []
    for folder in folders:
        found = image_files(folder)
        if not found:
            problems.note(f"{folder}: no images, so nothing is of class {folder.name!r}")
        items += [
            Item(
                path.relative_to(root).as_posix(), path, str(path),
                (Box((0.0, 0.0, 1.0, 1.0), folder.name, str(path)),), relative=True,
            )
            for path in found
        ]
    for path in image_files(root):
        if path.parent == root:
            problems.add("no class", str(path), "lies in no folder of a class", "image left out; move it into one")
    if not items:
        raise DataError(f"{root}: no folders of images; a folder's name is its images' class (or see --split)")
    return Source(tuple(items), tuple(folder.name for folder in folders), frozenset({"boxes"}))
