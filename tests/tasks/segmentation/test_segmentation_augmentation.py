"""Images and maps change together; what lies outside of an image is void."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.segmentation.augmentation import augmented, resized

PLAIN = {"flip": 0.0, "scales": (1.0,), "crop": 0}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Four images of 12x16 whose red channel is the map's value over 100."""
    maps = torch.from_numpy(np.random.default_rng(0).integers(0, 90, (4, 12, 16)).astype(np.uint8))
    return maps[:, None].float().div(100).repeat(1, 3, 1, 1), maps


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_asked_nothing_done() -> None:
    images, maps = batch()
    changed, labels = augmented(images, maps, random(), **PLAIN)
    assert torch.equal(changed, images) and torch.equal(labels, maps)


def test_mirroring_is_drawn_for_every_image() -> None:
    images, maps = batch()
    changed, labels = augmented(images, maps, random(), **PLAIN | {"flip": 0.5})
    mirrored = [bool(torch.equal(label, map_.flip(-1))) for label, map_ in zip(labels, maps, strict=True)]
    assert mirrored == (random().random(4) < 0.5).tolist() and 0 < sum(mirrored) < 4
    assert torch.equal(changed[:, 0], labels.float() / 100)
    both, _ = augmented(images, maps, random(), **PLAIN | {"flip": 1.0})
    assert torch.equal(both, images.flip(-1))


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_crops_are_pieces_of_the_image(flip: float) -> None:
    images, maps = batch()
    changed, labels = augmented(images, maps, random(), flip=flip, scales=(1.0,), crop=8)
    assert changed.shape == (4, 3, 8, 8) and torch.equal(changed[:, 0], labels.float() / 100)
    for label, map_ in zip(labels, maps.flip(-1) if flip else maps, strict=True):
        pieces = map_.unfold(0, 8, 1).unfold(1, 8, 1)
        assert (pieces == label).all(-1).all(-1).any()


def test_what_lies_outside_is_grey_and_void() -> None:
    images, maps = batch()
    changed, labels = augmented(images, maps, random(), flip=0.0, scales=(0.5,), crop=0)
    assert changed.shape == images.shape and labels.shape == maps.shape
    assert (labels[:, 6:] == 255).all() and (labels[:, :, 8:] == 255).all() and (labels[:, :6, :8] < 90).all()
    assert (changed[:, :, 6:] == 0).all() and changed[:, :, :6, :8].abs().sum() > 0
    large, more = augmented(images, maps, random(), flip=0.0, scales=(1.0,), crop=20)
    assert large.shape == (4, 3, 20, 20) and torch.equal(more[:, :12, :16], maps) and (more[:, 12:] == 255).all()


def test_resizing_keeps_label_values_and_lines_up() -> None:
    images, maps = torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.uint8)
    images[..., 4:], maps[..., 4:] = 1.0, 37
    for factor in (0.5, 1.25, 2.0):
        pictures, labels = resized(images, maps, factor)
        side = round(8 * factor)
        assert labels.shape == (1, side, side) and set(labels.unique().tolist()) == {0, 37}
        # The edge lies in the middle of both: what the picture calls bright is what the map calls 37.
        assert ((pictures[:, 0] > 0.5) == (labels == 37)).all()


def test_the_generator_decides() -> None:
    images, maps = batch()
    options = {"flip": 0.5, "scales": (0.5, 1.0, 1.5), "crop": 10}
    first, again, other = (augmented(images, maps, random(seed), **options)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
