"""Hue as a differentiable, circular quantity, and the loss of Wang et al. 2019 (arXiv 1904.12294) on it.

Hue is undefined at grey and its gradient grows as one over the chroma on the way there. Every pixel is therefore
weighted by the smaller of both images' chroma, taken as a constant: grey pixels carry no gradient, the gradient of a
coloured pixel is bounded by 1/6 of a turn per unit of colour (black to white), and because the weight is a constant
nothing is won by turning grey.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hue(image: Tensor) -> Tensor:
    """Hue of the hexagonal HSV model, in turns [0, 1).

    Args:
        image: (N, 3, H, W), any range: hue does not change under a shift or positive scale of all channels.

    Returns:
        (N, 1, H, W); 0 with zero gradient at exact grey.
    """
    high = image.amax(1, keepdim=True)
    low = image.amin(1, keepdim=True)
    span = high - low
    # The inner `where` keeps the division finite: a NaN in the branch not taken would still reach the gradient.
    safe = torch.where(span > 0, span, torch.ones_like(span))
    red, green, blue = image[:, 0:1], image[:, 1:2], image[:, 2:3]
    sector = torch.where(
        red == high,
        (green - blue) / safe,
        torch.where(green == high, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return torch.where(span > 0, torch.remainder(sector / 6, 1.0), torch.zeros_like(span))


def chroma(image: Tensor) -> Tensor:
    """Largest minus smallest channel, (N, 1, H, W), in [0, 1] for an image in [-1, 1]."""
    return (image.amax(1, keepdim=True) - image.amin(1, keepdim=True)) / 2


def hue_difference(first: Tensor, second: Tensor) -> Tensor:
    """Shortest way round the circle between two hues in turns: 0.98 and 0.02 are 0.04 apart; at most 0.5."""
    difference = (first - second).abs()
    return torch.minimum(difference, 1 - difference)


def hue_weight(output: Tensor, source: Tensor) -> Tensor:
    """The smaller chroma of both images per pixel, (N, 1, H, W), without gradient."""
    return torch.minimum(chroma(output), chroma(source)).detach()


def masked_hue_loss(
    output: Tensor, source: Tensor, mask: Tensor, norm: str = "l1", weight: Tensor | None = None
) -> Tensor:
    """Change of hue inside a mask, chroma-weighted: sum of m w |dh| (or m w dh^2) over the mask's number of pixels.

    Args:
        output, source: (N, 3, H, W) in [-1, 1].
        mask: (N, 1, H, W) of 0 and 1.
        norm: "l1" or "l2" (the mean square; no root).
        weight: (N, 1, H, W); by default `hue_weight`.

    Returns:
        A scalar in turns (l2: turns squared) times chroma; 0 where the mask is empty.
    """
    weight = hue_weight(output, source) if weight is None else weight
    difference = hue_difference(hue(output), hue(source))
    size = difference if norm == "l1" else difference.square()
    return (size * mask * weight).sum() / mask.sum().clamp(min=1)
