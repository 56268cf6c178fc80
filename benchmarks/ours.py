"""The step that a refiner really trains by: what its ``fit`` hands to `bench.training.train`, caught there."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.contracts import Context
from bench.learning import Learner
from bench.samples import ImageSet
from bench.seeds import derive
from bench.training import Stateful

Losses = Mapping[str, Tensor]

REFINERS = {
    "cyclegan": ("refiners.cyclegan", "CycleGan", "refiners.cyclegan"),
    "vtr": ("refiners.vtr", "Vtr", "refiners.cyclegan"),
    "cut": ("refiners.cut", "Cut", "refiners.cut"),
    "t2net": ("refiners.t2net", "T2Net", "refiners.t2net"),
    "pixelda": ("refiners.pixelda", "PixelDa", "refiners.pixelda"),
}
"""Name: module, class, and the module whose ``train`` the class calls."""


@dataclass(frozen=True)
class OurStep:
    """One optimizer step of ours, as the training loop calls it, and the networks that it trains.

    Attributes:
        config: of the refiner.
        batch_size: images of each domain a step.
        parts: networks, optimizers and pools by the names that a checkpoint knows them by.
        learner: the task's network that is trained along, or None.
    """

    config: Any
    batch_size: int
    step: Callable[[int], Losses]
    parts: Mapping[str, Stateful]
    learner: Learner | None
    seed: int

    def __call__(self, index: int) -> Losses:
        """Step ``index``, seeded as `bench.training.train` seeds it."""
        torch.manual_seed(derive(self.seed, "torch", index))
        return self.step(index)


class _Caught(Exception):
    """Ends a ``fit`` where its training would have begun."""


def our_step(
    name: str, settings: Mapping[str, Any], learner: Learner | None, synthetic: ImageSet, real: ImageSet,
    context: Context,
) -> OurStep:  # fmt: skip
    """Prepare a refiner's training and return its step instead of running it."""
    module, kind, caller = REFINERS[name]
    refiner = getattr(importlib.import_module(module), kind)
    refiner = refiner(refiner.Config(**settings))
    training, caught = importlib.import_module(caller), dict[str, Any]()

    def catch(step: Callable[[int], Losses], **options: Any) -> None:
        caught.update(options, step=step)
        raise _Caught

    kept = training.train  # type: ignore[attr-defined]
    training.train = catch  # type: ignore[attr-defined]
    try:
        if learner is None:
            refiner.fit(synthetic, real, context)
        else:
            refiner.fit_jointly(learner, synthetic, real, context)
    except _Caught:
        pass
    finally:
        training.train = kept  # type: ignore[attr-defined]
    return OurStep(
        refiner.config, caught["batch_size"], caught["step"], caught["parts"], learner, context.seed
    )  # fmt: skip
