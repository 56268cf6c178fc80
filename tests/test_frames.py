from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import DataError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.frames import Frames, channel_count, from_channels, to_channels
from bench.samples import ImageSet, Labels, Sample

SENSORS = {"depth": 2.0}


def sample(level: int, metres: float | None) -> Sample:
    image = np.full((2, 3, 3), level, np.uint8)
    depth = None if metres is None else np.full((2, 3), metres, np.float32)
    return Sample("a", image, "a", Labels(depth=depth))


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., ImageSet]:
    """Three noisy pictures with depth, in which some is unknown."""

    def make(*kinds: str) -> ImageSet:
        writer = ImageSetWriter(tmp_path, domain="real", kind="rendered", class_names=["a"], labels=kinds)
        random = np.random.default_rng(0)
        for number in range(3):
            depth = random.uniform(0.1, 3, (8, 10)).astype(np.float32)
            depth[0, :4] = 0
            writer.add(f"{number}", random.integers(0, 256, (8, 10, 3), np.uint8), Labels(depth=depth))
        writer.close()
        return open_image_set(tmp_path)

    return make


def test_colours_span_minus_one_to_one() -> None:
    channels = to_channels([sample(0, None), sample(255, None), sample(51, None)], {})
    assert channels.shape == (3, 3, 2, 3)
    assert channels.dtype == torch.float32
    assert channels[:, 0, 0, 0].tolist() == pytest.approx([-1, 1, -0.6])


@pytest.mark.parametrize(("metres", "value"), [(0.0, 1.0), (0.5, -0.5), (1.0, 0.0), (2.0, 1.0), (5.0, 1.0)])
def test_depth_is_the_last_channel_and_unknown_depth_is_far(metres: float, value: float) -> None:
    channels = to_channels([sample(0, metres)], SENSORS)
    assert channels.shape == (1, 4, 2, 3)
    assert channels[0, 3].unique().tolist() == pytest.approx([value])


def test_channels_become_the_same_images_and_depths(pictures: Callable[..., ImageSet]) -> None:
    for sensors in ({}, {"depth": 4.0}):
        images = list(pictures("depth"))
        back = from_channels(to_channels(images, sensors), sensors)
        for before, after in zip(images, back, strict=True):
            np.testing.assert_array_equal(after.image, before.image)
            if not sensors:
                assert after.depth is None
                continue
            assert after.depth is not None
            assert after.depth.dtype == np.float32
            known = before.labels.depth > 0  # type: ignore[operator]
            np.testing.assert_allclose(after.depth[known], before.labels.depth[known], atol=1e-6)  # type: ignore[index]
            assert (after.depth[~known] == 4).all()


def test_channels_out_of_range_are_clamped_and_depth_stays_known() -> None:
    channels = torch.tensor([-3.0, 3.0, 0.0, -3.0]).reshape(1, 4, 1, 1)
    made = from_channels(channels, SENSORS)[0]
    assert made.image.tolist() == [[[0, 255, 128]]]
    assert made.depth is not None
    assert made.depth.tolist() == [[pytest.approx(0.001)]]  # 0 would mean unknown


@pytest.mark.parametrize("sensors", [{}, SENSORS])
def test_frames_are_to_channels_of_the_samples(
    pictures: Callable[..., ImageSet], sensors: dict[str, float]
) -> None:
    images = pictures("depth").sensed(sensors)
    frames = Frames(images)
    assert (len(frames), frames.channels, frames.size) == (3, 3 + len(sensors), (8, 10))
    assert torch.equal(frames.batch([2, 0, 2]), to_channels([images[2], images[0], images[2]], sensors))


def test_depth_is_readable_where_labels_are_hidden(pictures: Callable[..., ImageSet]) -> None:
    images = pictures("depth").sensed(SENSORS)
    assert torch.equal(Frames(images.unlabelled()).batch([1]), Frames(images).batch([1]))


def test_what_cannot_be_an_input_is_named() -> None:
    assert (channel_count({}), channel_count(SENSORS)) == (3, 4)
    with pytest.raises(DataError, match=r"sensors: boxes, lidar cannot be an input \(known: depth\)"):
        channel_count({"lidar": 1.0, "boxes": 1.0, "depth": 1.0})
    with pytest.raises(DataError, match="a: no depth, which the suite's sensors promise"):
        to_channels([sample(0, None)], SENSORS)
