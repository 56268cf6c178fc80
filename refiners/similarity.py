"""PixelDA's content loss, a masked pairwise squared error (Bousmalis et al. 2017, arXiv 1612.05424, section 3.2)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Reduction = Literal["mean", "published"]


def masked_pairwise_loss(output: Tensor, source: Tensor, mask: Tensor, reduction: Reduction = "mean") -> Tensor:
    """How much differences *between* foreground values change; a uniform shift of the foreground costs little.

    With d = source - output, the mask m and k values an image:

        L = ||d * m||^2 / k - (d . m)^2 / k^2

    which is the mean over all pairs of values of ((d m)_i - (d m)_j)^2 / 2. The formula needs d and m of equal length
    k, so k counts all values of an image, H * W * C (the published code does too), never the masked ones alone.

    Args:
        output, source: (B, C, H, W) in [-1, 1].
        mask: (B, 1, H, W), 1 on the foreground, 0 elsewhere.
        reduction: "mean" averages the formula over the batch, as the paper's expectation does. "published" is what the
            paper's code computes: twice the formula, summed over the batch (2 B times as much).

    Returns:
        A scalar, at least 0.
    """
    difference = ((source - output) * mask).flatten(1)
    loss = difference.square().mean(1) - difference.mean(1).square()
    return 2 * loss.sum() if reduction == "published" else loss.mean()
