"""Depth maps that are smooth where the image is (Godard et al. 2017, arXiv 1609.03677, equation 3; T2Net's loss 5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def edge_aware_smoothness_loss(depths: Sequence[Tensor], image: Tensor) -> Tensor:
    """How much depth changes where the image does not.

    With d_0 the coarsest of the maps and I_i the image at the size of d_i:

        L = sum over i of 2^-i * (mean |dx d_i| exp(-mean over channels |dx I_i|) + the same in y)

    Args:
        depths: maps (B, 1, h, w) from coarse to fine.
        image: (B, C, H, W) in [-1, 1]; made smaller by averaging.

    Returns:
        A scalar.
    """
    total = []
    for i, depth in enumerate(depths):
        scaled = F.adaptive_avg_pool2d(image, (depth.shape[-2], depth.shape[-1]))
        total.append(sum(_along(depth, scaled, axis) for axis in (-1, -2)) / 2**i)
    return torch.stack(total).sum()


def _along(depth: Tensor, image: Tensor, axis: int) -> Tensor:
    edges = image.diff(dim=axis).abs().mean(1, keepdim=True)
    return (depth.diff(dim=axis).abs() * torch.exp(-edges)).mean()
