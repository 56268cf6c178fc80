"""Unity: SynthDet's captures (Perception's schema, 2D boxes), and UnityGroceries-Real's annotations.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.formats.source import Box, Item, Option, Problems, Source, inside, slashes

OPTIONS = (
    Option("split", "UnityGroceries-Real: such as train or test, of which groceries_real_NAME.txt has the indices",
           metavar="NAME"),
)
_DEFINITIONS, _GROCERIES = "annotation_definitions.json", "annotations.json"


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read either kind of folder; classes are in the order of their ids. Captures are renders, groceries photographs.

    Raises:
        DataError: neither kind of file is there, or one cannot be used at all.
        UsageError: a split that is not there, or one of captures.
    """
    captures = sorted(source.rglob("captures_*.json"))
    if captures:
        if options["split"]:
            raise UsageError(f"--split {options['split']}: captures have no splits")
        names = _names(captures[0].with_name(_DEFINITIONS))
        items = [item for path in captures for item in _captures(path, names, problems)]
        domain, kind = "synthetic", "rendered"
    elif (source / _GROCERIES).is_file():
        names = _names(source / _DEFINITIONS)
        items = _groceries(source, names, options["split"], problems)
        domain, kind = "real", "photographs"
    else:
        raise DataError(f"{source}: no captures_000.json below it, and no {_GROCERIES} in it; name their folder")
    return Source(tuple(items), tuple(dict.fromkeys(names.values())), frozenset({"boxes"}), domain, kind)


def _captures(path: Path, names: Mapping[Any, str], problems: Problems) -> list[Item]:
    """The pictures of one file; their names are relative to the folder that holds the file's folder."""
    entries = _load(path, "captures")
    items: list[Item] = []
    for index, entry in enumerate(entries):
        where = f"{path}: captures[{index}]"
        found: list[Box | None] = []
        for annotation in _dicts(entry.get("annotations")):
            for value in _dicts(annotation.get("values")):
                if {"x", "y", "width", "height"} <= value.keys():
                    numbers = [value[key] for key in ("x", "y", "width", "height")]
                    found.append(_box(numbers, value.get("label_id"), where, names, problems))
        _add(items, path.parent.parent, entry.get("filename"), found, where, problems)
    return items


def _groceries(source: Path, names: Mapping[Any, str], split: str | None, problems: Problems) -> list[Item]:
    path = source / _GROCERIES
    entries = _load(path, None)
    chosen = range(len(entries)) if split is None else _indices(source, split, len(entries))
    items: list[Item] = []
    for index in chosen:
        where = f"{path}: [{index}]"
        found = [
            _box(annotation.get("bbox"), annotation.get("label_id"), where, names, problems)
            for annotation in _dicts(entries[index].get("annotations"))
        ]
        _add(items, source / "images", entries[index].get("file_name"), found, where, problems)
    return items


def _indices(source: Path, split: str, count: int) -> list[int]:
    path = source / f"groceries_real_{split}.txt"
    try:
        words = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        there = sorted(file.stem.removeprefix("groceries_real_") for file in source.glob("groceries_real_*.txt"))
        raise UsageError(f"--split {split}: no {path} (there are {', '.join(there) or 'none'})") from None
    bad = [word for word in words if not word.isdecimal() or int(word) >= count]
    if bad:
        raise DataError(f"{path}: {bad[0][:40]!r} is no index of {_GROCERIES}, which has 0 to {count - 1}")
    return [int(word) for word in words]


def _add(items: list[Item], root: Path, name: Any, found: list[Box | None], where: str, problems: Problems) -> None:
    """Take a picture all of whose boxes are sound."""
    if not isinstance(name, str):
        problems.add("broken label", where, "no file name", "image left out; add it")
        return
    try:
        path = inside(root, name, where)
    except DataError as error:
        problems.left_out("unsafe file name", error)
        return
    boxes = [box for box in found if box is not None]
    if len(boxes) == len(found):
        items.append(Item(slashes(name), path, where, tuple(boxes)))


def _box(numbers: Any, label: Any, where: str, names: Mapping[Any, str], problems: Problems) -> Box | None:
    """``x y width height`` in pixels as a box; None, and a problem, where they are no numbers."""
    listed = isinstance(numbers, list) and len(numbers) == 4
    if not listed or not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
        problems.add("broken label", where, f"box {numbers!r} is not four numbers", "image left out; mend it")
        return None
    x, y, width, height = map(float, numbers)
    name = names.get(label) if isinstance(label, (int, str)) else None
    return Box((x, y, x + width, y + height), name or f"id {label}", where)


def _names(path: Path) -> dict[Any, str]:
    """Class names by id, in the order of ids, of the first definition that has them."""
    for definition in _load(path, "annotation_definitions"):
        spec = _dicts(definition.get("spec"))
        if spec and all(isinstance(entry.get("label_id"), int) and "label_name" in entry for entry in spec):
            return {entry["label_id"]: str(entry["label_name"]) for entry in sorted(spec, key=lambda e: e["label_id"])}
    raise DataError(f"{path}: no definition in it has label_id and label_name; is it the file of these labels?")


def _load(path: Path, key: str | None) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        entries = data[key] if key else data
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read as JSON with {key or 'a list'} ({error})") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{path}: {key or 'it'} is no list of objects; is it the file of this set?")
    return entries


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
