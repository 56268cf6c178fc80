"""Batches as the published code makes them: PIL images from disk, resized, cropped, mirrored, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.samples import ImageSet


@dataclass(frozen=True)
class PlainBatch:
    """Images (B, 3, S, S) in [-1, 1], masks (B, 1, S, S) or None, and the synthetic ones' places in their set."""

    synthetic: Tensor
    real: Tensor
    synthetic_mask: Tensor | None
    real_mask: Tensor | None
    indices: list[int]

    def to(self, device: str) -> PlainBatch:
        """A copy on ``device``."""
        masks = [None if mask is None else mask.to(device) for mask in (self.synthetic_mask, self.real_mask)]
        return PlainBatch(self.synthetic.to(device), self.real.to(device), masks[0], masks[1], self.indices)


class PlainLoader:
    """Random pairs of unpaired images.

    Args:
        synthetic, real: the sets.
        size: side of the images in pixels.
        batch: images of each domain.
        enlarge: factor before the random crop to ``size``; 1 crops nothing.
        masks: whether masks come along (a filled box for every real one: only its cost counts).
        flip: whether to mirror half of the images.
    """

    def __init__(
        self, synthetic: ImageSet, real: ImageSet, size: int, batch: int, *, enlarge: float, masks: bool, flip: bool
    ) -> None:
        self.sets, self.size, self.batch = (synthetic, real), size, batch
        self.large, self.masks, self.flip = round(size * enlarge), masks, flip
        self.random = np.random.default_rng(3)

    def __call__(self) -> PlainBatch:
        """Decode one batch."""
        drawn = [[int(self.random.integers(len(data))) for _ in range(self.batch)] for data in self.sets]
        domains = [[self._one(data, index) for index in chosen] for data, chosen in zip(self.sets, drawn, strict=True)]
        images = [torch.stack([image for image, _ in made]) for made in domains]
        masks = [torch.stack([mask for _, mask in made]) if self.masks else None for made in domains]
        return PlainBatch(images[0], images[1], masks[0], masks[1], drawn[0])

    def _one(self, data: ImageSet, index: int) -> tuple[Tensor, Tensor]:
        record = data.records[index]
        with Image.open(record.path) as opened:
            image = opened.convert("RGB")
        mask = Image.new("L", image.size)
        if self.masks:
            with Image.open(record.label_path("foreground")) as opened:
                mask = opened.convert("L")
        if image.size != (self.large, self.large):
            image = image.resize((self.large, self.large), Image.Resampling.BICUBIC)
            mask = mask.resize((self.large, self.large), Image.Resampling.NEAREST)
        left, top = (int(self.random.integers(self.large - self.size + 1)) for _ in range(2))
        box = (left, top, left + self.size, top + self.size)
        image, mask = image.crop(box), mask.crop(box)
        if self.flip and self.random.random() < 0.5:
            image, mask = (x.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for x in (image, mask))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return pixels.sub(0.5).div(0.5), torch.from_numpy(np.array(mask) > 127).float()[None]
