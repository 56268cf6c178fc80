"""The model ``fan-net``: a small convolutional network that keeps the horizontal axis."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from tasks.avoidance.model import FanModel, FanNetwork, FanSpec
from tasks.supervised import SupervisedConfig


class FanNet(FanModel):
    """Five 3x3 convolutions, each with batch normalisation, and a head for each direction. Ours, without a paper.

    The first two have stride 2, the fourth has stride 2 downwards only, the others stride 1: the last map is as wide as
    a quarter of the image and as high as an eighth.
    """

    name = "fan-net"
    version = 1

    class Config(SupervisedConfig):
        """Options of the network.

        Attributes:
            width: channels of the first convolution; the others have 2, 4, 4 and 4 times as many, the head 4 times.
        """

        width: int = Field(default=16, ge=1)

    def construct(self, spec: FanSpec) -> FanNetwork:
        """See `FanModel.construct`."""
        width: int = self.config.width
        layers: list[nn.Module] = []
        inputs = spec.channels
        for outputs, stride in ((1, (2, 2)), (2, (2, 2)), (4, (1, 1)), (4, (2, 1)), (4, (1, 1))):
            layers += [
                nn.Conv2d(inputs, outputs * width, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs * width),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs * width
        return FanNetwork(nn.Sequential(*layers), 4 * width, spec)
