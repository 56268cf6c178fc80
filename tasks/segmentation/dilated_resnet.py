"""Residual networks (He et al. 2016) whose last layers keep the resolution and dilate their filters instead.

Parameters are named as in torchvision, so its ImageNet weights fit where the width is 1. As there, and unlike in the
first Caffe models, a bottleneck's stride is in its 3x3 convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Blocks of each layer by depth; 50 and 101 have bottlenecks."""


def convolution(inputs: int, outputs: int, side: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded so that only its stride changes the size."""
    return nn.Conv2d(inputs, outputs, side, stride, dilation * (side // 2), dilation, bias=False)


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the shape of its output; None where it has it already."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, both dilated, added to the input."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, planes, 3, stride, dilation)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = convolution(planes, planes, 3, 1, dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = projection(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, planes, H / stride, W / stride)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, dilated 3x3 and 1x1 convolutions, added to the input."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = convolution(inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = convolution(planes, planes, 3, stride, dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = convolution(planes, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 4 planes, H / stride, W / stride)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class DilatedResNet(nn.Module):
    """A residual network without its classifier.

    Args:
        depth: 18, 34, 50 or 101 layers.
        channels: of the input.
        width: factor on all channels; 1 is the published size.
        output_stride: once the resolution is divided by it, further strides become dilations: 8 gives dilation 2 in the
            third and 4 in the fourth layer, all blocks of a layer alike (Chen et al. 2018, section 3.1).
        frozen_normalisation: batch normalisation keeps its statistics and parameters, as in the published recipe. Of
            use with pretrained weights alone: from scratch they are those of an identity.
    """

    def __init__(
        self, depth: int, channels: int = 3, width: float = 1.0, output_stride: int = 8,
        frozen_normalisation: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        planes = max(1, round(64 * width))
        block = Bottleneck if depth >= 50 else BasicBlock
        self.frozen_normalisation = frozen_normalisation
        self.conv1 = convolution(channels, planes, 7, 2)
        self.bn1 = nn.BatchNorm2d(planes)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, reached, dilation = planes, 4, 1
        for number, count in enumerate(BLOCKS[depth], 1):
            stride = 1 if number == 1 else 2
            if reached * stride > output_stride:
                dilation, stride = dilation * stride, 1
            reached *= stride
            layer = nn.Sequential()
            for _ in range(count):
                layer.append(block(inputs, planes, stride, dilation))
                inputs, stride = planes * block.expansion, 1
            self.add_module(f"layer{number}", layer)
            planes *= 2
        self.out_channels = inputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if frozen_normalisation:
            for module in self._normalisations():
                module.requires_grad_(False)

    def _normalisations(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def train(self, mode: bool = True) -> DilatedResNet:
        """As of any module, except that frozen normalisation stays in evaluation mode."""
        super().train(mode)
        if self.frozen_normalisation:
            for module in self._normalisations():
                module.training = False
        return self

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out_channels, H / stride, W / stride), rounded up."""
        x: Tensor = self.maxpool(torch.relu(self.bn1(self.conv1(images))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x
