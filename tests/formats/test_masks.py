"""Segmentations against the COCO mask API (pycocotools) and by hand; hostile ones are refused."""

import numpy as np
import pytest
from pycocotools import mask as oracle

from bench.formats.layout import rle_counts
from bench.formats.masks import decode_segmentation, uncompressed


def random_masks(count: int):
    random = np.random.default_rng(0)
    for _ in range(count):
        height, width = random.integers(1, 40, 2)
        yield random.random((height, width)) < random.choice([0.02, 0.5, 0.98])


def test_compressed_runs_equal_the_oracle():
    for mask in random_masks(50):
        encoded = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
        segmentation = {"size": list(mask.shape), "counts": encoded["counts"].decode()}
        assert uncompressed(segmentation["counts"]) == rle_counts(mask)
        assert np.array_equal(decode_segmentation(segmentation, mask.shape[1], mask.shape[0]), mask)


def test_large_runs():
    mask = np.zeros((700, 900), bool)
    mask[:, 450:] = True
    encoded = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert uncompressed(encoded) == [315000, 315000]


def test_uncompressed_runs_by_hand():
    # Column by column: 1 background, 2 foreground, 3 background.
    mask = decode_segmentation({"size": [2, 3], "counts": [1, 2, 3]}, 3, 2)
    assert mask.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with numpy 2
def test_polygons_equal_the_oracle():
    polygons = [[2.0, 1.0, 12.5, 3.0, 7.0, 9.5], [14.0, 2.0, 18.0, 2.0, 18.0, 8.0, 14.0, 8.0]]
    expected = oracle.decode(oracle.frPyObjects(polygons, 12, 20)).any(axis=-1)
    assert np.array_equal(decode_segmentation(polygons, 20, 12), expected)
    assert expected.sum() > 40


def test_a_rectangle_by_hand():
    mask = decode_segmentation([[1, 1, 4, 1, 4, 3, 1, 3]], 6, 5)
    expected = np.zeros((5, 6), bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("segmentation", "complaint"),
    [
        ({"size": [9, 9], "counts": [81]}, "mask of size"),
        ({"size": [4, 5], "counts": [10, 2**40]}, "sum to"),
        ({"size": [4, 5], "counts": [25, -5]}, "whole numbers"),
        ({"size": [4, 5], "counts": "~~~"}, "character '~'"),
        ({"size": [4, 5], "counts": "P"}, "middle of a number"),
        ({"size": [4, 5]}, "whole numbers"),
        ([[1, 2, 3]], "three or more points"),
        ([[1, 2, 3, 4, float("nan"), 6]], "finite"),
        ([["a", 2, 3, 4, 5, 6]], "three or more points"),
        ([1, 2, 3, 4, 5, 6], "three or more points"),
        ([], "no polygon"),
        ("x", "no polygon"),
    ],
)
def test_hostile_segmentations(segmentation, complaint):
    with pytest.raises(ValueError, match=complaint):
        decode_segmentation(segmentation, 5, 4)


def test_points_far_outside_are_cut_off():
    mask = decode_segmentation([[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9]], 5, 4)
    assert mask.shape == (4, 5) and mask.all()
