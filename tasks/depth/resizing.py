"""Images of any size through networks that halve them several times."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def to_multiple(images: Tensor, multiple: int) -> Tensor:
    """(B, C, H, W) at the nearest size whose sides ``multiple`` divides; bilinear where that is another size."""
    height, width = images.shape[-2:]
    size = tuple(max(1, round(side / multiple)) * multiple for side in (height, width))
    return images if size == (height, width) else F.interpolate(images, size, mode="bilinear", align_corners=False)


def to_size(maps: Tensor, height: int, width: int) -> Tensor:
    """(B, C, h, w) at (height, width); bilinear where that is another size."""
    if maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
