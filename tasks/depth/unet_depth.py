"""The model ``unet-depth``: a U-Net over any encoder of segmentation-models-pytorch, with a head of one channel."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from tasks.depth.resizing import to_multiple, to_size
from tasks.supervised import DataSpec, SupervisedConfig, SupervisedModel

STRIDE = 32


class UNetDepth(SupervisedModel):
    """Depth at one scale; its features are the encoder's last map, at 1/32.

    Images whose sides 32 does not divide are resized to the nearest that it does, and the depth back.
    """

    name = "unet-depth"
    version = 1
    task = "depth"

    class Config(SupervisedConfig):
        """Options of the network.

        Attributes:
            encoder: a name of segmentation-models-pytorch (``resnet18``, ``mobilenet_v2``, ``tu-...`` for timm's).
            weights: None, or the name of pretrained weights, which are then downloaded ("imagenet").
            decoder_channels: of the decoder's five blocks, from coarse to fine.
        """

        encoder: str = "tu-mobilenetv3_small_100"
        weights: str | None = None
        decoder_channels: tuple[int, int, int, int, int] = Field(default=(128, 64, 32, 16, 16))

    @classmethod
    def skip(cls) -> str | None:
        """Without segmentation-models-pytorch it cannot run."""
        if importlib.util.find_spec("segmentation_models_pytorch") is None:
            return "needs segmentation-models-pytorch: pip install segmentation-models-pytorch"
        return None

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`."""
        import segmentation_models_pytorch as smp

        config = self.config
        network: nn.Module = smp.Unet(
            config.encoder, encoder_weights=config.weights, in_channels=spec.channels, classes=1,
            decoder_channels=config.decoder_channels,
        )
        return network

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Tensor:
        """(B, 1, H, W) in [-1, 1]."""
        depth: Tensor = self.outputs_and_features(module, images)[0]
        return depth

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """The encoder's last map."""
        last: Tensor = _part(module, "encoder")(to_multiple(images, STRIDE))[-1]
        return last

    def outputs_and_features(self, module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
        """Both of one pass."""
        maps = _part(module, "encoder")(to_multiple(images, STRIDE))
        raw = _part(module, "segmentation_head")(_part(module, "decoder")(maps))
        return to_size(torch.tanh(raw.float()), *images.shape[-2:]), maps[-1]


def _part(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name)
