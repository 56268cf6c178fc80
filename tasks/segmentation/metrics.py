"""Figures of a confusion matrix: intersection over union of each class, their mean, and pixel accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contracts import Score
from bench.errors import DataError
from bench.samples import ImageSet

VOID = 255
"""Pixels of the truth with this value count nowhere."""


def confusion_matrix(prediction: NDArray[Any], truth: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Count pixels by true class (row) and predicted class (column).

    Args:
        prediction, truth: integers of one shape; ``truth`` is a class or `VOID`.
        classes: how many there are.

    Raises:
        ValueError: the shapes differ, or a value is no class.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"predicted {prediction.shape}, true {truth.shape}")
    known = truth != VOID
    true, predicted = truth[known].astype(np.int64), prediction[known].astype(np.int64)
    for name, values in (("true", true), ("predicted", predicted)):
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < classes:
            raise ValueError(f"{name} class {int(values.max())} of {classes} classes (0 to {classes - 1})")
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def image_confusions(predictions: NDArray[np.uint8], truth: ImageSet) -> NDArray[np.int64]:
    """(N, K, K): the confusion matrix of each image's (H, W) predicted classes; `DataError` names a faulty image."""
    if "semantic" not in truth.has:
        raise DataError("the test images have no semantic maps; segmentation cannot be scored against them")
    counts = np.zeros((len(truth), *(len(truth.class_names),) * 2), np.int64)
    for index, record in enumerate(truth.records):
        semantic = truth.labels(index).semantic
        assert semantic is not None
        try:
            counts[index] = confusion_matrix(predictions[index], semantic, len(truth.class_names))
        except ValueError as error:
            raise DataError(f"{record.label_path('semantic')}: {error}; predict again, or mend the map") from None
    return counts


def set_confusion(predictions: NDArray[np.uint8], truth: ImageSet) -> NDArray[np.int64]:
    """The confusion matrix over a whole set, the sum of `image_confusions`."""
    return np.asarray(image_confusions(predictions, truth).sum(0))


def confusion_scores(confusion: NDArray[np.int64], class_names: Sequence[str]) -> list[Score]:
    """``mIoU``, ``pixel_accuracy`` and ``IoU/<class>`` of a confusion matrix (rows: truth), each in [0, 1].

    IoU of a class is its diagonal entry over row plus column minus diagonal (Everingham et al. 2010, the Pascal VOC
    challenge, section 4.4). The mean leaves out classes that occur neither in the truth nor among the predictions; a
    class that is only predicted counts with 0. ``IoU/<class>`` is given for the classes of the truth, so that every
    arm has the same rows.

    Raises:
        DataError: every pixel of the truth is void.
    """
    if not confusion.sum():
        raise DataError("every pixel of the test images' semantic maps is void; nothing to score against")
    both = np.diagonal(confusion).astype(np.float64)
    true, predicted = confusion.sum(1), confusion.sum(0)
    union = true + predicted - both
    present = union > 0
    overlap = np.divide(both, union, out=np.zeros_like(both), where=present)
    scores = [
        Score("mIoU", float(overlap[present].mean())),
        Score("pixel_accuracy", float(both.sum() / confusion.sum())),
    ]
    return scores + [Score(f"IoU/{class_names[k]}", float(overlap[k])) for k in np.flatnonzero(true).tolist()]
