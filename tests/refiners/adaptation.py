"""A tiny learner for tests of joint training: is an image dark or bright? Two layers, plain SGD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn.functional import cross_entropy

from bench.contracts import State
from bench.errors import UsageError
from bench.learning import Learner, Targets
from bench.samples import ImageSet

RATE = 0.05


class TinyLearner(Learner):
    """Features are 4 channels of a convolution, ``maps`` or averaged ones; the label is the number of boxes."""

    def __init__(self, steps: int = 5, batch_size: int = 3, dropout: float = 0.0, maps: bool = False) -> None:
        self.steps, self.batch_size, self.maps = steps, batch_size, maps
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            self.network = nn.ModuleDict(
                {"body": nn.Conv2d(3, 4, 5, stride=4), "drop": nn.Dropout(dropout), "head": nn.Linear(4, 4)}
            )

    def targets(self, data: ImageSet) -> Targets:
        return {"boxes": torch.tensor([len(record.boxes) for record in data.records])}

    def features(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network["drop"](self.network["body"](images).relu())
        return maps if self.maps else maps.mean((2, 3))

    def outputs(self, images: Tensor, source: bool = False) -> Tensor:
        features = self.features(images)
        logits: Tensor = self.network["head"](features.mean((2, 3)) if self.maps else features)
        return logits

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        return {"task": cross_entropy(outputs, targets["boxes"])}

    def optimizer(self, extra: Iterable[nn.Parameter] = ()) -> optim.Optimizer:
        return optim.SGD([*self.network.parameters(), *extra], lr=RATE, momentum=0.5)

    def schedule(self, optimizer: optim.Optimizer, step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / self.steps)

    def state(self) -> State:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}


class Featureless(TinyLearner):
    """A model that names no features."""

    def features(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return super().features(images)
        raise UsageError("model 'x' names no features to align")
