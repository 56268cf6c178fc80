"""T2Net's depth network: a U-Net with dilated residual blocks that predicts depth at four scales.

Zheng et al. 2018 (arXiv 1808.01454), with the layers of the authors' published code: batch normalisation, no biases in
front of it, and ONE parametric ReLU, that is one learnt slope, for the whole network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.padding import reflect

DILATIONS = (1, 3, 5)
SCALES = 4


class T2NetUNet(nn.Module):
    """Images to depth at 1/8, 1/4, 1/2 and the full size.

    With three input channels and ``width`` 64 it has 54,564,676 parameters, as the published network.

    Args:
        channels: of the input.
        width: channels of the first convolution; the published network has 64. Even.
        skip_weight: how much the skip connections count: this at 1/8, half of it at 1/4, a tenth of it at 1/2.
    """

    multiple = 16

    def __init__(self, channels: int = 3, width: int = 64, skip_weight: float = 0.1) -> None:
        super().__init__()
        w, self.skip_weights = width, (skip_weight, skip_weight * 0.5, skip_weight * 0.1)
        self.activation = nn.PReLU()
        self.stem = nn.Conv2d(channels, w, 7, bias=False)
        self.stem_norm = nn.BatchNorm2d(w)
        self.encoder = nn.ModuleList(EncoderBlock(w * 2**k, w * 2 ** (k + 1)) for k in range(3))
        self.center = nn.ModuleList(InceptionBlock(8 * w) for _ in range(3))
        self.center_up = UpBlock(8 * w, 8 * w, 4 * w)
        self.decoder = nn.ModuleList(
            [UpBlock(8 * w, 8 * w, 2 * w), UpBlock(4 * w + 1, 4 * w, w), UpBlock(2 * w + 1, 2 * w, w // 2)]
        )
        self.heads = nn.ModuleList(
            [Head(8 * w, 3), Head(4 * w + 1, 3), Head(2 * w + 1, 3), Head(w // 2 + 1, 7)]
        )
        initialise(self)

    def encode(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W), sides multiples of 16, to maps at 1/2, 1/4, 1/8 and 1/16; the last is the bottleneck."""
        act = self.activation
        maps = [F.avg_pool2d(act(self.stem_norm(self.stem(padded(images, 3)))), 2)]
        for block in self.encoder:
            maps.append(F.avg_pool2d(block(maps[-1], act), 2))
        return maps

    def decode(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What `encode` returned to depth in [-1, 1], four maps (B, 1, h, w) from coarse to fine."""
        act, out = self.activation, maps[-1]
        for block in self.center:
            out = block(out, act)
        out = self.center_up(out, act)
        depths: list[Tensor] = []
        for k, head in enumerate(self.heads):
            parts = [out]
            if k < len(self.decoder):
                parts.append(maps[2 - k] * self.skip_weights[k])
            if depths:
                parts.append(F.interpolate(depths[-1], scale_factor=2.0, mode="nearest"))
            joined = torch.cat(parts, 1)
            depths.append(head(joined))
            if k < len(self.decoder):
                out = self.decoder[k](joined, act)
        return depths

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) in [-1, 1], sides multiples of 16, to what `decode` returns."""
        return self.decode(self.encode(images))


class EncoderBlock(nn.Module):
    """Two 3x3 convolutions, each with batch normalisation and activation."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(channels, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)
        self.second, self.second_norm = nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        """(B, channels, H, W) to (B, wide, H, W)."""
        x = activation(self.first_norm(self.first(x)))
        out: Tensor = activation(self.second_norm(self.second(x)))
        return out


class InceptionBlock(nn.Module):
    """A residual block of three parallel dilated 3x3 convolutions and one that joins them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, dilation=dilation, bias=False) for dilation in DILATIONS
        )
        self.norm = nn.BatchNorm2d(channels * len(DILATIONS))
        self.join = nn.Conv2d(channels * len(DILATIONS), channels, 3, bias=False)
        self.join_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        """(B, channels, H, W) to the same."""
        pairs = zip(self.branches, DILATIONS, strict=True)
        wide = activation(self.norm(torch.cat([branch(padded(x, dilation)) for branch, dilation in pairs], 1)))
        out: Tensor = activation(self.join_norm(self.join(padded(wide, 1))) + x)
        return out


class UpBlock(nn.Module):
    """A 3x3 convolution and a transposed one that doubles the size, each with batch normalisation and activation."""

    def __init__(self, channels: int, middle: int, narrow: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(channels, middle, 3, bias=False), nn.BatchNorm2d(middle)
        # The published code leaves this one's bias on, though normalisation takes it away again.
        self.up, self.up_norm = nn.ConvTranspose2d(middle, narrow, 3, 2, 1, 1), nn.BatchNorm2d(narrow)

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        """(B, channels, H, W) to (B, narrow, 2 H, 2 W)."""
        x = activation(self.first_norm(self.first(padded(x, 1))))
        out: Tensor = activation(self.up_norm(self.up(x)))
        return out


class Head(nn.Module):
    """Depth in [-1, 1] from features: one convolution and tanh."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.kernel, self.convolution = kernel, nn.Conv2d(channels, 1, kernel, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, 1, H, W), float32."""
        return torch.tanh(self.convolution(padded(x, self.kernel // 2)).float())


def padded(x: Tensor, by: int) -> Tensor:
    """Reflect the border; repeat it where the map is too small to reflect (the bottleneck of small images)."""
    return reflect(x, by) if min(x.shape[-2:]) > by else F.pad(x, (by, by, by, by), mode="replicate")


def initialise(module: nn.Module) -> None:
    """He's normal initialisation by fan-in for convolutions, biases 0, from torch's global generator.

    The published code also draws the scales of batch normalisation from an interval whose ends are the wrong way round,
    which today's torch refuses; they start at 1 here.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, a=0, mode="fan_in")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
