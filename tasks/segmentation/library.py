"""Networks of segmentation-models-pytorch, whose import is left to the moment when one is built."""

from __future__ import annotations

import importlib
import importlib.util
from abc import abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageError, did_you_mean
from tasks.segmentation.model import MAIN, SegmentationConfig, SegmentationModel, pretrained_weights_error
from tasks.supervised import DataSpec

STRIDE = 32
"""Deepest stride of the encoders: sides must divide by it."""


class LibraryConfig(SegmentationConfig):
    """Options of every such network.

    Attributes:
        encoder: a name that segmentation-models-pytorch knows, such as ``resnet18``, ``resnet50``, ``mobilenet_v2``,
            or ``tu-`` and a timm model, such as ``tu-mobilenetv3_small_100``.
    """

    encoder: str = "resnet18"


class LibraryModel(SegmentationModel):
    """A network whose encoder is configurable. One required method, `construct`.

    The library loads ImageNet weights unless told otherwise; here only ``pretrained = true`` does.
    """

    Config = LibraryConfig

    @classmethod
    def skip(cls) -> str | None:
        """A reason where the package is not installed."""
        if importlib.util.find_spec("segmentation_models_pytorch") is None:
            return "needs the package segmentation-models-pytorch"
        return None

    @abstractmethod
    def construct(self, library: Any, options: dict[str, Any]) -> nn.Module:
        """The network; ``options`` are encoder, weights, channels and classes as every constructor takes them."""

    def build(self, spec: DataSpec) -> nn.Module:
        """See `tasks.supervised.SupervisedModel.build`.

        Raises:
            UsageError: an unknown encoder, or pretrained weights that cannot be had.
        """
        library = importlib.import_module("segmentation_models_pytorch")
        encoder, known = self.config.encoder, library.encoders.get_encoder_names()
        if encoder not in known and not encoder.startswith("tu-"):
            raise UsageError(f"model.{self.name}.encoder: unknown encoder '{encoder}'{did_you_mean(encoder, known)}")
        options = {
            "encoder_name": encoder, "encoder_weights": "imagenet" if self.config.pretrained else None,
            "in_channels": spec.channels, "classes": spec.classes,
        }  # fmt: skip
        try:
            return self.construct(library, options)
        except OSError as error:
            raise pretrained_weights_error(self.name, error) from None
        except (KeyError, RuntimeError, ValueError) as error:
            what = " ".join(str(error).split())
            raise UsageError(f"model.{self.name}.encoder: '{encoder}' cannot be used ({what}); try resnet18") from None

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Any:
        """Logits at the images' size; sides that the encoder cannot halve are filled up with their last pixels."""
        height, width = images.shape[-2:]
        missing = (0, -width % STRIDE, 0, -height % STRIDE)
        filled = F.pad(images, missing, mode="replicate") if any(missing) else images
        return {MAIN: module(filled)[..., :height, :width].float()}

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """The encoder's last output, (B, F, h, w)."""
        deepest: Tensor = module.encoder(images)[-1]  # type: ignore[operator]
        return deepest
