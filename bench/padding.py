"""Reflected borders that leave an image in the memory layout it has.

torch's own reflection on CUDA copies channels-last tensors into contiguous ones, and back for the next convolution, in
both directions; for large maps that is most of what it costs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LARGE = 2**21
"""Values from which on the copies cost more than the few small kernels that avoid them."""


def reflect(x: Tensor, by: int) -> Tensor:
    """(N, C, H, W) with ``by`` pixels of reflected border on every side; ``by`` less than H and W."""
    if x.is_cuda and x.numel() >= LARGE and x.is_contiguous(memory_format=torch.channels_last):
        out: Tensor = ChannelsLastReflection.apply(x, by)
        return out
    return F.pad(x, (by, by, by, by), mode="reflect")


@cache
def _positions(height: int, width: int, by: int, device: torch.device) -> Tensor:
    """Where each pixel of the padded image comes from, as an index into the H W pixels."""
    rows, columns = (_mirrored(side, by) for side in (height, width))
    return (rows[:, None] * width + columns[None, :]).flatten().to(device)


def _mirrored(side: int, by: int) -> Tensor:
    place = torch.arange(-by, side + by).abs()
    return torch.where(place < side, place, 2 * (side - 1) - place)


class ChannelsLastReflection(torch.autograd.Function):
    """`reflect` of a channels-last tensor, on pixels that are rows of C values."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, by: int) -> Tensor:
        """(N, C, H, W) to (N, C, H + 2 by, W + 2 by), both channels last."""
        count, channels, height, width = x.shape
        ctx.by = by
        pixels = x.permute(0, 2, 3, 1).reshape(count, height * width, channels)
        padded = pixels.index_select(1, _positions(height, width, by, x.device))
        return padded.view(count, height + 2 * by, width + 2 * by, channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Fold the border back: first rows, then columns."""
        by = ctx.by
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        rows = _folded(gradient, by, 2)
        return _folded(rows, by, 3).contiguous(memory_format=torch.channels_last), None


def _folded(gradient: Tensor, by: int, dim: int) -> Tensor:
    """One dimension without its border, whose values are added to the pixels that they mirror."""
    side = gradient.shape[dim] - 2 * by
    inner = gradient.narrow(dim, by, side).clone(memory_format=torch.channels_last)
    inner.narrow(dim, 1, by).add_(gradient.narrow(dim, 0, by).flip(dim))
    inner.narrow(dim, side - 1 - by, by).add_(gradient.narrow(dim, side + by, by).flip(dim))
    return inner
