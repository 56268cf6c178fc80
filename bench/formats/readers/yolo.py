"""YOLO text files: ``labels/x.txt`` for ``images/x.jpg``, each line ``class cx cy w h`` (or a polygon) in fractions."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.formats.semantic import read_names
from bench.formats.source import Box, Item, Option, Problems, Source, folder, image_files
from bench.reading import read_text

OPTIONS = (
    Option("split", "sub-folder to take, such as train ('all': every one)", metavar="NAME"),
    Option("images", "folder of the images, relative to SRC (default: images/SPLIT or SPLIT/images)", metavar="DIR"),
    Option("labels", "folder of the text files, relative to SRC (default: where images stands, labels)", metavar="DIR"),
    Option("names", "data.yaml, or a text file with one class name a line, relative to SRC", metavar="FILE"),
)
_NAME_FILES = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names", "labels/classes.txt")
MOST_YAML = 256 * 1024
"""A list of a thousand names is a tenth of it; the parser needs seconds for a megabyte."""
MOST_NESTED = 500
"""Brackets: the parser's time grows by the square of their depth."""
_SPLITS = ("train", "val", "valid", "test")


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder; an image without a text file has no objects, as the format has it.

    Raises:
        DataError: no images, or no class names.
        UsageError: the folder has several splits and ``--split`` says not which.
    """
    split = options["split"]
    images = _images_folder(source, options["images"], split)
    labels = source / options["labels"] if options["labels"] else _labels_folder(source, images)
    if not labels.is_dir():
        raise DataError(f"{labels}: no such folder; name the text files' folder with --labels")
    class_names = tuple(options["classes"] or ()) or _class_names(source, options["names"])
    items, masked, plain, unlabelled = [], 0, 0, 0
    used: set[Path] = set()
    for path in image_files(images):
        name = path.relative_to(images)
        text = labels / name.with_suffix(".txt")
        used.add(text)
        unlabelled += not text.is_file()
        boxes = _boxes(text, class_names, problems) if text.is_file() else []
        if boxes is None:
            continue
        masked += sum(box.segmentation is not None for box in boxes)
        plain += sum(box.segmentation is None for box in boxes)
        items.append(Item(name.as_posix(), path, str(path), tuple(boxes), relative=True))
    if not items:
        raise DataError(f"{images}: no usable image; name the images' folder with --images")
    for text in sorted(set(labels.rglob("*.txt")) - used):
        if text.name not in {Path(name).name for name in _NAME_FILES}:
            what = f"no image of that name in {images}"
            problems.add("missing image", str(text), what, "add it or remove the text file")
    if unlabelled:
        problems.note(f"{images}: {unlabelled} images have no text file and count as images without objects")
    if masked and plain:
        problems.note(f"{labels}: {plain} of {masked + plain} objects have no polygon, so boxes alone are taken")
    masks = {"instances", "foreground"} if masked and not plain else set()
    return Source(tuple(items), class_names, frozenset({"boxes", *masks}))


def _images_folder(source: Path, given: str | None, split: str | None) -> Path:
    if split is None or split == "all":
        chosen = folder(source, given, ["images", "."], "images", "--images")
        present = [
            name for name in _SPLITS if (chosen / name).is_dir() or (not given and (source / name / "images").is_dir())
        ]
        if len(present) > 1 and split is None:
            raise UsageError(f"{source} has {', '.join(present)}: choose one with --split, or all")
        return chosen
    if given:
        return folder(source, given, [], "images", "--images")
    return folder(source, None, [f"images/{split}", f"{split}/images", split], "images", "--split or --images")


def _labels_folder(source: Path, images: Path) -> Path:
    """The path with its last ``images`` replaced by ``labels`` where that exists, else the images' own folder."""
    parts = list(images.relative_to(source).parts)
    for index in reversed(range(len(parts))):
        if parts[index] == "images":
            candidate = source.joinpath(*parts[:index], "labels", *parts[index + 1 :])
            if candidate.is_dir():
                return candidate
    return images


def _class_names(source: Path, given: str | None) -> tuple[str, ...]:
    for path in [source / given] if given else [source / name for name in _NAME_FILES]:
        if path.is_file():
            names = _from_yaml(path) if path.suffix in {".yaml", ".yml"} else read_names(path)
            return tuple(name.strip() for name in names if name.strip())
    if given:
        raise DataError(f"{source / given}: no such file; --names is a data.yaml or a text file of class names")
    raise DataError(f"{source}: no class names (looked for {', '.join(_NAME_FILES)}); give --names or --classes a,b,c")


def _from_yaml(path: Path) -> list[str]:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise DataError(f"{path}: reading YAML needs the package pyyaml; or give --classes a,b,c") from None
    try:
        text = read_text(path, MOST_YAML)
        if text.count("[") + text.count("{") > MOST_NESTED or re.search(r"(?:[-?][ \t]+){20}", text):
            raise ValueError("nested too deeply")
        names = yaml.safe_load(text)["names"]
        ordered = [names[key] for key in sorted(names)] if isinstance(names, dict) else list(names)
        if isinstance(names, dict) and sorted(names) != list(range(len(names))):
            raise ValueError(f"ids {str(sorted(names))[:80]} are not 0 to {len(names) - 1}")
        # Nested lists may share their parts, and written out be longer than any memory.
        if not all(isinstance(name, (str, int, float)) for name in ordered):
            raise ValueError("a name is a table or a list")
    except (yaml.YAMLError, OSError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise DataError(f"{path}: no usable list 'names' ({what}); mend it or give --classes a,b,c") from None
    return [str(name) for name in ordered]


def _boxes(path: Path, class_names: tuple[str, ...], problems: Problems) -> list[Box] | None:
    """The boxes of one text file, or None when a line cannot be read."""
    boxes = []
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError):
        problems.add("broken label", str(path), "not a text file in UTF-8", "image left out; export it again")
        return None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            boxes.append(_box(line.split(), where, class_names))
        except ValueError as error:
            problems.add("broken label", where, str(error), "image left out; write 'class cx cy w h' in fractions")
            return None
    return boxes


def _box(words: list[str], where: str, class_names: tuple[str, ...]) -> Box:
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"{' '.join(words)[:40]!r} is not a row of numbers") from None
    if not all(math.isfinite(value) for value in values) or not values[0].is_integer():
        raise ValueError("the class is no whole number, or a value is not finite")
    number, rest = int(values[0]), values[1:]
    name = class_names[number] if 0 <= number < len(class_names) else f"id {values[0]:.12g}"
    if len(rest) == 4:
        cx, cy, width, height = rest
        return Box((cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2), name, where)
    if len(rest) == 5:
        raise ValueError("six numbers: these are predictions with a confidence, not labels")
    if len(rest) < 6 or len(rest) % 2:
        raise ValueError(f"{len(words)} numbers are neither a box nor a polygon")
    xs, ys = rest[0::2], rest[1::2]
    return Box((min(xs), min(ys), max(xs), max(ys)), name, where, [rest])
