"""The tower of DSN's Cropped LineMod experiments (Bousmalis et al. 2016), which PixelDA's code calls ``pose_mini``."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from tasks.pose.model import PoseHeads, Tower, TowerConfig, TowerModel, convolution, fully_connected
from tasks.supervised import DataSpec


class DSNTower(TowerModel):
    """conv5x5-32, pool, conv5x5-64, pool, fc128, dropout, two heads; ReLU, no batch normalisation.

    For 64x64 pixels, 4 channels and 11 classes it has 2,153,711 parameters. ``private`` concerns the first convolution.
    """

    name = "dsn"
    version = 1

    class Config(TowerConfig):
        """Options of the towers, and dropout.

        Attributes:
            dropout: share of the 128 features that training leaves out before the heads.
        """

        dropout: float = Field(default=0.5, ge=0, lt=1)

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`; height and width of at least 4 pixels."""
        config = self.config
        first, second, features = config.channels(32), config.channels(64), config.channels(128)
        flat = second * (spec.size[0] // 4) * (spec.size[1] // 4)
        return Tower(
            first=convolution(spec.channels, first, 5),
            shared=nn.Sequential(convolution(first, second, 5), nn.Flatten(), fully_connected(flat, features)),
            heads=nn.Sequential(nn.Dropout(config.dropout), PoseHeads(features, spec.classes)),
            source_first=convolution(spec.channels, first, 5) if config.private else None,
        )
