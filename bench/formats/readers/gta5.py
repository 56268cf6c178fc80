"""GTA5 (Richter et al. 2016, "Playing for Data"): images and labels with the ids of Cityscapes, as its 19 classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.formats.label_lists import CITYSCAPES_IDS, cityscapes_values
from bench.formats.semantic import Codes, listed_names, mask_items
from bench.formats.source import Option, Problems, Source, folder

OPTIONS = (
    Option("images", "folder of the images, relative to SRC (default: images)", metavar="DIR"),
    Option("masks", "folder of the label images, relative to SRC (default: labels)", metavar="DIR"),
    Option("list", "text file of the images to take, one name a line, relative to SRC", metavar="FILE"),
)


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder; raises `DataError` where one of the two folders, or every image, is missing.

    The label images have a palette; their indices are the ids, so the colours do not matter.
    """
    images = folder(source, options["images"], ["images"], "images", "--images")
    masks = folder(source, options["masks"], ["labels"], "label images", "--masks")
    listed = listed_names(source / options["list"]) if options["list"] else None
    items = mask_items(
        images, masks, Codes(cityscapes_values()),
        lambda image: [image.with_suffix(".png"), image.with_name(f"{image.stem}_labelIds.png")],
        problems, keep=lambda image: listed is None or image.stem in listed,
    )
    return Source(items, tuple(CITYSCAPES_IDS.values()), frozenset({"semantic"}), "synthetic", "rendered")
