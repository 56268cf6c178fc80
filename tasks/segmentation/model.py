"""What a segmentation network is to its task: logits of every pixel, and what further outputs it is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageError
from tasks.supervised import SupervisedConfig, SupervisedModel

MAIN = "cross_entropy"
"""The output that predictions come from; every output is named after its loss."""
Outputs: TypeAlias = Mapping[str, Tensor]
"""Logits (B, classes, H, W) at the images' size; those beside `MAIN` only add losses while a network trains."""


class SegmentationConfig(SupervisedConfig):
    """Options of every segmentation network.

    Attributes:
        pretrained: start the encoder from ImageNet weights (needs the network once, and three channels).
    """

    pretrained: bool = False


class SegmentationModel(SupervisedModel):
    """A network from (B, C, H, W) images to logits; where those are coarser, they are enlarged bilinearly."""

    task = "segmentation"
    Config = SegmentationConfig

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Any:
        """`Outputs` with `MAIN` alone."""
        return {MAIN: enlarged(module(images), images)}


def enlarged(logits: Tensor, images: Tensor) -> Tensor:
    """Logits at the size of the images, float32."""
    if logits.shape[-2:] == images.shape[-2:]:
        return logits.float()
    return F.interpolate(logits.float(), images.shape[-2:], mode="bilinear", align_corners=False)


def pretrained_weights_error(name: str, reason: object) -> UsageError:
    """The one line that a user sees when published weights cannot be had."""
    return UsageError(
        f"model.{name}.pretrained = true: {' '.join(str(reason).split())}; connect to the network once, "
        f"or set model.{name}.pretrained = false to train from scratch"
    )
