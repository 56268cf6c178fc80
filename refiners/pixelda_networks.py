"""Generator and discriminator of PixelDA (Bousmalis et al. 2017, arXiv 1612.05424) as its published code builds them.

Batch normalisation has a learnt scale here; the published code's library leaves it out by default.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refiners.adaptation import blend

EPSILON, MOMENTUM = 1e-3, 0.1
"""Of batch normalisation; the published code's decay of .9 is a momentum of .1 here."""


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, EPSILON, MOMENTUM)


class NormalisedBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to their input; no ReLU after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), _norm(channels), nn.ReLU(True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), _norm(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        out: Tensor = x + self.layers(x)
        return out


class NoiseGenerator(nn.Module):
    """Image and noise vector to image: the noise becomes one more input channel of a residual network.

    A fully connected layer makes a value a pixel of the noise vector, so a network is made for one image size.

    Args:
        channels: of the image, 3 or (with depth) 4.
        size: (height, width) in pixels.
        noise_dim: length of the noise vector.
        ngf: channels of the residual blocks.
        n_blocks: residual blocks.
        n_downsampling: ours, for CPUs: halvings of the resolution in front of the blocks, each doubling the channels;
            what they make is enlarged again and added to the features of full resolution. The paper has 0.
        residual: ours, for short runs: the result is blended over the input (`refiners.adaptation.blend`).

    With the paper's sizes (64x64 pixels, 4 channels): 496,260 parameters.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        noise_dim: int = 10,
        ngf: int = 64,
        n_blocks: int = 6,
        *,
        n_downsampling: int = 0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.size, self.noise_dim, self.residual = channels, size, noise_dim, residual
        pixels = size[0] * size[1]
        self.noise = nn.Sequential(
            nn.Linear(noise_dim, pixels, bias=False), nn.BatchNorm1d(pixels, EPSILON, MOMENTUM), nn.ReLU(True)
        )
        self.stem = nn.Sequential(nn.Conv2d(channels + 1, ngf, 3, 1, 1), nn.ReLU(True))
        layers: list[nn.Module] = []
        for k in range(n_downsampling):
            narrow = ngf * 2**k
            layers += [nn.Conv2d(narrow, 2 * narrow, 3, 2, 1, bias=False), _norm(2 * narrow), nn.ReLU(True)]
        layers += [NormalisedBlock(ngf * 2**n_downsampling) for _ in range(n_blocks)]
        for k in reversed(range(n_downsampling)):
            narrow = ngf * 2**k
            layers += [nn.Conv2d(2 * narrow, narrow, 3, 1, 1, bias=False), _norm(narrow), nn.ReLU(True)]
            layers += [nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)]
        self.body = nn.Sequential(*layers)
        self.skip = n_downsampling > 0
        self.head = nn.Conv2d(ngf, channels + residual, 1)
        _initialise(self)

    def forward(self, image: Tensor, noise: Tensor) -> Tensor:
        """Translate (B, C, H, W) in [-1, 1] with noise (B, noise_dim) in [-1, 1]; the result is in [-1, 1]."""
        plane = self.noise(noise).view(len(image), 1, *self.size)
        features = self.stem(torch.cat([image, plane.to(image.dtype)], 1))
        deep = self.body(features)
        out = self.head(features + deep if self.skip else deep).float()
        return blend(image, out) if self.residual else torch.tanh(out)


class NoisyDiscriminator(nn.Module):
    """Real or adapted, one logit an image: 3x3 convolutions, then stride 2 and twice the channels down to 4 pixels.

    After each leaky ReLU some values are dropped and Gaussian noise is added, so that it cannot win early.
    It is only ever used in training: normalisation is by the statistics of the batch, none are kept.

    Args:
        channels: of the image.
        size: (height, width) in pixels; the stride-2 convolutions go on while there are more than 4 rows.
        ndf: channels of the first convolution.
        first_stride: of the first convolution (the published code's option; 2 is a quarter of the work).
        widest: ours: the channels stop doubling here (the paper's 64-pixel network reaches 1,024).
        keep: share of values that dropout keeps.
        noise: standard deviation of the added noise.

    With the paper's sizes (64x64 pixels, 4 channels): 6,289,473 parameters.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        ndf: int = 64,
        *,
        first_stride: int = 1,
        widest: int = 1024,
        keep: float = 0.9,
        noise: float = 0.2,
    ) -> None:
        super().__init__()
        self.keep, self.noise = keep, noise
        stages: list[nn.Module] = [nn.Sequential(nn.Conv2d(channels, ndf, 3, first_stride, 1), nn.LeakyReLU(0.2, True))]
        width = ndf
        rows, columns = ((side - 1) // first_stride + 1 for side in size)
        while rows > 4:
            wide = min(2 * width, max(widest, ndf))
            stages.append(
                nn.Sequential(
                    nn.Conv2d(width, wide, 3, 2, 1, bias=False),
                    nn.BatchNorm2d(wide, EPSILON, track_running_stats=False),
                    nn.LeakyReLU(0.2, True),
                )
            )
            width, rows, columns = wide, (rows + 1) // 2, (columns + 1) // 2
        self.stages = nn.ModuleList(stages)
        self.logit = nn.Linear(width * rows * columns, 1)
        _initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] to logits (B,), high for real."""
        x = image
        for stage in self.stages:
            x = nn.functional.dropout(stage(x), 1 - self.keep, training=self.training)
            if self.noise:
                x = x + self.noise * torch.randn_like(x)
        logits: Tensor = self.logit(x.flatten(1))
        return logits[:, 0].float()


def _initialise(network: nn.Module) -> None:
    """Weights from N(0, 0.02) and biases 0, from torch's global generator."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
