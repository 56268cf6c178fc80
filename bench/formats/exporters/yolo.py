"""YOLO text files: ``labels/x.txt`` for ``images/x.png``, boxes in fractions, class names in ``data.yaml``."""

from __future__ import annotations

import json
from pathlib import Path

from bench.formats.exporting import copy_image
from bench.samples import ImageSet

KINDS = frozenset({"boxes"})
NEEDS = "boxes"
IMPORT = "--format yolo"


def write(images: ImageSet, folder: Path) -> None:
    """Write ``images``, ``labels`` (one file for every image, empty where it shows nothing) and ``data.yaml``."""
    labels = folder / "labels"
    labels.mkdir()
    for record in images.records:
        copy_image(record, folder / "images")
        lines = []
        for (x0, y0, x1, y1), cls in zip(record.boxes, record.classes, strict=True):
            middle = (x0 + x1) / 2 / record.width, (y0 + y1) / 2 / record.height
            size = (x1 - x0) / record.width, (y1 - y0) / record.height
            lines.append(" ".join([str(cls), *(f"{value:.8f}" for value in (*middle, *size))]) + "\n")
        (labels / f"{record.id}.txt").write_text("".join(lines), encoding="utf-8")
    # A JSON string is a YAML string, whatever is in the name; but YAML takes no pairs of surrogates (an emoji).
    quoted = [json.dumps(name, ensure_ascii=False) for name in images.class_names]
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(quoted))
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:\n{names}", encoding="utf-8")
