"""Folders of images and of depth PNGs of the same stem, with a stated scale: units per metre."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.formats.depths import ScaledPng, depth_items, listed, positive
from bench.formats.source import Option, Problems, Source, folder, image_files

OPTIONS = (
    Option("depth-scale", "units of the depth files that make a metre: 1000 for millimetres, 256 for KITTI's PNGs",
           metavar="N"),
    Option("images", "folder of the images, relative to SRC (default: images, rgb)", metavar="DIR"),
    Option("depths", "folder of the depth PNGs, relative to SRC (default: depth, depths)", metavar="DIR"),
    Option("list", "text file of the images to take, one name a line, relative to SRC", metavar="FILE"),
)


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder; ``images/a/x.jpg`` has its depth in ``depth/a/x.png``, where 0 is unknown.

    Raises:
        DataError: a folder, or every image, is missing.
        UsageError: no scale, or none that is a number.
    """
    if options["depth_scale"] is None:
        raise UsageError("--format depth: state --depth-scale, how many units of the depth files make a metre")
    scale = positive(options["depth_scale"], "--depth-scale")
    images = folder(source, options["images"], ["images", "rgb"], "images", "--images")
    depths = folder(source, options["depths"], ["depth", "depths"], "depth PNGs", "--depths")
    names = {Path(words[0]).stem for words in listed(source / options["list"])} if options["list"] else None
    items = depth_items(
        images, lambda path: depths / path.relative_to(images).with_suffix(".png"), ScaledPng(scale), root=images,
        keep=lambda path: names is None or path.stem in names,
    )
    used = {item.maps["depth"] for item in items}
    if names is None and images != depths:
        for path in image_files(depths):
            if path not in used:
                problems.add("missing image", str(path), f"no image of that name in {images}", "add it or remove it")
    return Source(items, tuple(options["classes"] or ()), frozenset({"depth"}))
