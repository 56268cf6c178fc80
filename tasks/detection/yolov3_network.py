"""The network of YOLOv3 (Redmon and Farhadi 2018, arXiv 1804.02767): Darknet-53 and predictions at three scales."""

from __future__ import annotations

import math

from torch import Tensor, cat, nn
from torch.nn import functional

STRIDES = (32, 16, 8)
"""Pixels between neighbouring cells of the three predictions, in the order in which the network makes them."""

PRIORS_PER_SCALE = 3


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation and leaky ReLU of slope .1, as everywhere in Darknet."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )


class Residual(nn.Module):
    """1 x 1 to half the channels, 3 x 3 back, plus the input (table 1 of the paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(convolution(channels, channels // 2, 1), convolution(channels // 2, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        result: Tensor = x + self.layers(x)
        return result


class YOLOv3Network(nn.Module):
    """Images (B, 3, H, W) -> raw predictions (B, 3 * (5 + classes), H / s, W / s) at strides 32, 16 and 8.

    ``width`` multiplies every channel count (1 is the paper's), ``depth`` the number of residual blocks.
    """

    def __init__(self, num_classes: int, width: float, depth: float) -> None:
        super().__init__()

        def channels(count: int) -> int:
            return max(8, round(count * width / 8) * 8)

        def stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
            residuals = [Residual(channels(outputs)) for _ in range(max(1, round(blocks * depth)))]
            return nn.Sequential(convolution(channels(inputs), channels(outputs), 3, 2), *residuals)

        self.fine = nn.Sequential(
            convolution(3, channels(32), 3), stage(32, 64, 1), stage(64, 128, 2), stage(128, 256, 8)
        )
        self.middle = stage(256, 512, 8)
        self.coarse = stage(512, 1024, 4)
        outputs = PRIORS_PER_SCALE * (5 + num_classes)
        necks, heads, laterals = [], [], []
        below = 0
        for count, skip in zip((512, 256, 128), (1024, 512, 256), strict=True):
            necks.append(_neck(channels(skip) + below, channels(count), channels(2 * count)))
            heads.append(_head(channels(count), channels(2 * count), outputs))
            if count > 128:
                below = channels(count // 2)
                laterals.append(convolution(channels(count), below, 1))
        self.necks, self.heads, self.laterals = nn.ModuleList(necks), nn.ModuleList(heads), nn.ModuleList(laterals)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Raw predictions, coarsest first."""
        fine = self.fine(images)
        middle = self.middle(fine)
        x = self.necks[0](self.coarse(middle))
        predictions = [self.heads[0](x)]
        for k, skip in enumerate((middle, fine)):
            upsampled = functional.interpolate(self.laterals[k](x), scale_factor=2.0, mode="nearest")
            x = self.necks[k + 1](cat([upsampled, skip], 1))
            predictions.append(self.heads[k + 1](x))
        return predictions


def _neck(inputs: int, narrow: int, wide: int) -> nn.Sequential:
    """The five convolutions in front of each prediction."""
    return nn.Sequential(
        convolution(inputs, narrow, 1), convolution(narrow, wide, 3), convolution(wide, narrow, 1),
        convolution(narrow, wide, 3), convolution(wide, narrow, 1),
    )


def _head(inputs: int, wide: int, outputs: int) -> nn.Sequential:
    """3 x 3 and the linear 1 x 1 that predicts; objectness starts at 1 %, so that the many empty cells are no shock."""
    last = nn.Conv2d(wide, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    last.bias.data.view(PRIORS_PER_SCALE, -1)[:, 4] = -math.log(99)  # type: ignore[union-attr]
    return nn.Sequential(convolution(inputs, wide, 3), last)
