"""Random scale, crop and mirroring of images together with their label maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.segmentation.metrics import VOID


def augmented(
    images: Tensor,
    maps: Tensor,
    random: np.random.Generator,
    *,
    flip: float,
    scales: Sequence[float],
    crop: int,
) -> tuple[Tensor, Tensor]:
    """Change every image of a batch on its own.

    Args:
        images: (B, C, H, W) in [-1, 1].
        maps: (B, H, W) uint8, `VOID` where there is no class.
        random: decides everything.
        flip: probability of mirroring.
        scales: factors, one of which an image is resized by (labels by nearest neighbour).
        crop: side of the square cut out at random after that, 0: as large as the image was. What lies outside of a
            smaller image is middle grey, and void.

    Returns:
        (B, C, S, S') images and (B, S, S') maps.
    """
    height, width = (crop, crop) if crop else (images.shape[2], images.shape[3])
    mirrored = random.random(len(images)) < flip
    factors = random.choice(np.asarray(scales, np.float64), len(images))
    places = random.random((len(images), 2))
    if not crop and (factors == 1).all():
        choose = torch.from_numpy(mirrored).to(images.device)
        flipped = torch.where(choose[:, None, None, None], images.flip(-1), images)
        return flipped, torch.where(choose[:, None, None], maps.flip(-1), maps)
    pictures, labels = [], []
    for k, (factor, place) in enumerate(zip(factors.tolist(), places.tolist(), strict=True)):
        image, label = resized(images[k : k + 1], maps[k : k + 1], factor)
        image, label = _filled(image, height, width, 0.0), _filled(label, height, width, VOID)
        top = int(place[0] * (image.shape[-2] - height + 1))
        left = int(place[1] * (image.shape[-1] - width + 1))
        cut = (..., slice(top, top + height), slice(left, left + width))
        picture, map_ = image[cut], label[cut]
        pictures.append(picture.flip(-1) if mirrored[k] else picture)
        labels.append(map_.flip(-1) if mirrored[k] else map_)
    return torch.cat(pictures), torch.cat(labels)


def resized(images: Tensor, maps: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) images, bilinear and low-passed where they shrink, and (B, H, W) maps, by nearest neighbour."""
    if factor == 1:
        return images, maps
    size = max(1, round(images.shape[2] * factor)), max(1, round(images.shape[3] * factor))
    pictures = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=factor < 1)
    labels = F.interpolate(maps[:, None].float(), size, mode="nearest-exact")[:, 0]
    return pictures, labels.to(maps.dtype)


def _filled(x: Tensor, height: int, width: int, value: float) -> Tensor:
    """At least ``height`` and ``width``, with ``value`` at the right and at the bottom."""
    missing = (0, max(0, width - x.shape[-1]), 0, max(0, height - x.shape[-2]))
    return F.pad(x, missing, value=value) if any(missing) else x
