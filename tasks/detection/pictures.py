"""Pictures of detection for the report: what each arm finds in some test images, beside the truth."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from bench.drawing import contact_sheet, draw_boxes
from bench.heatmaps import class_legend, stacked
from bench.samples import U8
from bench.showing import Showing, Shown, TaskPicture

ROWS, ARMS, SCORE = 4, 3, 0.3
SHEET_WIDTH = 1700


def detection_pictures(showing: Showing) -> list[TaskPicture]:
    """``detections``: some test images with true boxes, then with each arm's that score at least `SCORE`."""
    arms = showing.chosen(ARMS)
    if not arms:
        return []
    chosen, tiles, titles, seen = showing.spread(ROWS), [], [], set()
    target = min(300, SHEET_WIDTH // (len(arms) + 1))
    found = [_detections(shown) for shown in arms]
    for index in chosen:
        record, image = showing.truth.records[index], showing.truth.image(index)
        scale = max(1.0, round(target / image.shape[1])) if image.shape[1] <= target else target / image.shape[1]
        tiles.append(_tile(image, list(record.boxes), list(record.classes), scale))
        titles.append(f"{len(record.boxes)} objects")
        seen |= set(record.classes)
        for by_image in found:
            entries = by_image.get(index + 1, [])
            boxes = [(x, y, x + w, y + h) for x, y, w, h in (entry["bbox"] for entry in entries)]
            classes = [int(entry["category_id"]) - 1 for entry in entries]
            tiles.append(_tile(image, boxes, classes, scale))
            titles.append(f"{len(boxes)} found")
            seen |= set(classes)
    columns = ["truth", *(shown.title for shown in arms)]
    heading = f"{showing.model} on {showing.real} test images, by what it was trained on"
    sheet = contact_sheet(tiles, len(columns), titles, column_titles=columns, heading=heading)
    legend = [class_legend(sheet.shape[1], sorted(seen), showing.truth.class_names)] if seen else []
    return [
        TaskPicture(
            "detections",
            "What is found in test images",
            f"Some {showing.real} test images, spread evenly over the set, with their true boxes, and with what "
            f"{showing.model} finds after each kind of training (score {SCORE} or more); colours are classes. "
            "Replicate 0.",
            stacked([sheet, *legend]),
        )
    ]


def _detections(shown: Shown) -> dict[int, list[dict[str, Any]]]:
    """Image number (1-based, as in COCO's files) -> entries that score enough, the surest last, so drawn on top."""
    found: dict[int, list[dict[str, Any]]] = {}
    for entry in json.loads((shown.predictions / "predictions.json").read_text()):
        if entry["score"] >= SCORE:
            found.setdefault(int(entry["image_id"]), []).append(entry)
    return {image: sorted(entries, key=lambda entry: float(entry["score"])) for image, entries in found.items()}


def _tile(image: U8, boxes: list[Any], classes: list[int], scale: float) -> U8:
    return draw_boxes(image, np.asarray(boxes, np.float32).reshape(-1, 4), scale=scale, classes=classes or None)
