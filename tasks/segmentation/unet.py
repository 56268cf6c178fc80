"""U-Net, Ronneberger et al. 2015 (arXiv 1505.04597), on a configurable encoder."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import nn

from tasks.segmentation.library import LibraryConfig, LibraryModel


class UNetConfig(LibraryConfig):
    """Options of the U-Net.

    Attributes:
        decoder_channels: of the five decoder stages, from an encoder's stride 16 back to 1.
    """

    decoder_channels: tuple[int, ...] = Field(default=(256, 128, 64, 32, 16), min_length=5, max_length=5)


class UNet(LibraryModel):
    """An encoder, and a decoder that takes the encoder's features of every resolution along."""

    name = "unet"
    version = 1
    Config = UNetConfig

    def construct(self, library: Any, options: dict[str, Any]) -> nn.Module:
        """See `LibraryModel.construct`."""
        network: nn.Module = library.Unet(decoder_channels=self.config.decoder_channels, **options)
        return network
