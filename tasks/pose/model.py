"""What the networks of the pose task share: options, the two heads, and first layers of its own for a domain."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tasks.supervised import SupervisedConfig, SupervisedModel


class TowerConfig(SupervisedConfig):
    """Options of the towers.

    Attributes:
        width: what the published numbers of channels are multiplied with.
        private: give unrefined synthetic images first layers of their own in joint training (PixelDA's code does).
            Real and refined images, and every arm that is not joint, take the other first layers.
    """

    width: float = Field(default=1.0, gt=0, le=4)
    private: bool = False

    def channels(self, published: int) -> int:
        """A published number of channels at this width."""
        return max(1, round(published * self.width))


class PoseHeads(nn.Module):
    """Class logits and a unit quaternion from (B, F) features: linear; linear, tanh, division by the length (DSN)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.quaternion = nn.Linear(features, 4)
        self.logits = nn.Linear(features, classes)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """``logits`` (B, K) and ``quaternion`` (B, 4)."""
        return {
            "logits": self.logits(features),
            "quaternion": functional.normalize(self.quaternion(features).tanh().float(), dim=1),
        }


class Tower(nn.Module):
    """First layers, shared layers and heads in a row.

    ``source_first`` is made last, so that a tower with private layers starts from the same weights as one without.
    """

    def __init__(self, first: nn.Module, shared: nn.Module, heads: nn.Module, source_first: nn.Module | None) -> None:
        super().__init__()
        self.first, self.shared, self.heads = first, shared, heads
        self.source_first = source_first

    def features(self, images: Tensor, source: bool = False) -> Tensor:
        """(B, F): what the heads see."""
        own = self.source_first if source and self.source_first is not None else self.first
        features: Tensor = self.shared(own(images))
        return features

    def forward(self, images: Tensor, source: bool = False) -> Any:
        """Raw outputs for (B, C, H, W) in [-1, 1]."""
        return self.heads(self.features(images, source))


class TowerModel(SupervisedModel):
    """A model whose network is a `Tower`."""

    task = "pose"

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Any:
        """Outputs; images of the source domain go through their own first layers where the network has them."""
        return module(images, source)

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """(B, F): the representation before dropout and heads."""
        return self._tower(module).features(images)

    def outputs_and_features(self, module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
        """Both in one pass."""
        tower = self._tower(module)
        features = tower.features(images)
        return tower.heads(features), features

    def _tower(self, module: nn.Module) -> Tower:
        if not isinstance(module, Tower):
            raise TypeError(f"{type(module).__name__} is no Tower")
        return module


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the size, ReLU, and 2x2 max pooling; (B, C, H, W) to (B, C', H // 2, W // 2)."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2))


def fully_connected(inputs: int, outputs: int) -> nn.Sequential:
    """A linear layer and ReLU."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU())
