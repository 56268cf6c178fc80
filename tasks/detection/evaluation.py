"""COCO's average precision and recall: one evaluation that every detector goes through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contracts import Score
from bench.errors import DataError
from bench.samples import ImageSet

MAX_DETECTIONS = 100
"""Detections an image that COCO's AP and AR look at, best first."""


def coco_truth(truth: ImageSet) -> dict[str, Any]:
    """The boxes of a set as a COCO data set: image ids are positions + 1, category ids are classes + 1."""
    annotations: list[dict[str, Any]] = []
    images = []
    for index, record in enumerate(truth.records):
        images.append({"id": index + 1, "width": record.width, "height": record.height})
        labels = truth.labels(index)
        if labels.boxes is None or labels.classes is None:
            raise DataError(f"{record.path}: the image set has no boxes; detections cannot be scored against it")
        for (x0, y0, x1, y1), cls in zip(labels.boxes.tolist(), labels.classes.tolist(), strict=True):
            width, height = x1 - x0, y1 - y0
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": index + 1, "category_id": cls + 1,
                    "bbox": [x0, y0, width, height], "area": width * height, "iscrowd": 0,
                }
            )
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(truth.class_names)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def coco_scores(results: Sequence[dict[str, Any]], truth: ImageSet) -> list[Score]:
    """COCO figures of a result list against the boxes of ``truth``, each in [0, 1], higher is better.

    ``mAP`` (IoU .50:.05:.95, 101 recall points, at most 100 detections an image), ``mAP50``, ``mAR100`` and one
    ``AP50/<class>`` for every class that occurs in ``truth``; classes that do not occur are left out of the means
    (Lin et al. 2014 and the COCO evaluation server). No detections at all give 0.

    Raises:
        DataError: ``truth`` has no box, or a result names an image or class that ``truth`` does not have.
    """
    reference = coco_truth(truth)
    if not reference["annotations"]:
        raise DataError(f"{truth.records[0].root}: not one box in {len(truth)} images; nothing to score against")
    present = sorted({annotation["category_id"] - 1 for annotation in reference["annotations"]})
    if not results:
        precision = np.zeros((10, 101, len(truth.class_names)))
        recall = np.zeros((10, len(truth.class_names)))
    else:
        _check(results, truth)
        precision, recall = _curves(results, reference)
    precision, recall = precision[:, :, present], recall[:, present]
    scores = [
        Score("mAP", float(precision.mean())),
        Score("mAP50", float(precision[0].mean())),
        Score("mAR100", float(recall.mean())),
    ]
    per_class = precision[0].mean(axis=0)
    return scores + [
        Score(f"AP50/{truth.class_names[cls]}", float(value)) for cls, value in zip(present, per_class, strict=True)
    ]


def _check(results: Sequence[dict[str, Any]], truth: ImageSet) -> None:
    for result in results:
        if not 1 <= result["image_id"] <= len(truth) or not 1 <= result["category_id"] <= len(truth.class_names):
            raise DataError(
                f"predictions.json: image {result['image_id']}, category {result['category_id']}: the test set has "
                f"{len(truth)} images and {len(truth.class_names)} classes; predict again on this set"
            )


def _curves(
    results: Sequence[dict[str, Any]], reference: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision (10 IoU thresholds, 101 recall points, classes) and recall (10, classes); -1 for absent classes."""
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(reference)
    # A copy, because loadRes writes ids and areas into what it is given.
    found = truth.loadRes([dict(result) for result in results])
    evaluation = COCOeval_faster(truth, found, "bbox", print_function=_quiet)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.params.maxDets = [MAX_DETECTIONS]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"], np.float64)[:, :, :, 0, 0]
    recall = np.asarray(evaluation.eval["recall"], np.float64)[:, :, 0, 0]
    return precision, recall


def _quiet(*_: object) -> None:
    return None
