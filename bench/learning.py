"""A downstream model in training, lent to a refiner that trains it together with its own networks (the joint arms)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor, nn, optim

from bench.contracts import State
from bench.frames import DeviceRows
from bench.samples import ImageSet

Targets: TypeAlias = Mapping[str, Tensor]
"""What a batch is labelled with, by name; the first dimension of each is the batch."""
SetTargets: TypeAlias = Mapping[str, Tensor | DeviceRows]
"""The same of a whole set; indexed with a batch's indices, each gives a tensor."""


class Learner(ABC):
    """One model with its task's loss, batch size, steps and optimizer, to be trained in a loop of somebody else's.

    Attributes:
        network: its initial weights are those of the same replicate in every other arm.
        steps: optimizer steps that the model gets in every arm (rule 2).
        batch_size: labelled images a step.
        gradient_clip: largest norm of the network's gradient in every arm; 0 where the task does not clip.
        capturable: whether a step with this learner may be captured on CUDA: `outputs`, `losses` and the optimizer
            hold to the rules of `bench.graphs`, and `schedule` sets learning rates through `bench.rates`.
    """

    network: nn.Module
    steps: int
    batch_size: int
    gradient_clip: float = 0.0
    capturable: bool = False

    @abstractmethod
    def targets(self, data: ImageSet) -> SetTargets:
        """The labels of a whole set, on the learner's device; index them with a batch's indices."""

    @abstractmethod
    def outputs(self, images: Tensor, source: bool = False) -> Any:
        """The network's raw outputs for (B, C, H, W) channels in [-1, 1] (`bench.frames`), with gradients.

        ``source`` says that the images are unrefined ones of the source domain, for a network with layers of its own
        for that domain.
        """

    @abstractmethod
    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        """Named losses of `outputs`, scalars; the task minimises their sum."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """What feature-level adaptation aligns: (B, F) or (B, F, H, W) of the network's shared representation.

        Raises:
            UsageError: the model names no such representation.
        """

    def outputs_and_features(self, images: Tensor) -> tuple[Any, Tensor]:
        """`outputs` and `features` of the same images, in one pass where the network can."""
        return self.outputs(images), self.features(images)

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        """Change a labelled batch as the task does in every other arm; by default nothing is changed."""
        return images, targets

    @abstractmethod
    def optimizer(self, extra: Iterable[nn.Parameter] = ()) -> optim.Optimizer:
        """The task's optimizer over the network's parameters and ``extra`` ones."""

    @abstractmethod
    def schedule(self, optimizer: optim.Optimizer, step: int) -> None:
        """Set the learning rates of ``optimizer`` for a step (0-based), as the task does in every other arm."""

    @abstractmethod
    def state(self) -> State:
        """The trained model, as `Task.train` returns it."""
