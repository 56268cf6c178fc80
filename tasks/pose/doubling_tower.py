"""The default pose network of PixelDA's published code, ``doubling_pose_estimator`` (Bousmalis et al. 2017)."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field
from torch import nn

from tasks.pose.model import PoseHeads, Tower, TowerConfig, TowerModel, convolution, fully_connected
from tasks.supervised import DataSpec


class DoublingTower(TowerModel):
    """conv3x3 + pool with 32, 64, 128, ... channels until 5 pixels are left, fc100, dropout, two heads.

    For 64x64 pixels, 4 channels and 11 classes it has 799,919 parameters. ``private`` concerns the first two
    convolutions.
    """

    name = "doubling-tower"
    version = 1

    class Config(TowerConfig):
        """Options of the towers, and dropout.

        Attributes:
            dropout: share of the 100 features that training leaves out before the heads.
        """

        dropout: float = Field(default=0.5, ge=0, lt=1)

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`; height and width of at least 16 pixels."""
        config, (height, width) = self.config, spec.size
        channels = [spec.channels]
        while len(channels) < 3 or height > 5:
            channels.append(config.channels(32 * 2 ** (len(channels) - 1)))
            height, width = height // 2, width // 2
        pairs = list(pairwise(channels))
        features = config.channels(100)

        def first() -> nn.Module:
            return nn.Sequential(*(convolution(inputs, outputs, 3) for inputs, outputs in pairs[:2]))

        return Tower(
            first=first(),
            shared=nn.Sequential(
                *(convolution(inputs, outputs, 3) for inputs, outputs in pairs[2:]),
                nn.Flatten(),
                fully_connected(channels[-1] * height * width, features),
            ),
            heads=nn.Sequential(nn.Dropout(config.dropout), PoseHeads(features, spec.classes)),
            source_first=first() if config.private else None,
        )
