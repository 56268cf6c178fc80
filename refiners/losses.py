"""Losses that the translating refiners share; all images are (N, 3, H, W) in [-1, 1]."""

from __future__ import annotations

from torch import Tensor


def generator_adversarial_loss(refined_logits: Tensor) -> Tensor:
    """Least-squares GAN, the generator's side: mean (D(G(x)) - 1)^2 (Mao et al. 2017, arXiv 1611.04076, equation 9)."""
    return (refined_logits - 1).square().mean()


def discriminator_adversarial_loss(real_logits: Tensor, refined_logits: Tensor) -> Tensor:
    """Least-squares GAN, the discriminator's side: half of mean (D(y) - 1)^2 + mean D(G(x))^2 (same equation)."""
    return 0.5 * ((real_logits - 1).square().mean() + refined_logits.square().mean())


def cycle_consistency_loss(reconstructed: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference of F(G(x)) and x (Zhu et al. 2017, equation 2)."""
    return (reconstructed - image).abs().mean()


def identity_loss(translated: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference of G(y) and y for y already in G's target domain (Zhu et al. 2017, section 5.2)."""
    return (translated - image).abs().mean()


def masked_colour_loss(output: Tensor, source: Tensor, mask: Tensor, norm: str = "l1") -> Tensor:
    """Change of colour inside a mask: sum of m |d| (or m d^2) over pixels and channels, over the mask's size.

    Args:
        output, source: (N, 3, H, W).
        mask: (N, 1, H, W) of 0 and 1.
        norm: "l1" or "l2" (the mean square; no root).

    Returns:
        A scalar; 0 where the mask is empty.
    """
    difference = output - source
    size = difference.abs() if norm == "l1" else difference.square()
    return (size * mask).sum() / (mask.sum() * output.shape[1]).clamp(min=1)
