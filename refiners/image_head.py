"""The last convolution of a translator, from many channels to an image's few, at a CPU's speed."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

LANES = 16
"""Output channels that a CPU's convolution computes at once; of three the others are thrown away."""
WIDE = 32
"""Input channels from which on rows are worth it. In the narrow networks of short runs they gain little, and
results keep the bytes that they always had."""


class ImageHead(nn.Conv2d):
    """A square convolution without padding, stride or groups, to fewer channels than `LANES`.

    On a CPU, from `WIDE` channels on, all its rows are computed as output channels of one 1 x k convolution, and the
    rows' images are added up where they belong: the same sums in another order, in less than half of the time for 7 x 7
    and 3 channels (docs/speed.md). Parameters are those of `torch.nn.Conv2d`.
    """

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__(inputs, outputs, side)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H + k - 1, W + k - 1) to (N, C', H, W)."""
        if input.is_cuda or self.out_channels >= LANES or self.in_channels < WIDE:
            return self._conv_forward(input, self.weight, self.bias)
        return by_rows(input, self.weight, self.bias)


def by_rows(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`torch.nn.functional.conv2d` of (N, C, H + k - 1, W + k - 1) with (C', C, k, k), by rows of the kernel."""
    outputs, inputs, rows, columns = weight.shape
    height = image.shape[2] - rows + 1
    kernel = weight.permute(2, 0, 1, 3).reshape(rows * outputs, inputs, 1, columns)
    shares = F.conv2d(image, kernel).split(outputs, 1)
    out = shares[0][:, :, :height]
    for row, share in enumerate(shares[1:], 1):
        out = out + share[:, :, row : row + height]
    return out if bias is None else out + bias[:, None, None]
