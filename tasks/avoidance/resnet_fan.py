"""The model ``resnet-fan``: ResNet-18 (He et al. 2016, arXiv 1512.03385) from scratch, with a head of directions."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from tasks.avoidance.model import FanModel, FanNetwork, FanSpec
from tasks.pose.resnet_pose import ScaledResNet
from tasks.supervised import SupervisedConfig


class ResNetMaps(ScaledResNet):
    """A `ScaledResNet` up to its last map, without pooling."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 512 * width, h, w) for (B, C, H, W) in [-1, 1]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return maps


class ResNetFan(FanModel):
    """torchvision's ResNet-18 without its pooling and classifier, with the same head as ``fan-net``."""

    name = "resnet-fan"
    version = 1

    class Config(SupervisedConfig):
        """Options of the network.

        Attributes:
            width: what the 64, 128, 256 and 512 channels of the stages are multiplied with.
            small_stem: a 3x3 convolution of stride 1 and no pooling instead of 7x7 of stride 2 and pooling: the last
                map is then as wide as an eighth of the image and not as 1/32.
            hidden: channels of the head.
        """

        width: float = Field(default=1.0, gt=0, le=2)
        small_stem: bool = True
        hidden: int = Field(default=128, ge=1)

    def construct(self, spec: FanSpec) -> FanNetwork:
        """See `FanModel.construct`."""
        config = self.config
        backbone = ResNetMaps((2, 2, 2, 2), config.width, spec.channels, config.small_stem)
        return FanNetwork(backbone, config.hidden, spec)
