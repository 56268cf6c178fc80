"""DeepLab-v3, Chen et al. 2017 (arXiv 1706.05587): atrous pyramid with normalisation, and pooling over the image."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from bench.errors import UsageError
from tasks.segmentation.library import LibraryConfig, LibraryModel


class DeepLabV3Config(LibraryConfig):
    """Options of DeepLab-v3.

    Attributes:
        output_stride: of the encoder, 8 or 16.
        decoder_channels: of the pyramid.
        rates: its dilations.
    """

    output_stride: Literal[8, 16] = 8
    decoder_channels: int = Field(default=256, ge=1)
    rates: tuple[int, int, int] = (12, 24, 36)


class DeepLabV3(LibraryModel):
    """A dilated encoder and an atrous spatial pyramid that also sees the whole image."""

    name = "deeplabv3"
    version = 1
    Config = DeepLabV3Config

    def construct(self, library: Any, options: dict[str, Any]) -> nn.Module:
        """See `LibraryModel.construct`."""
        config = self.config
        network: nn.Module = library.DeepLabV3(
            encoder_output_stride=config.output_stride, decoder_channels=config.decoder_channels,
            decoder_atrous_rates=config.rates, **options,
        )  # fmt: skip
        return network

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Any:
        """Logits; raises `UsageError` for a training batch of one, whose pooled features cannot be normalised."""
        if module.training and len(images) == 1:
            raise UsageError("model.deeplabv3: a batch of one cannot be normalised; set batch_size to 2 or more")
        return super().forward(module, images, source)
