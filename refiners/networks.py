"""Networks that the translating refiners share: the ResNet generator and the patch discriminator of CycleGAN.

Both follow Zhu et al. 2017 (arXiv 1703.10593, appendix 7.2) as its reference implementation builds them. Instance
normalisation has no running statistics here, so training and evaluation modes compute the same: there is no
"inference mode" to get wrong.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refiners.image_head import ImageHead

Upsampling = Literal["transposed", "resize"]


class NormalisedConv2d(nn.Conv2d):
    """A convolution in front of instance normalisation, which takes its bias away again.

    On a GPU the bias is not added: that, and its gradient, are two passes over the image for nothing. On a CPU it is,
    as it always was here, down to the rounding.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return self._conv_forward(input, self.weight, None if input.is_cuda else self.bias)


class NormalisedConvTranspose2d(nn.ConvTranspose2d):
    """The same for a transposed convolution of stride 2 that doubles height and width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, 2, 1, output_padding=1)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, C, H, W) to (N, C', 2 H, 2 W)."""
        bias = None if input.is_cuda else self.bias
        return F.conv_transpose2d(input, self.weight, bias, stride=2, padding=1, output_padding=1)


class ResidualBlock(nn.Module):
    """Two reflection-padded 3x3 convolutions with instance normalisation, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            NormalisedConv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            NormalisedConv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        out: Tensor = x + self.layers(x)
        return out


class ResnetGenerator(nn.Module):
    """Image to image: 7x7 convolution, stride-2 convolutions, residual blocks, transposed convolutions, 7x7, tanh.

    Args:
        ngf: channels at full resolution, doubled at every downsampling.
        n_blocks: residual blocks at the lowest resolution.
        n_downsampling: halvings of the resolution.
        residual: ours, for short runs: the output is the input plus a change, and the last convolution sees the input
            beside the features. It starts near the identity, and a blur or a colour shift is one layer away, so that a
            few hundred steps on a CPU are worth something. Values are clamped to [-1, 1].
        noise: ours: a noise strength per pixel and channel is predicted too, and `forward` adds that much of the
            standard normal noise that it is given. A function without a random input cannot learn sensor noise.
        upsampling: "transposed" convolutions as CycleGAN has them, or "resize": bilinear enlargement in front of plain
            3x3 convolutions, which cannot leave a checkerboard (Odena, Dumoulin and Olah 2016). As many parameters.

    With the defaults: 11,378,179 parameters, as the reference implementation.
    """

    def __init__(
        self, ngf: int = 64, n_blocks: int = 9, n_downsampling: int = 2, *, residual: bool = False,
        noise: bool = False, upsampling: Upsampling = "transposed",
    ) -> None:  # fmt: skip
        super().__init__()
        self.residual, self.noise, self.multiple = residual, noise, 2**n_downsampling
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3), NormalisedConv2d(3, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU(True)
        ]  # fmt: skip
        for k in range(n_downsampling):
            wide = ngf * 2 ** (k + 1)
            layers += [NormalisedConv2d(wide // 2, wide, 3, 2, 1), nn.InstanceNorm2d(wide), nn.ReLU(True)]
        layers += [ResidualBlock(ngf * self.multiple) for _ in range(n_blocks)]
        for k in reversed(range(n_downsampling)):
            narrow = ngf * 2**k
            layers += [*_doubled(2 * narrow, narrow, upsampling), nn.InstanceNorm2d(narrow), nn.ReLU(True)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.ReflectionPad2d(3), ImageHead(ngf + 3 * residual, 3 * (1 + noise), 7)
        )

    def forward(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Translate.

        Args:
            image: (N, 3, H, W) in [-1, 1]; H and W multiples of ``2 ** n_downsampling``.
            noise: (N, 3, H, W), standard normal; None adds none (as for reconstructions and identities).

        Returns:
            (N, 3, H, W) in [-1, 1].
        """
        return self.finish(self.body(image), image, noise)

    def finish(self, features: Tensor, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """The second half of `forward`, from what ``body`` made of ``image``."""
        out = self.head(torch.cat([features, image], 1) if self.residual else features).float()
        change, strength = out.chunk(2, 1) if self.noise else (out, None)
        if not self.residual and strength is None:
            return torch.tanh(change)
        result = image + change if self.residual else torch.tanh(change)
        if noise is not None and strength is not None:
            # softplus(-4) = 0.018: training starts with noise of one per cent of the value range.
            result = result + noise * F.softplus(strength - 4)
        return result.clamp(-1, 1)


def _doubled(inputs: int, outputs: int, upsampling: Upsampling) -> list[nn.Module]:
    """Layers that double height and width."""
    if upsampling == "transposed":
        return [NormalisedConvTranspose2d(inputs, outputs)]
    enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return [enlarge, nn.ReflectionPad2d(1), NormalisedConv2d(inputs, outputs, 3)]


class PatchDiscriminator(nn.Module):
    """Real or refined, one logit a patch: 4x4 convolutions, the first ``n_layers`` of stride 2, leaky ReLU.

    With the defaults each logit sees 70x70 pixels and there are 2,764,737 parameters, as the reference implementation.
    """

    def __init__(self, ndf: int = 64, n_layers: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, ndf, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        channels = ndf
        for k in range(1, n_layers + 1):
            wide = ndf * min(2**k, 8)
            stride = 2 if k < n_layers else 1
            layers += [NormalisedConv2d(channels, wide, 4, stride, 1), nn.InstanceNorm2d(wide), nn.LeakyReLU(0.2, True)]
            channels = wide
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 4, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] to logits (N, 1, h, w); at least 32x32 pixels with three layers."""
        logits: Tensor = self.layers(image)
        return logits.float()


def initialise(*networks: nn.Module) -> None:
    """Draw every convolution's weights from N(0, 0.02) and set its bias to 0, from torch's global generator."""
    for network in networks:
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad right and bottom by reflection until height and width divide by ``multiple`` (crop the result back)."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="reflect")
