"""The digit classifier of PixelDA's experiments (Bousmalis et al. 2017; Ganin and Lempitsky 2015): the class alone."""

from __future__ import annotations

from torch import Tensor, nn

from tasks.pose.model import Tower, TowerConfig, TowerModel, convolution, fully_connected
from tasks.supervised import DataSpec


class ClassHead(nn.Module):
    """Class logits from (B, F) features."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.logits = nn.Linear(features, classes)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """``logits`` (B, K)."""
        return {"logits": self.logits(features)}


class MNISTTower(TowerModel):
    """conv5x5-32, pool, conv5x5-48, pool, fc100, fc100, one head; it has no quaternion.

    For 32x32 pixels, 3 channels and 10 classes it has 359,290 parameters. ``private`` concerns the first convolution.
    """

    name = "mnist-tower"
    version = 1
    Config = TowerConfig

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`; height and width of at least 4 pixels."""
        config = self.config
        first, second, features = config.channels(32), config.channels(48), config.channels(100)
        flat = second * (spec.size[0] // 4) * (spec.size[1] // 4)
        return Tower(
            first=convolution(spec.channels, first, 5),
            shared=nn.Sequential(
                convolution(first, second, 5), nn.Flatten(), fully_connected(flat, features),
                fully_connected(features, features),
            ),
            heads=ClassHead(features, spec.classes),
            source_first=convolution(spec.channels, first, 5) if config.private else None,
        )  # fmt: skip
