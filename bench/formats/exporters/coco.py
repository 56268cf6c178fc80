"""COCO JSON beside the images: boxes, instance masks as run lengths, and the group of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.formats.exporting import copy_image
from bench.formats.layout import rle_counts
from bench.samples import ImageSet

KINDS = frozenset({"boxes", "instances", "foreground"})
NEEDS = "boxes"
IMPORT = "--format coco"


def write(images: ImageSet, folder: Path) -> None:
    """Write ``annotations.json`` and ``images/``; category ids count from 1 in the order of the class list."""
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, record in enumerate(images.records):
        name = copy_image(record, folder / "images")
        number = index + 1
        entries.append({
            "id": number, "file_name": f"images/{name}", "width": record.width, "height": record.height,
            "group": record.group,
        })  # fmt: skip
        instances = images.labels(index).instances if "instances" in images.has else None
        for k, (box, cls) in enumerate(zip(record.boxes, record.classes, strict=True)):
            x0, y0, x1, y1 = box
            annotation: dict[str, Any] = {
                "id": len(annotations) + 1, "image_id": number, "category_id": cls + 1, "iscrowd": 0,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0),
            }
            if instances is not None:
                mask = instances == k + 1
                annotation["segmentation"] = {"size": list(mask.shape), "counts": rle_counts(mask)}
                annotation["area"] = int(mask.sum())
            annotations.append(annotation)
    categories = [{"id": number, "name": name} for number, name in enumerate(images.class_names, 1)]
    data = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
