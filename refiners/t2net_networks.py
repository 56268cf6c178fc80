"""T2Net's translator and its two discriminators (Zheng et al. 2018, arXiv 1808.01454), as the published code has them.

Each network has ONE parametric ReLU, a single learnt slope that all its layers share, so blocks are handed the
activation. Convolutions in front of batch normalisation have no bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.padding import reflect
from refiners.image_head import ImageHead
from refiners.networks import to_multiple


class T2NetTranslator(nn.Module):
    """Synthetic or real image to real image: convolutions with average pooling, residual blocks, a way up, tanh.

    With the defaults 3,121,220 parameters, as published.

    Args:
        width: channels at full resolution; twice as many below.
        n_blocks: residual blocks at a quarter of the resolution (the published 9 layers are 7 blocks).
        residual: ours, for short runs: the output is the input plus a change that starts at 0, and the last convolution
            sees the input beside the features; values are clamped to [-1, 1].
    """

    multiple = 4

    def __init__(self, width: int = 64, n_blocks: int = 7, *, residual: bool = False) -> None:
        super().__init__()
        wide, self.residual = 2 * width, residual
        self.activation = nn.PReLU()
        self.stem, self.stem_norm = nn.Conv2d(3, width, 7, bias=False), nn.BatchNorm2d(width)
        self.down = nn.ModuleList([_Pair(width, wide), _Pair(wide, wide)])
        self.blocks = nn.ModuleList(_Residual(wide) for _ in range(n_blocks))
        self.up = nn.ModuleList([_Up(wide, wide), _Up(wide, width)])
        self.head = ImageHead(width + 3 * residual, 3, 7)
        initialise(self)
        if residual:
            nn.init.zeros_(self.head.weight)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to the same, float32; any size (the border is reflected to multiples of 4)."""
        height, width = image.shape[-2:]
        image, act = to_multiple(image, self.multiple), self.activation
        x = act(self.stem_norm(self.stem(reflected(image, 3))))
        for block in self.down:
            x = F.avg_pool2d(block(x, act), 2)
        for block in [*self.blocks, *self.up]:
            x = block(x, act)
        if self.residual:
            out: Tensor = (image + self.head(reflected(torch.cat([x, image], 1), 3)).float()).clamp(-1, 1)
        else:
            out = torch.tanh(self.head(reflected(x, 3)).float())
        return out[..., :height, :width]


class ImageDiscriminator(nn.Module):
    """Real or translated, one logit a patch: 4x4 convolutions, the first ``n_layers`` of stride 2.

    With the defaults 2,765,570 parameters, as published; 640x192 pixels give 78x22 logits.
    """

    def __init__(self, ndf: int = 64, n_layers: int = 3) -> None:
        super().__init__()
        self.activation = nn.PReLU()
        wide = [ndf * min(2**k, 8) for k in range(n_layers + 1)]
        strides = [2] * n_layers + [1]
        self.layers = nn.ModuleList(
            nn.Conv2d(narrow, channels, 4, stride, 1, bias=False)
            for narrow, channels, stride in zip([3, *wide], wide, strides, strict=False)
        )
        self.norms = nn.ModuleList([nn.Identity(), *(nn.BatchNorm2d(channels) for channels in wide[1:])])
        self.head = nn.Conv2d(wide[-1], 1, 4, 1, 1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to logits (N, 1, h, w), float32; at least 24x24 pixels with three layers."""
        x = image
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = self.activation(norm(layer(x)))
        logits: Tensor = self.head(x)
        return logits.float()


class FeatureDiscriminator(nn.Module):
    """Features of a real or of a translated image: three linear layers.

    Args:
        inputs: values of one image's features; the published code has 512 * 40 * 12 of 640x192 pixels written into it,
            which other sizes break. With those, 126,092,802 parameters, as published.
        width: of the hidden layers.
    """

    def __init__(self, inputs: int, width: int = 512) -> None:
        super().__init__()
        self.activation = nn.PReLU()
        self.layers = nn.ModuleList([nn.Linear(inputs, width), nn.Linear(width, width)])
        self.head = nn.Linear(width, 1)
        initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) or (N, C, h, w) with ``inputs`` values each, to logits (N, 1), float32."""
        x = features.flatten(1)
        for layer in self.layers:
            x = self.activation(layer(x))
        logits: Tensor = self.head(x)
        return logits.float()


class _Pair(nn.Module):
    """Two 3x3 convolutions with batch normalisation and activation."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(narrow, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)
        self.second, self.second_norm = nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        x = activation(self.first_norm(self.first(x)))
        out: Tensor = activation(self.second_norm(self.second(x)))
        return out


class _Residual(nn.Module):
    """Two reflection-padded 3x3 convolutions with batch normalisation, added to their input, then the activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(channels, channels, 3, bias=False), nn.BatchNorm2d(channels)
        self.second, self.second_norm = nn.Conv2d(channels, channels, 3, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        change = activation(self.first_norm(self.first(reflected(x, 1))))
        out: Tensor = activation(x + self.second_norm(self.second(reflected(change, 1))))
        return out


class _Up(nn.Module):
    """A 3x3 convolution and a transposed one of stride 2, with batch normalisation and activation."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(wide, wide, 3, bias=False), nn.BatchNorm2d(wide)
        self.up, self.up_norm = nn.ConvTranspose2d(wide, narrow, 3, 2, 1, 1), nn.BatchNorm2d(narrow)

    def forward(self, x: Tensor, activation: nn.Module) -> Tensor:
        x = activation(self.first_norm(self.first(reflected(x, 1))))
        out: Tensor = activation(self.up_norm(self.up(x)))
        return out


def reflected(x: Tensor, by: int) -> Tensor:
    """(N, C, H, W) with ``by`` pixels of reflected border on every side."""
    return reflect(x, by)


def initialise(network: nn.Module) -> None:
    """He's normal initialisation by fan-in, biases 0, from torch's global generator."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, a=0, mode="fan_in")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
