"""The model ``t2net-unet``: T2Net's own depth network."""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field
from torch import Tensor, nn

from tasks.depth.resizing import to_multiple, to_size
from tasks.depth.unet import T2NetUNet
from tasks.supervised import DataSpec, SupervisedConfig, SupervisedModel


class T2NetUNetModel(SupervisedModel):
    """Depth at four scales from coarse to fine; its features are the bottleneck, (B, 8 width, H / 16, W / 16).

    Images whose sides 16 does not divide are resized to the nearest that it does, and the finest map back.
    """

    name = "t2net-unet"
    version = 1
    task = "depth"

    class Config(SupervisedConfig):
        """Options of the U-Net.

        Attributes:
            width: channels of the first convolution, even; 64 is the published network, a CPU wants 8 to 16.
            skip_weight: see `tasks.depth.unet.T2NetUNet`.
        """

        width: int = Field(default=64, ge=2, multiple_of=2)
        skip_weight: float = Field(default=0.1, ge=0)

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`."""
        return T2NetUNet(spec.channels, self.config.width, self.config.skip_weight)

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> list[Tensor]:
        """Four maps (B, 1, h, w) in [-1, 1], coarse to fine."""
        depths: list[Tensor] = self.outputs_and_features(module, images)[0]
        return depths

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """The bottleneck."""
        network = cast(T2NetUNet, module)
        return network.encode(to_multiple(images, network.multiple))[-1]

    def outputs_and_features(self, module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
        """Both of one pass, as T2Net's feature loss has them."""
        network, (height, width) = cast(T2NetUNet, module), images.shape[-2:]
        maps = network.encode(to_multiple(images, network.multiple))
        depths = network.decode(maps)
        return [*depths[:-1], to_size(depths[-1], height, width)], maps[-1]
