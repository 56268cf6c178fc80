"""How well detections agree with the labels of one image: F1 at an IoU of .5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.samples import ImageSet

SCORE, OVERLAP = 0.3, 0.5
"""Detections of less than this score are left out; an overlap of this much is a match."""


def detection_agreement(results: Sequence[Mapping[str, Any]], truth: ImageSet) -> NDArray[np.float64]:
    """(N,) F1 of every image: 2 matches / (detections + boxes), in [0, 1]; NaN where there is neither.

    A detection matches a box of its class that overlaps it by an IoU of .5 or more and that no surer detection took;
    of several boxes, the one that it overlaps most.

    Args:
        results: COCO result entries; ``image_id`` is the position + 1, ``category_id`` the class + 1.
        truth: the set with its boxes.
    """
    found: dict[int, list[Mapping[str, Any]]] = {}
    for result in sorted(results, key=lambda entry: -float(entry["score"])):
        if result["score"] >= SCORE:
            found.setdefault(int(result["image_id"]) - 1, []).append(result)
    out = np.full(len(truth), np.nan)
    for index, record in enumerate(truth.records):
        boxes, detections = np.asarray(record.boxes, np.float64).reshape(-1, 4), found.get(index, [])
        if len(boxes) or detections:
            matches = _matches(detections, boxes, np.asarray(record.classes))
            out[index] = 2 * matches / (len(boxes) + len(detections))
    return out


def _matches(
    detections: Sequence[Mapping[str, Any]], boxes: NDArray[np.float64], classes: NDArray[np.int64]
) -> int:
    free, count = np.ones(len(boxes), bool), 0
    for detection in detections:
        x, y, width, height = detection["bbox"]
        candidates = free & (classes == detection["category_id"] - 1)
        overlaps = np.where(candidates, overlap(np.array([x, y, x + width, y + height]), boxes), -1.0)
        if overlaps.size and overlaps.max() >= OVERLAP:
            free[overlaps.argmax()] = False
            count += 1
    return count


def overlap(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) intersection over union of one box with each of (N, 4) boxes, all x0 y0 x1 y1."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    both = sides.clip(min=0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - both
    return np.asarray(both / np.maximum(union, 1e-12), np.float64)
