"""A mock task that learns a grey level in milliseconds: with `bench.conformance.mock_world`, a suite to try things on.

It is a plug-in file like anybody's, and the shortest example of a task and a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn, optim

from bench.contracts import Context, Model, PluginConfig, Score, State, Task
from bench.learning import Learner, Targets
from bench.samples import ImageSet
from bench.training import Batches, Stateful, train


class MockModel(Model):
    """One weight, which learns the mean grey level."""

    name = "mock-model"
    version = 1
    task = "mock-task"


class MockTask(Task):
    """Scores how far the learnt level is from the test images' level."""

    name = "mock-task"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {"closeness": True}
    headline = "closeness"

    class Config(PluginConfig):
        """Steps of gradient descent."""

        steps: int = 20

    def learner(self, model: Any, data: ImageSet, context: Context) -> Learner:
        """The one weight, lent to a refiner's loop."""
        return MockLearner(self.config.steps, context.seed)

    def train(self, model: Any, data: ImageSet, context: Context) -> State:
        """Fit the weight to the images' mean levels."""
        learner = MockLearner(self.config.steps, context.seed)
        images = torch.tensor(data.images()).permute(0, 3, 1, 2).float() / 127.5 - 1
        batches, optimizer = Batches(len(data), learner.batch_size, context.seed), learner.optimizer()

        def step(number: int) -> dict[str, Tensor]:
            losses = learner.losses(learner.outputs(images[batches.indices(number)]), {})
            optimizer.zero_grad()
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return {name: loss.detach() for name, loss in losses.items()}

        parts: dict[str, Stateful] = {"network": learner.network, "optimizer": optimizer}
        train(step, steps=learner.steps, batch_size=learner.batch_size, context=context, parts=parts)
        return learner.state()

    def predict(self, model: Any, state: State, data: ImageSet, context: Context) -> None:
        """Write the level."""
        (context.directory / "level.json").write_text(json.dumps(float(state["level"])))

    def score(self, predictions: Path, truth: ImageSet) -> list[Score]:
        """1 minus the distance of the levels, in fractions of the range of values."""
        level = json.loads((predictions / "level.json").read_text())
        return [Score("closeness", 1 - abs(level - float(truth.images().mean()) / 255))]


class MockLearner(Learner):
    """`MockTask`'s training for somebody else's loop."""

    batch_size = 4

    def __init__(self, steps: int, seed: int) -> None:
        self.steps = steps
        self.weight = nn.Linear(1, 1, bias=False)
        self.network = self.weight
        nn.init.constant_(self.weight.weight, seed % 7 / 1e6)  # so that the seed shows in the result

    def targets(self, data: ImageSet) -> Targets:
        """Nothing is needed but the images."""
        return {"images": torch.zeros(len(data))}

    def features(self, images: Tensor) -> Tensor:
        """(B,) mean levels in [0, 1] of (B, C, H, W) channels in [-1, 1]."""
        return (images[:, :3].mean((1, 2, 3)) + 1) / 2

    def outputs(self, images: Tensor, source: bool = False) -> Any:
        """(B,) what the weight is away from each level."""
        return self.network(torch.ones(len(images), 1))[:, 0] - self.features(images)

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        """The mean square."""
        return {"loss": (outputs**2).mean()}

    def optimizer(self, extra: Iterable[nn.Parameter] = ()) -> optim.Optimizer:
        """Plain gradient descent."""
        return optim.SGD([*self.weight.parameters(), *extra], lr=0.2)

    def schedule(self, optimizer: optim.Optimizer, step: int) -> None:
        """The rate stays."""

    def state(self) -> State:
        """``level``: (1,)."""
        return {"level": self.weight.weight.detach().flatten().clone()}
