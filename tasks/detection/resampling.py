"""AP50 and AR100 on test sets drawn again, from detections that are matched once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.samples import ImageSet
from tasks.detection.evaluation import MAX_DETECTIONS, coco_truth

F64 = NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
AT_ONCE = 500_000
"""Draws times detections that are looked at together: 4 MB an array, whatever the size of the test set."""


def overlaps(boxes: F64, others: F64) -> F64:
    """(N, M) intersection over union of (N, 4) and (M, 4) boxes, x y width height."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:])
    both = (high - low).clip(min=0).prod(-1)
    return np.asarray(both / (boxes[:, None, 2:].prod(-1) + others[None, :, 2:].prod(-1) - both))


def matches(boxes: F64, truth: F64) -> NDArray[np.bool_]:
    """(N, 10): whether each detection, best first, finds an object at each of `THRESHOLDS`, by COCO's greedy rule.

    A detection takes the object that it overlaps most of those which no better one has taken (of equal ones the last),
    if the overlap reaches the threshold.
    """
    hit = np.zeros((len(boxes), len(THRESHOLDS)), np.bool_)
    if not (len(boxes) and len(truth)):
        return hit
    iou, free = overlaps(boxes, truth), np.ones((len(THRESHOLDS), len(truth)), np.bool_)
    for index, row in enumerate(iou):
        open_ = np.where(free, row, -1.0)
        best = len(truth) - 1 - open_[:, ::-1].argmax(1)
        hit[index] = open_[np.arange(len(THRESHOLDS)), best] >= THRESHOLDS
        free[np.flatnonzero(hit[index]), best[hit[index]]] = False
    return hit


def resampled_scores(
    results: Sequence[dict[str, Any]], truth: ImageSet, draws: NDArray[np.int64]
) -> Mapping[str, F64]:
    """``mAP50`` and ``mAR100`` (`tasks.detection.evaluation.coco_scores`) on each of the drawn sets.

    ``mAP`` is left out: it would cost ten times as much, and no gain of ours is told in it.

    Args:
        results: of `predict`, for the images of ``truth``.
        truth: the test set.
        draws: (B, N), how often each image is in each of B sets. A class with no object in a set is left out of its
            means.
    """
    count = np.zeros((len(truth), len(truth.class_names)), np.int64)
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    objects: dict[tuple[int, int], list[list[float]]] = {}
    for annotation in coco_truth(truth)["annotations"]:
        place = annotation["image_id"] - 1, annotation["category_id"] - 1
        objects.setdefault(place, []).append(annotation["bbox"])
        count[place] += 1
    for result in results:
        found.setdefault((result["image_id"] - 1, result["category_id"] - 1), []).append(result)
    precision, recall = np.full((2, len(draws), len(truth.class_names)), np.nan)
    for cls in np.flatnonzero(count.sum(0)).tolist():
        images, scores, hits = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros((0, len(THRESHOLDS)), np.bool_)]
        for (image, of_class), listed in sorted(found.items(), key=lambda item: item[0]):
            if of_class == cls:
                best = sorted(listed, key=lambda result: -result["score"])[:MAX_DETECTIONS]
                boxes = np.array([result["bbox"] for result in best], np.float64)
                images.append(np.full(len(best), image))
                scores.append(np.array([result["score"] for result in best], np.float64))
                hits.append(matches(boxes, np.array(objects.get((image, cls), np.zeros((0, 4))), np.float64)))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        image, hit, present = np.concatenate(images)[order], np.concatenate(hits)[order], draws @ count[:, cls]
        at_once = max(1, AT_ONCE // max(len(image), 1))
        for start in range(0, len(draws), at_once):
            part = slice(start, start + at_once)
            weights = draws[part][:, image]
            precision[part, cls] = _average_precision(weights, hit[:, 0], present[part])
            recall[part, cls] = (weights @ hit).mean(1) / np.maximum(present[part], 1)
        precision[present == 0, cls] = recall[present == 0, cls] = np.nan
    return {"mAP50": _mean(precision), "mAR100": _mean(recall)}


def _average_precision(weights: NDArray[np.int64], hit: NDArray[np.bool_], present: NDArray[np.int64]) -> F64:
    """(B,) mean precision at `RECALLS` of (D,) detections, best first, that count ``weights`` (B, D) times.

    Copies of an image have equal scores; that they stand together changes nothing: precision is taken as the best at
    this recall or a higher one.
    """
    last = int(np.flatnonzero(hit)[-1]) + 1 if hit.any() else 0
    if not last:
        return np.zeros(len(weights))
    # What comes after the last hit only lowers a precision that nothing looks at.
    weights, hit = weights[:, :last], hit[:last]
    true = np.cumsum(weights * hit, 1)
    precision = true / np.maximum(np.cumsum(weights, 1), 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    values = np.zeros(len(weights))
    for row, total in enumerate(present):
        if total:
            place = np.searchsorted(true[row] / total, RECALLS, "left")
            values[row] = envelope[row, place[place < last]].sum() / len(RECALLS)
    return values


def _mean(values: F64) -> F64:
    """(B,) means over classes, NaN ones left out."""
    known = ~np.isnan(values)
    count, total = known.sum(1), np.where(known, values, 0).sum(1)
    return np.asarray(np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0))
