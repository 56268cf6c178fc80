"""The camera: its geometry by hand, labels that move with the pixels, exposure and determinism."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.worlds.rendering.photograph import CameraBody, decode, photograph, warp_labels

PLAIN = CameraBody(
    barrel=0.0, shift=(0.0, 0.0), chromatic=0.0, vignette=0.0, focus=1.0, blur=0.0, sharpening=0.0, read_noise=0.0,
    shot_noise=0.0,
)
SIZE = 64


def still(seed=0):
    """A generator under which the camera is held still, which the tests of geometry rely on."""
    return np.random.default_rng(seed)


def test_no_distortion_reads_each_pixel_where_it_is():
    rows, columns = PLAIN.source(SIZE, margin=5)
    assert rows == pytest.approx(np.broadcast_to(np.arange(SIZE)[:, None] + 5, (SIZE, SIZE)))
    assert columns == pytest.approx(np.broadcast_to(np.arange(SIZE) + 5, (SIZE, SIZE)))


def test_barrel_distortion_by_hand():
    """Barrel 0.1: at half the way to the edge the ideal image is (1 + 0.1 * 0.25) / 1.1 as far from the centre."""
    _, columns = replace(PLAIN, barrel=0.1).source(4, margin=0)
    x = np.array([-0.75, -0.25, 0.25, 0.75])
    squared = x[None] ** 2 + x[:, None] ** 2
    assert columns == pytest.approx(x[None] * (1 + 0.1 * squared) / 1.1 * 2 + 1.5)


@pytest.mark.parametrize("size", [48, 96, 256])
def test_the_margin_holds_all_that_the_warp_reads(size):
    for seed in range(30):
        body = CameraBody.draw(np.random.default_rng(seed), 1.0)
        margin = body.margin(size)
        for scale in (1 - body.chromatic, 1.0, 1 + body.chromatic):
            read = body.source(size, margin, scale)
            assert read.min() >= 0
            assert read.max() <= size + 2 * margin - 1


def test_labels_move_with_the_pixels():
    """A bright square off the centre, strongly distorted: the label covers it only after the same warp."""
    body = replace(PLAIN, barrel=0.6, shift=(0.02, -0.03))
    margin = body.margin(SIZE)
    label = np.zeros((SIZE + 2 * margin,) * 2, np.int64)
    label[margin + 14 : margin + 26, margin + 38 : margin + 50] = 1
    image = decode(photograph(np.where(label, 0.8, 0.05)[..., None] * np.ones(3), label * 1.0, body, SIZE, still()))
    bright = image.mean(-1) > (int(image.max()) + int(image.min())) / 2
    warped, ideal = warp_labels(label, body, SIZE, margin) > 0, label[margin:-margin, margin:-margin] > 0

    def overlap(mask):
        return (mask & bright).sum() / (mask | bright).sum()

    assert overlap(warped) > 0.85
    assert overlap(ideal) < 0.6


def test_off_focus_is_blurred():
    body = replace(PLAIN, blur=0.05)
    stripes = np.broadcast_to((np.arange(SIZE) // 4 % 2)[None, :, None] * 0.8 + 0.1, (SIZE, SIZE, 3)).astype(float)
    depths = (np.full((SIZE, SIZE), metres) for metres in (1.0, 0.6))
    sharp, soft = (decode(photograph(stripes, depth, body, SIZE, still())) for depth in depths)
    assert soft.std() < 0.7 * sharp.std()


def test_colours_separate_towards_the_edge():
    """Red is read from further out than blue, so a bright spot off centre is redder on its inner side."""
    body = replace(PLAIN, chromatic=0.05)
    margin = body.margin(SIZE)
    linear = np.full((SIZE + 2 * margin,) * 2 + (3,), 0.05)
    linear[margin + 28 : margin + 36, margin + 50 : margin + 56] = 1.0
    image = decode(photograph(linear, np.ones(linear.shape[:2]), body, SIZE, still())).astype(int)
    row = image[30:34].mean(0)
    assert (row[46:50, 0] - row[46:50, 2]).max() > 15
    assert (row[54:58, 2] - row[54:58, 0]).max() > 15


def test_vignetting_darkens_the_corners():
    body = replace(PLAIN, vignette=0.6)
    image = decode(photograph(np.full((SIZE, SIZE, 3), 0.3), np.ones((SIZE, SIZE)), body, SIZE, still()))
    assert image[:4, :4].mean() < 0.75 * image[30:34, 30:34].mean()


def test_exposure_is_automatic():
    rng = np.random.default_rng(3)
    scene = rng.uniform(0.05, 1.0, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    one, other = (decode(photograph(scene * gain, np.ones((SIZE, SIZE)), PLAIN, SIZE, still())) for gain in (1.0, 8.0))
    assert np.abs(one.astype(int) - other).mean() < 2


def test_the_generator_decides_everything():
    body = CameraBody.draw(np.random.default_rng(1), 1.0)
    side = SIZE + 2 * body.margin(SIZE)
    linear, depth = np.random.default_rng(2).random((side, side, 3)), np.ones((side, side))
    first, again, other = (photograph(linear, depth, body, SIZE, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    with Image.open(io.BytesIO(first)) as image:
        assert (image.format, image.size) == ("JPEG", (SIZE, SIZE))
