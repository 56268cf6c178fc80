"""DeepLab-v2, Chen et al. 2018 (arXiv 1606.00915): a dilated ResNet and atrous spatial pyramid pooling.

What follows the published models: output stride 8, dilations 2 and 4, four parallel 3x3 convolutions whose logits are
summed, learning rates of 10 and 20 for their weights and biases, and, with ``multi_scale``, three input scales with
shared weights and a maximum over them. Losses are at the images' resolution here, theirs at an eighth of it. The dense
CRF that the paper adds afterwards is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.segmentation.dilated_resnet import DilatedResNet
from tasks.segmentation.model import (
    MAIN,
    SegmentationConfig,
    SegmentationModel,
    enlarged,
    pretrained_weights_error,
)
from tasks.supervised import DataSpec

SCALES = (0.5, 0.75)
"""Further input scales with ``multi_scale``."""


class DeepLabV2Config(SegmentationConfig):
    """The defaults are the paper's; a CPU wants ``layers = 18`` and a ``width`` well below 1.

    Attributes:
        layers: depth of the ResNet.
        width: factor on its channels.
        output_stride: resolution of the logits: one in so many pixels, from 4 (fine, slow) to 32.
        rates: dilations of the four (or fewer, or more) convolutions of the head.
        multi_scale: train and predict at scales 1, 0.75 and 0.5 and take the maximum of the logits.
        head_rate, head_bias_rate: learning rates of the head's weights and biases over that of the ResNet.
        frozen_normalisation: see `tasks.segmentation.dilated_resnet.DilatedResNet`.
    """

    layers: Literal[18, 34, 50, 101] = 101
    width: float = Field(default=1.0, gt=0, le=4)
    output_stride: Literal[4, 8, 16, 32] = 8
    rates: tuple[int, ...] = Field(default=(6, 12, 18, 24), min_length=1)
    multi_scale: bool = False
    head_rate: float = Field(default=10.0, gt=0)
    head_bias_rate: float = Field(default=20.0, gt=0)
    frozen_normalisation: bool = False


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: parallel dilated 3x3 convolutions straight to the classes, summed (figure 7)."""

    def __init__(self, inputs: int, classes: int, rates: Sequence[int]) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(inputs, classes, 3, 1, rate, rate) for rate in rates]
        for convolution in convolutions:
            nn.init.normal_(convolution.weight, 0.0, 0.01)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        self.branches = nn.ModuleList(convolutions)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, h, w) to logits (B, classes, h, w)."""
        return torch.stack([branch(features) for branch in self.branches]).sum(0)


class DeepLabV2Network(nn.Module):
    """`DilatedResNet` and `AtrousPyramid`."""

    def __init__(self, trunk: DilatedResNet, head: AtrousPyramid) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, classes, H / stride, W / stride)."""
        logits: Tensor = self.head(self.trunk(images))
        return logits


class DeepLabV2(SegmentationModel):
    """DeepLab-v2 on a ResNet of 18, 34, 50 or 101 layers."""

    name = "deeplab-v2"
    version = 1
    Config = DeepLabV2Config

    def build(self, spec: DataSpec) -> nn.Module:
        """See `tasks.supervised.SupervisedModel.build`; raises `UsageError` where pretrained weights cannot be had."""
        config = self.config
        trunk = DilatedResNet(
            config.layers, spec.channels, config.width, config.output_stride, config.frozen_normalisation
        )
        if config.pretrained:
            self._load(trunk, spec)
        return DeepLabV2Network(trunk, AtrousPyramid(trunk.out_channels, spec.classes, config.rates))

    def _load(self, trunk: DilatedResNet, spec: DataSpec) -> None:
        if self.config.width != 1 or spec.channels != 3:
            raise pretrained_weights_error(self.name, "only for width = 1 and images without further sensors")
        from torchvision.models import get_model_weights

        try:
            weights = next(iter(get_model_weights(f"resnet{self.config.layers}"))).get_state_dict()
        except OSError as error:
            raise pretrained_weights_error(self.name, error) from None
        trunk.load_state_dict({name: value for name, value in weights.items() if not name.startswith("fc.")})

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Any:
        """Logits at the images' size; with ``multi_scale`` the maximum, and in training each scale beside it."""
        if not self.config.multi_scale:
            return super().forward(module, images, source)
        scales = {"scale_1": enlarged(module(images), images)}
        for scale in SCALES:
            smaller = F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)
            scales[f"scale_{scale:g}"] = enlarged(module(smaller), images)
        fused = {MAIN: torch.stack(list(scales.values())).amax(0)}
        return fused | scales if module.training else fused

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """The ResNet's output, (B, F, H / stride, W / stride)."""
        return module.trunk(images)  # type: ignore[operator, no-any-return]

    def parameter_groups(self, module: nn.Module) -> list[dict[str, Any]]:
        """ResNet x1, the head's weights x10 and its biases x20 (which are not decayed, as no bias is)."""
        head = dict(module.head.named_parameters())  # type: ignore[union-attr]
        return [
            {"params": list(module.trunk.parameters())},  # type: ignore[union-attr]
            {"params": [p for name, p in head.items() if name.endswith("weight")], "scale": self.config.head_rate},
            {"params": [p for name, p in head.items() if name.endswith("bias")], "scale": self.config.head_bias_rate},
        ]
