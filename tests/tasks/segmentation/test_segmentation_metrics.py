"""IoU and accuracy: a case worked out by hand, and torchmetrics on random maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from bench.errors import DataError
from bench.samples import ImageSet
from tasks.segmentation.metrics import confusion_matrix, confusion_scores, set_confusion

NAMES = ("a", "b", "c", "d", "e")


def scores(prediction: np.ndarray, truth: np.ndarray, names: tuple[str, ...] = NAMES) -> dict[str, float]:
    found = confusion_scores(confusion_matrix(prediction, truth, len(names)), names)
    return {score.metric: score.value for score in found}


def test_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1], [0, 2, 2, 255]], np.uint8)
    prediction = np.array([[0, 1, 1, 1], [0, 2, 3, 0]], np.uint8)
    matrix = confusion_matrix(prediction, truth, 5)
    assert matrix.tolist() == [[2, 1, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 1, 1, 0], [0] * 5, [0] * 5]
    found = scores(prediction, truth)
    # a: 2 of 3; b: 2 of 3; c: 1 of 2; d is only predicted: 0 of 1; e is nowhere and left out.
    assert found == pytest.approx(
        {"mIoU": (2 / 3 + 2 / 3 + 1 / 2 + 0) / 4, "pixel_accuracy": 5 / 7, "IoU/a": 2 / 3, "IoU/b": 2 / 3, "IoU/c": 0.5}
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_same_numbers_as_torchmetrics(seed: int) -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    random = np.random.default_rng(seed)
    # Class 4 occurs nowhere, class 3 only among the predictions in half of the cases.
    truth = random.choice([0, 1, 2, *([3] * (seed % 2)), 255], (3, 20, 24)).astype(np.uint8)
    prediction = random.integers(0, 4, truth.shape).astype(np.uint8)
    found = scores(prediction, truth)
    arguments = torch.from_numpy(prediction).long(), torch.from_numpy(truth).long()
    options = {"num_classes": 5, "ignore_index": 255}
    mean = classification.MulticlassJaccardIndex(**options)(*arguments)
    each = classification.MulticlassJaccardIndex(**options, average="none")(*arguments)
    accuracy = classification.MulticlassAccuracy(**options, average="micro")(*arguments)
    assert found["mIoU"] == pytest.approx(mean.item(), abs=1e-6)
    assert found["pixel_accuracy"] == pytest.approx(accuracy.item(), abs=1e-6)
    for k in np.unique(truth[truth < 255]):
        assert found[f"IoU/{NAMES[k]}"] == pytest.approx(each[k].item(), abs=1e-6)


def test_the_same_numbers_as_sets_of_pixels() -> None:
    random = np.random.default_rng(0)
    truth = random.choice([0, 1, 2, 255], (2, 9, 7)).astype(np.uint8)
    prediction = random.integers(0, 4, truth.shape).astype(np.uint8)
    places = [tuple(place) for place in np.argwhere(truth != 255).tolist()]
    overlaps = {}
    for k in range(5):
        true = {place for place in places if truth[place] == k}
        guessed = {place for place in places if prediction[place] == k}
        if true | guessed:
            overlaps[k] = len(true & guessed) / len(true | guessed)
    found = scores(prediction, truth)
    assert found["mIoU"] == pytest.approx(sum(overlaps.values()) / len(overlaps))
    assert [found[f"IoU/{NAMES[k]}"] for k in range(3)] == pytest.approx([overlaps[k] for k in range(3)])
    assert found["pixel_accuracy"] == sum(truth[p] == prediction[p] for p in places) / len(places)


def test_perfect_and_void() -> None:
    truth = np.array([[0, 1, 255]], np.uint8)
    assert scores(np.array([[0, 1, 1]]), truth) == {"mIoU": 1.0, "pixel_accuracy": 1.0, "IoU/a": 1.0, "IoU/b": 1.0}
    with pytest.raises(DataError, match=r"every pixel .* is void"):
        scores(truth, np.full_like(truth, 255))


@pytest.mark.parametrize(
    ("prediction", "truth", "complaint"),
    [
        ([[0, 5]], [[0, 0]], "predicted class 5 of 5"),
        ([[0, 0]], [[0, 7]], "true class 7 of 5"),
        ([[0]], [[0, 0]], "1, 1"),
    ],
)
def test_what_is_no_class_is_refused(prediction: list[list[int]], truth: list[list[int]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        confusion_matrix(np.array(prediction), np.array(truth), 5)


def test_a_set_is_one_matrix_and_errors_name_the_image(make_set: Callable[..., ImageSet]) -> None:
    truth = make_set(3)
    maps = np.stack([truth.labels(k).semantic for k in range(3)])
    matrix = set_confusion(np.where(maps == 255, 0, maps), truth)
    assert matrix.sum() == (maps != 255).sum() and (matrix == np.diag(np.diagonal(matrix))).all()
    with pytest.raises(DataError, match=r"000\.png: predicted \(8, 8\), true \(32, 32\); predict again"):
        set_confusion(maps[:, :8, :8], truth)
    with pytest.raises(DataError, match="no semantic maps"):
        set_confusion(maps, make_set(1, labels=()))
