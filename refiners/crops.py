"""Unpaired training batches: synthetic and real images, enlarged, cropped at random, with masks where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Context
from bench.distributed import part
from bench.frames import DeviceRows, to_device
from bench.samples import U8, ImageSet
from bench.spool import Rows, spooled
from bench.training import Batches, step_generator

Mask = NDArray[np.bool_]


def to_tensor(images: U8, device: str) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device).float() / 127.5 - 1


def to_image(tensor: Tensor) -> U8:
    """(3, H, W) in [-1, 1] to (H, W, 3) uint8, rounded to nearest."""
    values = ((tensor.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(values.permute(1, 2, 0).cpu().numpy())


def resized(images: ImageSet, height: int, width: int) -> Rows:
    """Every image of a set at one size, (N, height, width, 3) uint8, bicubic where it differs."""

    def one(index: int) -> U8:
        image = images.image(index)
        if image.shape[:2] == (height, width):
            return image
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))

    return spooled(len(images), (height, width, 3), np.uint8, one)


@dataclass(frozen=True)
class Batch:
    """One step's images, (N, 3, S, S) in [-1, 1], and foreground masks, (N, 1, S, S) of 0 and 1, or None."""

    synthetic: Tensor
    real: Tensor
    synthetic_mask: Tensor | None = None
    real_mask: Tensor | None = None


class UnpairedCrops:
    """Random crops of both domains as a pure function of the step.

    Args:
        synthetic, real: (N, H, W, 3) and (M, H, W, 3) uint8, the same H and W.
        synthetic_masks, real_masks: (N, H, W) and (M, H, W) bool, or None.
        batch_size: images of each domain a step.
        resize: images are enlarged by this factor before the crop (the paper: 286 / 256).
        crop: side of the crop in pixels after enlarging; at most the images' shorter side, and rounded down to
            ``multiple``.
        flip: whether images are mirrored half of the time.
        context: seed and device.
    """

    def __init__(
        self,
        synthetic: Rows,
        real: Rows,
        synthetic_masks: Rows | None,
        real_masks: Rows | None,
        *,
        batch_size: int,
        resize: float,
        crop: int,
        multiple: int,
        flip: bool,
        context: Context,
    ) -> None:
        self._images = {name: DeviceRows(v, context.device) for name, v in (("synthetic", synthetic), ("real", real))}
        self._masks = {
            name: None if v is None else DeviceRows(v, context.device)
            for name, v in (("synthetic", synthetic_masks), ("real", real_masks))
        }
        self._batches = {name: Batches(len(v), batch_size, context.seed, name) for name, v in self._images.items()}
        self._large = round(synthetic.shape[1] * resize), round(synthetic.shape[2] * resize)
        self._side = min(crop, *self._large) // multiple * multiple
        self._flip, self._context = flip, context

    def __call__(self, step: int) -> Batch:
        """The batch of step ``step``."""
        random = step_generator(self._context.seed, "crops", step)
        synthetic, synthetic_mask = self._domain("synthetic", step, random)
        real, real_mask = self._domain("real", step, random)
        return Batch(synthetic, real, synthetic_mask, real_mask)

    def _domain(self, name: str, step: int, random: np.random.Generator) -> tuple[Tensor, Tensor | None]:
        chosen, masks = self._batches[name].indices(step), self._masks[name]
        places = [self._place(random) for _ in chosen]
        mine = part(self._context, len(chosen))
        chosen, where = chosen[mine], self._positions(places[mine])
        images = self._images[name][chosen].permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
        image = cut(self._enlarged(images, "bilinear"), *where)
        if masks is None:
            return image, None
        return image, cut(self._enlarged(masks[chosen][:, None].float(), "nearest"), *where)

    def _enlarged(self, images: Tensor, mode: str) -> Tensor:
        if tuple(images.shape[-2:]) == self._large:
            return images
        options: dict[str, Any] = {"align_corners": False} if mode == "bilinear" else {}
        return F.interpolate(images, self._large, mode=mode, **options)

    def _place(self, random: np.random.Generator) -> tuple[int, int, bool]:
        top = int(random.integers(self._large[0] - self._side + 1))
        left = int(random.integers(self._large[1] - self._side + 1))
        return top, left, self._flip and bool(random.random() < 0.5)

    def _positions(self, places: Sequence[tuple[int, int, bool]]) -> tuple[Tensor, Tensor]:
        """Rows and columns of every crop, (N, side) each; mirrored ones count down."""
        across = np.arange(self._side)
        rows = np.stack([top + across for top, _, _ in places])
        columns = np.stack([left + (across[::-1] if mirrored else across) for _, left, mirrored in places])
        return to_device(rows, self._context.device), to_device(columns, self._context.device)


def cut(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, h, w): of image n the rows ``rows[n]`` and the columns ``columns[n]``, all at once."""
    count, channels = images.shape[:2]
    n = torch.arange(count, device=images.device)[:, None, None, None]
    c = torch.arange(channels, device=images.device)[None, :, None, None]
    return images[n, c, rows[:, None, :, None], columns[:, None, None, :]]
