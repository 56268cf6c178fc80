"""Drawing: exact pixels of boxes, crisp magnification, sheets whose cells lie where they should."""

from itertools import pairwise

import numpy as np
import pytest

from bench.drawing import INK, class_colour, contact_sheet, draw_boxes, ink_on, magnification, upscale

GREY = np.full((20, 30, 3), 100, np.uint8)


def test_box_covers_exactly_its_border_pixels():
    drawn = draw_boxes(GREY, [[4, 5, 10, 12]], classes=[0])
    expected = np.zeros((20, 30), bool)
    expected[5:12, 4:10] = True
    expected[6:11, 5:9] = False
    assert np.array_equal((drawn != GREY).any(axis=-1), expected)
    assert tuple(drawn[5, 4]) == class_colour(0)
    assert (GREY == 100).all()


def test_scaled_box_lies_at_scaled_pixels():
    drawn = draw_boxes(GREY, [[4, 5, 10, 12]], scale=3)
    assert drawn.shape == (60, 90, 3)
    ys, xs = np.nonzero((drawn != 100).any(axis=-1))
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (12, 15, 30, 36)


def test_tags_are_drawn_and_stay_on_the_image():
    for box in ([0, 0, 5, 5], [25, 15, 30, 20], [0, 14, 5, 20]):
        plain = draw_boxes(GREY, [box], scale=4, classes=[1])
        tagged = draw_boxes(GREY, [box], ["bottle"], 4, [1])
        assert tagged.shape == plain.shape
        changed = (tagged != plain).any(axis=-1).sum()
        assert changed > 300, f"the tag of {box} hardly shows"


def test_no_boxes_and_degenerate_boxes():
    assert np.array_equal(draw_boxes(GREY, []), GREY)
    assert (draw_boxes(GREY, [[4.2, 5.0, 4.4, 5.1]]) != GREY).any(), "a thin box still shows"


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="1 boxes, but 2 labels"):
        draw_boxes(GREY, [[0, 0, 5, 5]], ["a", "b"])
    with pytest.raises(ValueError, match="0 classes"):
        draw_boxes(GREY, [[0, 0, 5, 5]], classes=[])


def test_upscale_is_crisp_for_whole_factors_and_keeps_size_otherwise():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
    assert np.array_equal(upscale(image, 3), image.repeat(3, 0).repeat(3, 1))
    assert upscale(image, 1) is image
    assert upscale(image, 2.5).shape == (5, 8, 3)
    assert not np.array_equal(upscale(image, 3, smooth=True), upscale(image, 3))


def test_magnification():
    assert [magnification(64, 64), magnification(96, 48), magnification(500, 400)] == [4, 3, 1]


def test_colours_are_stable_and_differ():
    colours = [class_colour(k) for k in range(24)]
    assert len(set(colours)) == 24
    near = [np.abs(np.subtract(a, b)).sum() for a, b in pairwise(colours)]
    assert min(near) > 150, "neighbouring classes must be told apart"
    assert class_colour("can") == class_colour("can") != class_colour("jar")
    assert ink_on((255, 255, 0)) == INK and ink_on((0, 0, 200)) == (255, 255, 255)


def test_contact_sheet_geometry():
    red, blue = np.zeros((10, 20, 3), np.uint8), np.zeros((20, 10, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    sheet = contact_sheet([red, blue, red], 2, gap=4)
    assert sheet.shape == (4 + 2 * 24, 4 + 2 * 24, 3)
    assert np.array_equal(sheet[4 + 5 : 4 + 15, 4:24], red), "centred in its cell"
    assert np.array_equal(sheet[4:24, 28 + 5 : 28 + 15], blue)
    assert (sheet[28:, 28:] == 255).all(), "the last cell is empty"


def test_titles_add_lines_and_too_long_ones_are_cut():
    images = [np.zeros((20, 40, 3), np.uint8)] * 2
    plain = contact_sheet(images, 2)
    titles = ["a", "a very long title that never fits"]
    titled = contact_sheet(images, 2, titles, heading="heading", column_titles=["x", "y"], row_titles=["r"])
    assert titled.shape[1] == plain.shape[1] and titled.shape[0] > plain.shape[0] + 50
    assert (titled[:, -6:] == 255).all(), "text stays inside the sheet"


def test_contact_sheet_refuses_nonsense():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([], 2)
    with pytest.raises(ValueError, match="1 titles, expected 2"):
        contact_sheet([GREY, GREY], 2, ["a"])
