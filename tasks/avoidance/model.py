"""What the networks of the task share: how many directions they predict, and the head that looks into each."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageError
from tasks.supervised import DataSpec, SupervisedConfig, SupervisedModel


@dataclass(frozen=True, slots=True)
class FanSpec(DataSpec):
    """What a network of this task must know of its data: ``directions``, K, beside `DataSpec`."""

    directions: int


class FanHead(nn.Module):
    """(B, C, h, w) features to (B, K) outputs: the vertical axis is summed up, the horizontal one becomes directions.

    Rows are weighted by what is learnt (a convolution as high as the map), for an obstacle's distance shows in how far
    down it reaches; then each direction is looked into from its own part of the width, neighbours taken into account.
    """

    def __init__(self, channels: int, height: int, hidden: int, directions: int) -> None:
        super().__init__()
        self.directions = directions
        self.collapse = nn.Conv2d(channels, hidden, (height, 1))
        self.neighbours = nn.Conv1d(hidden, hidden, 5, padding=2)
        self.output = nn.Conv1d(hidden, 1, 1)
        for layer in (self.collapse, self.neighbours):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """(B, K) unbounded numbers, from the left edge of the view to the right."""
        columns = F.relu(self.collapse(features)).squeeze(2)
        columns = F.relu(self.neighbours(columns))
        fan = F.interpolate(columns, self.directions, mode="linear", align_corners=False)
        outputs: Tensor = self.output(fan).squeeze(1)
        return outputs


class FanNetwork(nn.Module):
    """A backbone that gives (B, C, h, w), and a `FanHead` on it."""

    def __init__(self, backbone: nn.Module, hidden: int, spec: FanSpec) -> None:
        super().__init__()
        self.backbone = backbone
        training = backbone.training
        with torch.no_grad():  # only to learn the map's shape; in evaluation, so that nothing is learnt from zeros
            shape = backbone.eval()(torch.zeros(1, spec.channels, *spec.size)).shape
        backbone.train(training)
        self.head = FanHead(shape[1], shape[2], hidden, spec.directions)

    def forward(self, images: Tensor) -> Tensor:
        """(B, K) for (B, C, H, W) in [-1, 1]."""
        outputs: Tensor = self.head(self.backbone(images))
        return outputs


class FanModel(SupervisedModel):
    """One network of the task; its features are its backbone's last map. One required method."""

    task: ClassVar[str] = "avoidance"
    Config = SupervisedConfig

    @abstractmethod
    def construct(self, spec: FanSpec) -> FanNetwork:
        """The network."""

    def build(self, spec: DataSpec) -> nn.Module:
        """See `SupervisedModel.build`."""
        if not isinstance(spec, FanSpec):
            raise UsageError(f"model '{self.name}' belongs to the task 'avoidance'; name another in models")
        return self.construct(spec)

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """(B, C, h, w): the backbone's last map."""
        features: Tensor = module.get_submodule("backbone")(images)
        return features

    def outputs_and_features(self, module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
        """Both in one pass."""
        features = self.features(module, images)
        return module.get_submodule("head")(features), features
