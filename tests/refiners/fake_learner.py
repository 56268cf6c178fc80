"""A small task for the joint tests: a linear network that names an image's first class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from bench.contracts import State
from bench.learning import Learner, Targets
from bench.samples import ImageSet


class FakeLearner(Learner):
    """Normalised 4x4 means, and a linear layer of its own for each kind of image; remembers how it was called."""

    def __init__(self, channels: int = 3, classes: int = 3, steps: int = 12, batch_size: int = 4) -> None:
        torch.manual_seed(11)
        self.network = nn.ModuleDict({
            "norm": nn.BatchNorm2d(channels), "private": nn.Linear(16 * channels, classes),
            "shared": nn.Linear(16 * channels, classes),
        })
        self.steps, self.batch_size, self.calls = steps, batch_size, list[bool]()
        self.scheduled: list[int] = []

    def targets(self, data: ImageSet) -> Targets:
        return {"classes": torch.tensor([record.classes[0] for record in data.records])}

    def outputs(self, images: Tensor, source: bool = False) -> Any:
        self.calls.append(source)
        pooled = F.adaptive_avg_pool2d(self.network["norm"](images), 4).flatten(1)
        return self.network["private" if source else "shared"](pooled)

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        return {"classes": F.cross_entropy(outputs, targets["classes"]), "size": outputs.square().mean() * 0.01}

    def features(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, 4).flatten(1)

    def optimizer(self, extra: Iterable[nn.Parameter] = ()) -> optim.Optimizer:
        return optim.SGD([*self.network.parameters(), *extra], lr=0.5, momentum=0.9)

    def schedule(self, optimizer: optim.Optimizer, step: int) -> None:
        self.scheduled.append(step)
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * (1 - step / self.steps)

    def state(self) -> State:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}
