"""Windows, cuts, depth and quaternions of BOP crops against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.worlds.bop_crops import cut_image, cut_map, quaternion, relative_depth, window


@pytest.mark.parametrize(
    ("axis", "degrees", "expected"),
    [
        ((0, 0, 1), 0, (1, 0, 0, 0)),
        ((0, 0, 1), 90, (np.sqrt(0.5), 0, 0, np.sqrt(0.5))),
        ((1, 0, 0), -90, (np.sqrt(0.5), -np.sqrt(0.5), 0, 0)),
        ((0, 1, 0), 300, (np.cos(np.pi / 6), 0, -0.5, 0)),
    ],
)
def test_quaternion(axis, degrees, expected):
    angle, (x, y, z) = np.radians(degrees), axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    assert quaternion(rotation) == pytest.approx(np.array(expected), abs=1e-6)
    assert quaternion(rotation * 1.003) == pytest.approx(np.array(expected), abs=1e-6), "rounded annotations are mended"


def test_relative_depth():
    steps = np.array([0, 6500, 8000, 8123, 9999, 20000], np.uint16)
    metres = relative_depth(steps, 0.0001, 0.8)
    assert metres == pytest.approx([0.4, 0.05, 0.2, 0.2123, 0.3999, 0.4], abs=1e-6)
    assert relative_depth(np.array([5000]), 0.0001, 0.8)[0] == pytest.approx(0.001), "0 would mean unknown"


def test_window_and_cuts():
    matrix = np.array([[500.0, 0, 320], [0, 250, 240], [0, 0, 1]])
    # A point at 1 m, 10 cm right: column 370, whose middle is at 370.5 from the edge; 20 cm are 100 x 50 pixels.
    assert window(matrix, np.array([0.1, 0, 1])) == pytest.approx((320.5, 215.5, 420.5, 265.5))
    columns, rows = np.meshgrid(np.arange(40), np.arange(30))
    ramp = np.stack([columns * 5, rows * 5, np.full_like(rows, 200)], -1).astype(np.uint8)
    # A pixel of the crop is half a pixel wide or two; its colour is that at its middle, which a ramp keeps.
    for scale in (0.5, 2):
        cut = cut_image(ramp, (8, 6, 8 + 8 * scale, 6 + 8 * scale), 8).astype(float)
        expected = (8 + (np.arange(8) + 0.5) * scale - 0.5) * 5
        assert cut[4, :, 0] == pytest.approx(expected, abs=1.01)
        assert cut[:, 4, 1] == pytest.approx(expected - 10, abs=1.01)
    shifted = cut_map(rows * 100 + columns, (-2, 27, 2, 31), 4, outside=7)
    assert shifted.tolist() == [[7, 7, 2700, 2701], [7, 7, 2800, 2801], [7, 7, 2900, 2901], [7, 7, 7, 7]]
