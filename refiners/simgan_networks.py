"""Refiner and local discriminator of SimGAN (Shrivastava et al. 2017, arXiv 1612.07828) at the paper's sizes for eyes.

Convolutions are padded to keep the size; there is no normalisation, so training and evaluation compute the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refiners.adaptation import blend


class PlainBlock(nn.Module):
    """Two 3x3 convolutions added to their input, and a ReLU after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(True), nn.Conv2d(channels, channels, 3, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return torch.relu(x + self.layers(x))


class RefinerNetwork(nn.Module):
    """Image to image at full resolution: 3x3 convolution, residual blocks, 1x1 convolution, tanh.

    Args:
        channels: of the image, 3 or (with depth) 4; the paper's are grey.
        ngf: channels of the residual blocks.
        n_blocks: residual blocks.
        residual: ours, for short runs: the result is blended over the input (`refiners.adaptation.blend`).

    With the paper's sizes (one grey channel): 296,129 parameters.
    """

    def __init__(self, channels: int, ngf: int = 64, n_blocks: int = 4, *, residual: bool = False) -> None:
        super().__init__()
        self.channels, self.residual = channels, residual
        self.body = nn.Sequential(
            nn.Conv2d(channels, ngf, 3, 1, 1), nn.ReLU(True), *(PlainBlock(ngf) for _ in range(n_blocks))
        )
        self.head = nn.Conv2d(ngf, channels + residual, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Refine (B, C, H, W) in [-1, 1]; the result is in [-1, 1]."""
        out = self.head(self.body(image)).float()
        return blend(image, out) if self.residual else torch.tanh(out)


class LocalDiscriminator(nn.Module):
    """Real or refined, decided for every patch: two convolutions of stride 2, a pooling, three more of stride 1.

    Args:
        channels: of the image.
        widths: channels of the first four convolutions (the paper: 96, 64, 32, 32); a fifth makes the two logits.

    With the paper's sizes (one grey channel): 75,906 parameters; a logit sees 23x23 pixels.
    """

    def __init__(self, channels: int, widths: Sequence[int] = (96, 64, 32, 32)) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.layers = nn.Sequential(
            nn.Conv2d(channels, first, 3, 2, 1), nn.ReLU(True),
            nn.Conv2d(first, second, 3, 2, 1), nn.ReLU(True),
            nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(second, third, 3, 1, 1), nn.ReLU(True),
            nn.Conv2d(third, fourth, 1), nn.ReLU(True),
            nn.Conv2d(fourth, 2, 1),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] to logits (B, 2, h, w): real, refined."""
        logits: Tensor = self.layers(image)
        return logits.float()
