"""PVANET's feature network (Kim et al. 2016, arXiv 1608.08021; Hong et al. 2016, arXiv 1611.08588), version 9.1.

Thin and deep: mirrored ReLUs (mC.ReLU) near the input, Inception blocks above, and a HyperNet feature that joins
three resolutions. Channels, blocks and the stem's stride can be reduced for small images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class PVANETShape:
    """Size of the feature network; the defaults are the paper's.

    Attributes:
        width: multiplies every channel count.
        blocks: residual blocks of conv2, conv3, conv4 and conv5.
        stem_stride: stride of the first convolution.
        stem_pool: whether it is followed by a 3 x 3 pooling of stride 2.
        hyper: channels of the HyperNet feature for the proposals, and of the rest.
    """

    width: float = 1.0
    blocks: tuple[int, int, int, int] = (3, 4, 4, 4)
    stem_stride: int = 2
    stem_pool: bool = True
    hyper: tuple[int, int] = (128, 384)

    def channels(self, count: int) -> int:
        """``count`` channels of the paper at this width: a multiple of 4, at least 4."""
        return max(4, round(count * self.width / 4) * 4)

    @property
    def stride(self) -> int:
        """Pixels between neighbours of the HyperNet feature (16 in the paper)."""
        return self.stem_stride * (2 if self.stem_pool else 1) * 4


def pooling() -> nn.MaxPool2d:
    """3 x 3 maximum, stride 2, without padding, rounding up as Caffe does."""
    return nn.MaxPool2d(3, 2, 0, ceil_mode=True)


def activation(channels: int) -> nn.Sequential:
    """Batch normalisation and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class MirroredReLU(nn.Module):
    """mC.ReLU: normalise, append the negation, scale and shift both halves, ReLU: (B, C, H, W) -> (B, 2C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Parameter(torch.ones(2 * channels))
        self.shift = nn.Parameter(torch.zeros(2 * channels))

    def forward(self, x: Tensor) -> Tensor:
        """relu(scale * [x, -x] + shift) of the normalised ``x``."""
        x = self.normalise(x)
        scale, shift = self.scale.view(2, 1, -1, 1, 1), self.shift.view(2, 1, -1, 1, 1)
        positive = torch.addcmul(shift[0], x, scale[0])
        negative = torch.addcmul(shift[1], x, scale[1], value=-1)
        return torch.cat([positive, negative], 1).relu_()


class MirroredBlock(nn.Module):
    """Residual block 1x1-a, 3x3-b with mC.ReLU, 1x1-c; pre-activated, except directly after the stem."""

    def __init__(self, inputs: int, reduce: int, middle: int, outputs: int, stride: int, pre_activated: bool) -> None:
        super().__init__()
        self.before = activation(inputs) if pre_activated else nn.Identity()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, reduce, 1, stride), activation(reduce),
            nn.Conv2d(reduce, middle, 3, 1, 1), MirroredReLU(middle),
            nn.Conv2d(2 * middle, outputs, 1),
        )
        changes = inputs != outputs or stride != 1
        self.project = nn.Conv2d(inputs, outputs, 1, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Where the shape changes, the shortcut projects the activated input (as conv3_1 of the paper's network)."""
        active = self.before(x)
        shortcut = x if self.project is None else self.project(active)
        result: Tensor = shortcut + self.residual(active)
        return result


@dataclass(frozen=True, slots=True)
class InceptionWidths:
    """Channels of an Inception block's branches: 1x1; 1x1-3x3; 1x1-3x3-3x3; pool-1x1; and of its output."""

    plain: int
    three: tuple[int, int]
    five: tuple[int, int]
    pooled: int
    outputs: int


class InceptionBlock(nn.Module):
    """Pre-activated residual Inception block; a block of stride 2 also has a pooling branch and projects raw input.

    ``last`` is the network's final block: its output is normalised before the sum and activated after it.
    """

    def __init__(self, inputs: int, widths: InceptionWidths, stride: int, last: bool = False) -> None:
        super().__init__()
        self.before = activation(inputs)
        w = widths
        self.branches = nn.ModuleList(
            [
                _chain(inputs, [(w.plain, 1, stride)]),
                _chain(inputs, [(w.three[0], 1, stride), (w.three[1], 3, 1)]),
                _chain(inputs, [(w.five[0], 1, stride), (w.five[1], 3, 1), (w.five[1], 3, 1)]),
            ]
        )
        joined = w.plain + w.three[1] + w.five[1]
        if stride > 1:
            self.branches.append(nn.Sequential(pooling(), *_chain(inputs, [(w.pooled, 1, 1)])))
            joined += w.pooled
        self.join = nn.Conv2d(joined, w.outputs, 1, bias=not last)
        self.normalise = nn.BatchNorm2d(w.outputs) if last else nn.Identity()
        self.project = nn.Conv2d(inputs, w.outputs, 1, stride) if stride > 1 or inputs != w.outputs else None
        self.after = activation(w.outputs) if last else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        active = self.before(x)
        joined = self.join(torch.cat([branch(active) for branch in self.branches], 1))
        shortcut = x if self.project is None else self.project(x)
        result: Tensor = self.after(shortcut + self.normalise(joined))
        return result


def _chain(inputs: int, layers: Sequence[tuple[int, int, int]]) -> nn.Sequential:
    """Convolutions given as (channels, kernel, stride), each normalised and activated."""
    modules: list[nn.Module] = []
    for channels, kernel, stride in layers:
        modules += [nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, bias=False), activation(channels)]
        inputs = channels
    return nn.Sequential(*modules)


class PVANETBackbone(nn.Module):
    """Images (B, 3, H, W), sides multiples of twice ``stride``, -> HyperNet feature (B, out_channels, H/s, W/s).

    Its first ``shape.hyper[0]`` channels are what proposals are made from.
    """

    def __init__(self, shape: PVANETShape) -> None:
        super().__init__()
        c = shape.channels
        counts = shape.blocks
        stem: list[nn.Module] = [nn.Conv2d(3, c(16), 7, shape.stem_stride, 3, bias=False), MirroredReLU(c(16))]
        self.conv1 = nn.Sequential(*stem, *([pooling()] if shape.stem_pool else []))
        self.conv2 = _mirrored_stage(2 * c(16), c(24), c(64), counts[0], 1, pre_activated=False)
        self.conv3 = _mirrored_stage(c(64), c(48), c(128), counts[1], 2, pre_activated=True)
        first = InceptionWidths(c(64), (c(48), c(128)), (c(24), c(48)), c(128), c(256))
        later = InceptionWidths(c(64), (c(64), c(128)), (c(24), c(48)), 0, c(256))
        self.conv4 = _inception_stage(c(128), first, later, counts[2], ends=False)
        widths = InceptionWidths(c(64), (c(96), c(192)), (c(32), c(64)), c(128), c(384))
        self.conv5 = _inception_stage(c(256), widths, widths, counts[3], ends=True)
        self.downsample = pooling()
        self.upsample = nn.ConvTranspose2d(c(384), c(384), 4, 2, 1, groups=c(384), bias=False)
        proposals, rest = shape.hyper
        joined = c(128) + c(256) + c(384)
        self.convf_rpn = nn.Sequential(nn.Conv2d(joined, proposals, 1), nn.ReLU(inplace=True))
        self.convf_2 = nn.Sequential(nn.Conv2d(joined, rest, 1), nn.ReLU(inplace=True))
        self.out_channels = proposals + rest
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        line = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():
            self.upsample.weight.copy_(torch.outer(line, line).expand_as(self.upsample.weight))

    def forward(self, images: Tensor) -> Tensor:
        """The HyperNet feature."""
        third = self.conv3(self.conv2(self.conv1(images)))
        fourth = self.conv4(third)
        fifth = self.conv5(fourth)
        joined = torch.cat([self.downsample(third), fourth, self.upsample(fifth)], 1)
        return torch.cat([self.convf_rpn(joined), self.convf_2(joined)], 1)


def _mirrored_stage(
    inputs: int, middle: int, outputs: int, blocks: int, stride: int, pre_activated: bool
) -> nn.Sequential:
    first = MirroredBlock(inputs, middle, middle, outputs, stride, pre_activated)
    rest = [MirroredBlock(outputs, middle, middle, outputs, 1, True) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


def _inception_stage(
    inputs: int, first: InceptionWidths, later: InceptionWidths, blocks: int, ends: bool
) -> nn.Sequential:
    stage = [InceptionBlock(inputs, first, 2, last=ends and blocks == 1)]
    stage += [InceptionBlock(first.outputs, later, 1, last=ends and k == blocks - 1) for k in range(1, blocks)]
    return nn.Sequential(*stage)
