"""Images in memory: values, mirroring, and sets that cannot be trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.errors import DataError
from bench.samples import ImageSet
from tasks.detection.batches import TrainingImages, mirror_boxes

Make = Callable[..., ImageSet]


def test_batches_hold_the_images_and_boxes_of_the_set(make_set: Make) -> None:
    data = make_set(3)
    images, targets = TrainingImages(data, "cpu").batch([2, 0], 0.0, np.random.default_rng(0))
    assert images.shape == (2, 3, 64, 64)
    expected = torch.from_numpy(data.image(2).copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(images[0], expected)
    np.testing.assert_array_equal(targets[1].boxes.numpy(), data.labels(0).boxes)
    np.testing.assert_array_equal(targets[1].classes.numpy(), data.labels(0).classes)


def test_mirrored_boxes_hold_the_same_pixels(make_set: Make) -> None:
    data = make_set(3)
    images, targets = TrainingImages(data, "cpu").batch([1], 1.0, np.random.default_rng(0))
    for box, original in zip(targets[0].boxes.long(), data.labels(1).boxes, strict=True):
        x0, y0, x1, y1 = box.tolist()
        u0, v0, u1, v1 = original.astype(int).tolist()
        crop = torch.from_numpy(data.image(1)[v0:v1, u0:u1].copy()).permute(2, 0, 1) / 255
        torch.testing.assert_close(images[0, :, y0:y1, x0:x1], crop.flip(-1))


def test_mirror_boxes() -> None:
    mirrored = mirror_boxes(torch.tensor([[1.0, 2.0, 4.0, 9.0]]), 10)
    assert mirrored.tolist() == [[6.0, 2.0, 9.0, 9.0]]


def test_a_share_of_the_images_is_mirrored(make_set: Make) -> None:
    training = TrainingImages(make_set(1), "cpu")
    images, _ = training.batch([0] * 400, 0.25, np.random.default_rng(0))
    plain, _ = training.batch([0], 0.0, np.random.default_rng(0))
    mirrored = (images != plain).flatten(1).any(1).float().mean()
    assert 0.18 < mirrored < 0.32


def test_sets_without_boxes_are_refused(make_set: Make) -> None:
    data = make_set(2)
    with pytest.raises(DataError, match="has no boxes"):
        TrainingImages(replace(data, has=frozenset()), "cpu")
    empty = replace(data, records=tuple(replace(record, boxes=(), classes=()) for record in data.records))
    with pytest.raises(DataError, match="not one box in 2 images"):
        TrainingImages(empty, "cpu")


def test_a_box_without_area_is_named(make_set: Make) -> None:
    data = make_set(2)
    broken = replace(data.records[1], boxes=((3.0, 3.0, 3.0, 8.0),), classes=(0,))
    with pytest.raises(DataError, match=r"001\.png: a box without area"):
        TrainingImages(replace(data, records=(data.records[0], broken)), "cpu")
