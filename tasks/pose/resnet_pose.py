"""A residual network (He et al. 2016, arXiv 1512.03385), torchvision's, with the two heads of the pose task."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from tasks.pose.model import PoseHeads
from tasks.supervised import DataSpec, SupervisedConfig, SupervisedModel


class ScaledResNet(ResNet):  # type: ignore[misc]
    """torchvision's ResNet of basic blocks, with scaled widths, any number of input channels and another stem.

    torchvision's own width option asks for bottleneck blocks, so the planes of each stage are scaled here.
    """

    def __init__(self, blocks: tuple[int, int, int, int], width: float, channels: int, small_stem: bool) -> None:
        self._width = width
        super().__init__(BasicBlock, list(blocks), num_classes=1)
        first = self._scaled(64)
        self.conv1 = (
            nn.Conv2d(channels, first, 3, padding=1, bias=False)
            if small_stem
            else nn.Conv2d(channels, first, 7, stride=2, padding=3, bias=False)
        )
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.bn1 = nn.BatchNorm2d(first)
        if small_stem:
            self.maxpool = nn.Identity()
        self.fc = nn.Identity()
        self.features = self._scaled(512)

    def _scaled(self, planes: int) -> int:
        return max(1, round(planes * self._width))

    def _make_layer(self, block: Any, planes: int, *arguments: Any, **options: Any) -> nn.Sequential:
        if planes == 64:
            self.inplanes = self._scaled(64)
        layer: nn.Sequential = super()._make_layer(block, self._scaled(planes), *arguments, **options)
        return layer


class ResNetWithHeads(nn.Module):
    """Pooled features of a `ScaledResNet`, and heads on them."""

    def __init__(self, backbone: ScaledResNet, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = PoseHeads(backbone.features, classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """``logits`` and ``quaternion`` for (B, C, H, W) in [-1, 1]."""
        outputs: dict[str, Tensor] = self.heads(self.backbone(images))
        return outputs


class ResNetPose(SupervisedModel):
    """ResNet-18 from scratch with two heads; it has no private layers.

    With 4 channels, 11 classes and ImageNet's stem it has 11,187,343 parameters.
    """

    name = "resnet-pose"
    version = 1
    task: ClassVar[str] = "pose"

    class Config(SupervisedConfig):
        """Options of the network.

        Attributes:
            width: what the 64, 128, 256 and 512 channels of the stages are multiplied with.
            blocks: residual blocks a stage; (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) is ResNet-34.
            small_stem: a 3x3 convolution of stride 1 and no pooling instead of 7x7 of stride 2 and pooling, as He et
                al. use for images of 32 pixels.
        """

        width: float = Field(default=1.0, gt=0, le=2)
        blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
        small_stem: bool = True

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`."""
        config = self.config
        return ResNetWithHeads(
            ScaledResNet(config.blocks, config.width, spec.channels, config.small_stem), spec.classes
        )

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """(B, 512 * width): the pooled features."""
        return self.outputs_and_features(module, images)[1]

    def outputs_and_features(self, module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
        """Both in one pass."""
        if not isinstance(module, ResNetWithHeads):
            raise TypeError(f"{type(module).__name__} is no ResNetWithHeads")
        features: Tensor = module.backbone(images)
        return module.heads(features), features
