from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Context
from refiners.crops import UnpairedCrops, cut, to_image, to_tensor


def crops(context: Context, **changed: Any) -> UnpairedCrops:
    """Images whose red channel says where a pixel was, and masks that say the same as the green one."""
    height, width = 24, 32
    image = np.zeros((5, height, width, 3), np.uint8)
    image[..., 0] = np.arange(width) * 4 + np.arange(height)[:, None]
    image[..., 1] = np.where(np.arange(width) >= 16, 255, 0)
    masks = image[..., 1] > 127
    settings: dict[str, Any] = {
        "batch_size": 2, "resize": 1.0, "crop": 16, "multiple": 4, "flip": False, "context": context,
    }
    return UnpairedCrops(image, image[:3], masks, None, **settings | changed)


def test_pixels_survive_the_way_there_and_back() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 7, 3)).astype(np.uint8)
    tensor = to_tensor(image, "cpu")
    assert tensor.min() >= -1
    assert tensor.max() <= 1
    np.testing.assert_array_equal(to_image(tensor[0]), image[0])


def test_all_crops_at_once_are_those_cut_one_by_one() -> None:
    images = torch.rand(2, 3, 9, 11)
    rows = torch.arange(4) + torch.tensor([[1], [5]])
    columns = torch.stack([torch.arange(3, 8), torch.arange(6, 1, -1)])
    expected = torch.stack([images[0, :, 1:5, 3:8], images[1, :, 5:9, 2:7].flip(-1)])
    assert torch.equal(cut(images, rows, columns), expected)


def test_a_batch_is_a_function_of_its_step(context: Context) -> None:
    first, second = crops(context), crops(context)
    later = first(5)
    first(2)
    for batch in (first(5), second(5)):
        assert torch.equal(batch.synthetic, later.synthetic)
        assert torch.equal(batch.real, later.real)
    assert not torch.equal(first(6).synthetic, later.synthetic)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("resize", [1.0, 1.25])
def test_masks_are_cut_and_mirrored_with_their_images(flip: bool, resize: float, context: Context) -> None:
    mirrored = 0
    for step in range(12):
        batch = crops(context, flip=flip, resize=resize)(step)
        assert batch.synthetic.shape == batch.real.shape == (2, 3, 16, 16)
        assert batch.synthetic_mask is not None
        assert batch.real_mask is None
        agree = (batch.synthetic[:, 1:2] > 0) == (batch.synthetic_mask > 0.5)
        assert agree.float().mean() > 0.9  # an enlarged edge may fall on either side
        mirrored += int((batch.synthetic[:, 0, 0, 0] > batch.synthetic[:, 0, 0, -1]).sum())
    assert (mirrored > 0) == flip


@pytest.mark.parametrize(("crop", "multiple", "side"), [(64, 4, 24), (18, 4, 16), (21, 1, 21)])
def test_the_crop_fits_the_image_and_the_network(crop: int, multiple: int, side: int, context: Context) -> None:
    assert crops(context, crop=crop, multiple=multiple)(0).synthetic.shape[-2:] == (side, side)
