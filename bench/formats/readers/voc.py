"""Pascal VOC: one XML file an image, ``Annotations/x.xml`` for ``JPEGImages/x.jpg`` (or side by side)."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.formats.source import IMAGE_SUFFIXES, Box, Item, Option, Problems, Source, folder, inside
from bench.reading import read_bytes, read_text

OPTIONS = (
    Option("split", "list in ImageSets/Main to take, such as train ('all': every XML file)", metavar="NAME"),
    Option("images", "folder of the images, relative to SRC (default: JPEGImages, images or SRC)", metavar="DIR"),
    Option("annotations", "folder of the XML files, relative to SRC (default: Annotations or SRC)", metavar="DIR"),
    Option("zero-based", "corners are plain coordinates from 0 (the standard counts pixels from 1)", kind="flag"),
)


MOST_XML = 16 * 2**20
"""One image's labels."""


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder. Classes are the names that occur, sorted; give ``--classes`` where a split lacks one.

    Raises:
        DataError: no folder or no XML file.
        UsageError: ImageSets/Main has several lists and ``--split`` says not which.
    """
    usual = ["Annotations", "annotations", "."]
    annotations = folder(source, options["annotations"], usual, "XML files", "--annotations")
    images = folder(source, options["images"], ["JPEGImages", "images", "."], "images", "--images")
    paths = _chosen(annotations, source / "ImageSets" / "Main", options["split"], problems)
    items = []
    for path in paths:
        try:
            items.append(_item(path, images, 0 if options["zero_based"] else 1))
        except DataError as error:
            problems.left_out("broken label", error)
    if not items:
        raise DataError(f"{annotations}: no usable XML file; name their folder with --annotations")
    names = {box.class_name for item in items for box in item.boxes}
    return Source(tuple(items), tuple(sorted(names)), frozenset({"boxes"}))


def _chosen(annotations: Path, lists: Path, split: str | None, problems: Problems) -> list[Path]:
    present = sorted(path.stem for path in lists.glob("*.txt")) if lists.is_dir() else []
    if split is None and len(present) > 1:
        raise UsageError(f"{lists} has {', '.join(present)}: choose one with --split, or all")
    if split is None or split == "all":
        return sorted(annotations.glob("*.xml"))
    listed = lists / f"{split}.txt"
    if not listed.is_file():
        raise DataError(f"{listed}: no such list; --split is one of {', '.join(present) or 'none here'}, or all")
    paths = []
    for number, line in enumerate(_lines(listed), 1):
        if line.strip():
            path = inside(annotations, f"{line.split()[0]}.xml", f"{listed}:{number}")
            if path.is_file():
                paths.append(path)
            else:
                problems.add("broken label", f"{listed}:{number}", f"no {path}", "add the file or remove the line")
    return paths


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error}); export it again") from None


def _item(path: Path, images: Path, first: int) -> Item:
    try:
        data = read_bytes(path, MOST_XML)
        # Entities may unfold to more than any memory holds, or name other files; labels need none (UTF-16 has zeros).
        if b"<!ENTITY" in data.replace(b"\0", b""):
            raise ValueError("it defines entities")
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        raise DataError(f"{path}: not valid XML ({error}); export it again") from None
    name = (root.findtext("filename") or "").strip()
    image = inside(images, name, str(path)) if name else images / path.stem
    if not name or not image.suffix:
        found = sorted(p for p in images.glob(f"{escape(image.name)}.*") if p.suffix.lower() in IMAGE_SUFFIXES)
        image = found[0] if found else image.with_suffix(".jpg")
    boxes = [_box(node, f"{path}: object {number}", first) for number, node in enumerate(root.iter("object"), 1)]
    size = (root.findtext("size/width") or "").strip(), (root.findtext("size/height") or "").strip()
    stated = (int(size[0]), int(size[1])) if all(re.fullmatch(r"0*[1-9]\d{0,8}", s) for s in size) else None
    return Item(image.relative_to(images).as_posix(), image, str(path), tuple(boxes), stated_size=stated)


def _box(node: ElementTree.Element, where: str, first: int) -> Box:
    """Corners from 1 with the last pixel included become corners from 0 with it excluded."""
    name = (node.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{where}: no <name>; export it again")
    texts = [node.findtext(f"bndbox/{tag}") or "" for tag in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x0, y0, x1, y1 = (float(text) for text in texts)
    except ValueError:
        raise DataError(f"{where}: <bndbox> {','.join(texts)!r} is not four numbers; mend it") from None
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
        raise DataError(f"{where}: <bndbox> is not finite; mend it")
    return Box((x0 - first, y0 - first, x1, y1), name, where)
