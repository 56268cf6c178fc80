"""The loss of class and orientation (Bousmalis et al. 2017, PixelDA, equation 5; Bousmalis et al. 2016, DSN)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

EPSILON = 1e-4
"""Added inside the logarithm, as in PixelDA's code: a perfect prediction costs log(EPSILON), not minus infinity.

It also bounds the gradient: by 1 / EPSILON for an exact prediction, where the paper's formula has none.
"""


def classification_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Mean cross-entropy of (B, K) logits to (B,) class indices."""
    return functional.cross_entropy(logits, classes)


def orientation_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of log(EPSILON + 1 - abs(q . p)), for two (B, 4) unit quaternions; within [-9.21, 0.0001].

    A quaternion and its negative are the same orientation, hence the absolute value.
    """
    alignment = (predicted * target).sum(1).abs().clamp(max=1)
    return (1 - alignment + EPSILON).log().mean()
