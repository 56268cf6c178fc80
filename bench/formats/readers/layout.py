"""Our own image sets: to import one again at another size, or to give one to a world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.formats.source import Box, Item, Option, Problems, Source
from bench.reading import read_json

OPTIONS: tuple[Option, ...] = ()


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read an image set with all its labels; raises `DataError` when it is none."""
    from bench.formats.layout import MAPS, open_image_set

    opened = open_image_set(source)
    digests = read_json(source / "manifest.json")["files"]
    items = []
    for index, record in enumerate(opened.records):
        where = f"{source / 'annotations.json'}: images[{index}]"
        boxes = tuple(
            Box(box, opened.class_names[cls], f"{where} ({record.id}) box {number}")
            for number, (box, cls) in enumerate(zip(record.boxes, record.classes, strict=True), 1)
        )
        items.append(
            Item(
                name=Path(record.file).name, path=record.path, where=where, boxes=boxes, group=record.group,
                stated_size=(record.width, record.height),
                maps={kind: record.label_path(kind) for kind in MAPS if kind in opened.has},
                vectors=record.vectors if "vectors" in opened.has else {}, sha256=digests.get(record.file),
            )
        )
    return Source(
        tuple(items), opened.class_names, opened.has, opened.domain, opened.kind, opened.background_files
    )
