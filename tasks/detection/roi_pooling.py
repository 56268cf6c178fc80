"""RoIAlign (He et al. 2017) as two small matrix products, which a CPU does far faster than torchvision's kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

LARGEST_MAP = 1024
"""Cells of a feature map up to which the products are used; torchvision's kernel takes over on larger ones."""


class RoIPooling(nn.Module):
    """Pools boxes to ``size`` x ``size`` cells, each the mean of ``samples`` x ``samples`` bilinear samples.

    A bilinear sample is separable, so a cell is ``rows @ map @ columns`` with one row of weights each. The result is
    that of `torchvision.ops.roi_align` (``aligned=False``) within float32 rounding, and so is the gradient.
    """

    def __init__(self, size: int, stride: int, samples: int = 2) -> None:
        super().__init__()
        self.size, self.stride, self.samples = size, stride, samples

    def forward(self, features: Mapping[str, Tensor], boxes: Sequence[Tensor], image_shapes: object) -> Tensor:
        """One map (B, C, H, W) in a mapping, one (R_b, 4) of pixel boxes an image -> (sum of R_b, C, size, size)."""
        (feature,) = features.values()
        height, width = feature.shape[-2:]
        if feature.is_cuda or height * width > LARGEST_MAP:
            kernel: Tensor = roi_align(feature, list(boxes), self.size, 1 / self.stride, self.samples)
            return kernel
        everything = torch.cat(list(boxes)) / self.stride
        rows = self.weights(everything[:, 1], everything[:, 3], height)
        columns = self.weights(everything[:, 0], everything[:, 2], width)
        pooled, start = [], 0
        for image, box in zip(feature, boxes, strict=True):
            row, column = rows[start : start + len(box)], columns[start : start + len(box)]
            start += len(box)
            flat = image.permute(1, 2, 0).reshape(height, -1)
            partial = (row.flatten(0, 1) @ flat).view(len(row), self.size, width, feature.shape[1])
            pooled.append(column[:, None] @ partial)
        return torch.cat(pooled).permute(0, 3, 1, 2)

    def weights(self, start: Tensor, end: Tensor, cells: int) -> Tensor:
        """What each of ``cells`` positions contributes to each pooled cell: (R, size, cells), from spans in cells."""
        extent = (end - start).clamp(min=1)
        offsets = (torch.arange(self.size * self.samples, device=start.device) + 0.5) / (self.size * self.samples)
        points = start[:, None] + extent[:, None] * offsets
        inside = (points >= -1) & (points <= cells)
        distance = points.clamp(0, cells - 1)[..., None] - torch.arange(cells, device=start.device)
        hats = (1 - distance.abs()).clamp(min=0) * inside[..., None]
        return hats.view(len(start), self.size, self.samples, cells).mean(2)
