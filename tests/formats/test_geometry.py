"""Letterboxing against values computed by hand."""

import numpy as np
import pytest
from PIL import Image

from bench.formats.geometry import PADDING, place


def test_letterbox_of_a_portrait():
    # 240 x 320 into 96: scale 0.3, 72 x 96, bars of (96 - 72) / 2 = 12 left and right.
    placement = place(240, 320, 96)
    assert placement.inner == (12, 0, 72, 96)
    assert placement.boxes([[0, 0, 240, 320], [100, 50, 120, 60]]).tolist() == [[12, 0, 84, 96], [42, 15, 48, 18]]


def test_letterbox_of_a_landscape_with_odd_bars():
    # 320 x 180 into 96: 96 x 54, bars of 21; 5 x 2 into 10: 10 x 4, bars of 3.
    assert place(320, 180, 96).inner == (0, 21, 96, 54)
    assert place(5, 2, 10).inner == (0, 3, 10, 4)
    # 3 x 2 into 8: 8 x 5 (5.33 rounds down), the odd row goes to the bottom; boxes scale by 5/2 in y.
    placement = place(3, 2, 8)
    assert placement.inner == (0, 1, 8, 5)
    assert placement.boxes([0, 1, 3, 2]).tolist() == [[0, 1 + 2.5, 8, 6]]


def test_extreme_shapes_keep_a_pixel():
    assert place(1000, 1, 16).inner == (0, 7, 16, 1)


def test_stretch_and_native_size():
    placement = place(20, 40, 10, "stretch")
    assert placement.inner == (0, 0, 10, 10)
    assert placement.boxes([[2, 4, 10, 40]]).tolist() == [[1, 1, 5, 10]]
    native = place(20, 40, None)
    assert native.unchanged and native.target == (20, 40)
    assert native.boxes([[2, 4, 10, 40]]).tolist() == [[2, 4, 10, 40]]
    assert place(96, 96, 96).unchanged and not place(96, 95, 96).unchanged


def test_no_boxes_stay_no_boxes():
    assert place(20, 40, 10).boxes(np.empty((0, 4))).shape == (0, 4)


def test_image_lies_between_grey_bars():
    out = place(4, 2, 8).image(Image.new("RGB", (4, 2), (250, 10, 20)))
    assert out.shape == (8, 8, 3)
    assert (out[2:6] == (250, 10, 20)).all()
    assert (out[:2] == PADDING).all() and (out[6:] == PADDING).all()


def test_picture_and_boxes_move_together():
    image = np.zeros((60, 100, 3), np.uint8)
    image[10:30, 20:70] = 255
    placement = place(100, 60, 50)
    white = np.argwhere(placement.image(Image.fromarray(image))[..., 0] > 200)
    (y0, x0), (y1, x1) = white.min(axis=0), white.max(axis=0) + 1
    assert [x0, y0, x1, y1] == pytest.approx(placement.boxes([20, 10, 70, 30])[0], abs=1)


def test_maps_are_not_blended():
    labels = np.array([[1, 2], [3, 4]], np.uint16)
    out = place(2, 2, 4).map(labels, 0)
    assert np.array_equal(out, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])
    assert out.dtype == np.uint16
    wide = place(4, 2, 4).map(np.full((2, 4), 9, np.uint8), 255)
    assert np.array_equal(wide[:, 0], [255, 9, 9, 255])
    # Shrinking takes the pixel at the centre of each new one.
    assert place(4, 4, 2).map(np.arange(16).reshape(4, 4), 0).tolist() == [[5, 7], [13, 15]]
