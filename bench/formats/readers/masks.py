"""Folders of images and of semantic masks: an index mask for every image, or one in a table's colours.

``masks/x.png`` belongs to ``images/x.jpg``, folders below them alike. Value k is class k unless ``--first`` says
otherwise, and 255 is void.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.formats.semantic import VOID, Codes, listed_names, mask_items, read_colours, read_names
from bench.formats.source import Option, Problems, Source, folder

OPTIONS = (
    Option("images", "folder of the images, relative to SRC (default: images)", metavar="DIR"),
    Option("masks", "folder of the masks, relative to SRC (default: masks, labels or annotations)", metavar="DIR"),
    Option("mask-suffix", "what a mask's name has more than its image's, such as _L", metavar="TEXT"),
    Option("names", "text file with one class name a line, relative to SRC (or give --classes)", metavar="FILE"),
    Option("colours", "table of 'red green blue name' lines: masks are pictures in these colours", metavar="FILE"),
    Option("first", "the value of the first class in index masks (default: 0)", metavar="N", default="0"),
    Option("void", "a value in index masks that means no class, besides 255; again for more", kind="list", metavar="N"),
    Option("list", "text file of the images to take, one name a line, relative to SRC", metavar="FILE"),
)
_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder; which value or colour is which class comes from the options.

    Raises:
        DataError: a folder or table is missing or makes no sense.
        UsageError: no class names, or a number that is none.
    """
    images = folder(source, options["images"], ["images"], "images", "--images")
    masks = folder(source, options["masks"], ["masks", "labels", "annotations"], "masks", "--masks")
    suffix = options["mask_suffix"] or ""
    if images == masks and not suffix:
        raise UsageError(f"{images}: images and masks in one folder; tell them apart with --mask-suffix")
    names, codes = _codes(source, options)
    listed = listed_names(source / options["list"]) if options["list"] else None
    items = mask_items(
        images, masks, codes,
        lambda image: [image.with_name(f"{image.stem}{suffix}{end}") for end in _SUFFIXES],
        problems,
        keep=lambda image: (images != masks or not image.stem.endswith(suffix))
        and (listed is None or image.stem in listed),
    )
    return Source(items, names, frozenset({"semantic"}))


def _codes(source: Path, options: Mapping[str, Any]) -> tuple[tuple[str, ...], Codes]:
    if options["colours"]:
        names, colours = read_colours(source / options["colours"])
        return names, Codes(colours=colours)
    names = read_names(source / options["names"]) if options["names"] else tuple(options["classes"] or ())
    if not names:
        raise UsageError("--format masks: no class names; give --classes a,b,c, --names FILE or --colours FILE")
    first = _number(options["first"], "--first")
    if first + len(names) > VOID:
        raise DataError(f"{source}: {len(names)} classes from value {first} on reach {VOID}, which is void; give fewer")
    values = {first + index: index for index in range(len(names))}
    return names, Codes({**values, **{_number(text, "--void"): VOID for text in options["void"] or ()}})


def _number(text: str, option: str) -> int:
    if not text.isdecimal() or len(text) > 3 or int(text) > VOID:
        raise UsageError(f"{option} {text}: a whole number from 0 to {VOID}")
    return int(text)
