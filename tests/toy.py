"""A whole toy bench in one plug-in file: a world, refiners, a task and models that run in milliseconds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn, optim

from bench.contracts import Context, Model, PluginConfig, Refiner, Score, SplitRequest, State, Task, World
from bench.formats.layout import ImageSetWriter
from bench.frames import Frames, from_channels, to_channels
from bench.learning import Learner, Targets
from bench.samples import U8, ImageSet, Labels, Sample
from bench.training import Batches, train


class ToyWorld(World):
    """Grey images; the real ones are brighter by 50, and half a metre farther away."""

    name = "toy-world"
    version = 1
    real_kind = "stand-in"

    class Config(PluginConfig):
        """Whether the images have depth."""

        depth: bool = False

    def image_set(self, request: SplitRequest, context: Context) -> None:
        writer = ImageSetWriter(
            context.directory, domain=request.domain, kind="rendered", class_names=["thing"],
            labels=["boxes", "depth"] if self.config.depth else ["boxes"],
        )  # fmt: skip
        for i in range(request.count):
            rng = np.random.default_rng([request.seed % 1000, i, request.domain == "real", request.split == "test"])
            level = int(rng.integers(60, 100)) + (50 if request.domain == "real" else 0)
            image = np.full((request.size, request.size, 3), level, np.uint8)
            depth = np.full(image.shape[:2], 1 + level / 1000 + (0.5 if request.domain == "real" else 0), np.float32)
            boxes = np.array([[1, 1, 5, 5]], np.float32)
            writer.add(f"{i:03d}", image, Labels(boxes=boxes, classes=np.array([0]), depth=depth))
        writer.close()


class Same(Refiner):
    """The control."""

    name = "toy-same"
    version = 1
    trained = False

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        return [sample.image for sample in samples]


class Brighten(Refiner):
    """Adds the difference of the mean levels."""

    name = "toy-brighten"
    version = 1

    class Config(PluginConfig):
        """How it may misbehave, for tests."""

        gain: float = Field(default=1.0, gt=0)
        peek: bool = False
        crash: str = ""
        won: bool = False

    shift = torch.zeros(1)

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        if self.config.peek:
            real.labels(0)
        if self.config.crash == "kill":
            os.kill(os.getpid(), 9)
        if self.config.crash:
            raise ValueError(self.config.crash)
        self.shift = torch.tensor([float(real.images().mean() - synthetic.images().mean()) * self.config.gain])
        (context.directory / "notes.txt").write_text("shift found\n")
        if self.config.won:
            lines = ["step,discriminator", *(f"{step},{0.5 if step < 400 else 0.001}" for step in range(10, 510, 10))]
            (context.directory / "losses.csv").write_text("\n".join(lines) + "\n")

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        return [np.clip(s.image + float(self.shift), 0, 255).astype(np.uint8) for s in samples]

    def state_dict(self) -> State:
        return {"shift": self.shift}

    def load_state_dict(self, state: State) -> None:
        self.shift = state["shift"]


class Joint(Brighten):
    """Adds the difference of the mean channels, and trains a model on the brightened images."""

    name = "toy-joint"
    version = 1
    joint = True
    separable = True

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        means = [Frames(images).batch(range(len(images))).mean((0, 2, 3)) for images in (real, synthetic)]
        self.shift = (means[0] - means[1]) * self.config.gain

    def fit_jointly(self, learner: Learner, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        self.fit(synthetic, real, context)
        frames, targets = Frames(synthetic), learner.targets(synthetic)
        batches, optimizer = Batches(len(synthetic), learner.batch_size, context.seed), learner.optimizer()

        def step(i: int) -> dict[str, Tensor]:
            indices = batches.indices(i)
            learner.schedule(optimizer, i)
            outputs = learner.outputs(frames.batch(indices) + self.shift[:, None, None])
            losses = learner.losses(outputs, {name: value[indices] for name, value in targets.items()})
            optimizer.zero_grad()
            losses["loss"].backward()
            optimizer.step()
            return {name: loss.detach() for name, loss in losses.items()}

        parts = {"network": learner.network, "optimizer": optimizer}
        train(step, steps=learner.steps, batch_size=learner.batch_size, context=context, parts=parts)

    def refine(self, samples: Sequence[Sample], context: Context) -> list[Any]:
        return from_channels(to_channels(samples, context.sensors) + self.shift[:, None, None], context.sensors)


class Adapter(Joint):
    """As `Joint`, without images."""

    name = "toy-adapter"
    version = 1
    refines = False
    separable = False

    def refine(self, samples: Sequence[Sample], context: Context) -> list[Any]:
        raise AssertionError("nobody may ask for images")


class Level(Model):
    """Learns the mean grey level."""

    name = "toy-level"
    version = 1
    task = "toy-task"

    class Config(PluginConfig):
        """How it may misbehave, for tests."""

        diverge: bool = False
        slow: float = 0.0


class OtherLevel(Level):
    """A second model, the same by another name."""

    name = "toy-other-level"
    version = 1
    task = "toy-task"


class Absent(Model):
    """A model whose package is missing."""

    name = "toy-absent"
    version = 1
    task = "toy-task"

    @classmethod
    def skip(cls) -> str | None:
        return "needs nothing that exists"


class ToyTask(Task):
    """Scores how far the learnt level is from the test images' level."""

    name = "toy-task"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {"closeness": True, "error": False}
    headline = "closeness"

    class Config(PluginConfig):
        """Steps of gradient descent, and whether a model may be lent."""

        steps: int = 40
        learnable: bool = True
        doubtful: bool = False

    def learner(self, model: Any, data: ImageSet, context: Context) -> Learner:
        if not self.config.learnable:
            return super().learner(model, data, context)
        return ToyLearner(self.config.steps, context.seed)

    def train(self, model: Any, data: ImageSet, context: Context) -> State:
        levels = torch.tensor(data.images().mean((1, 2, 3)), dtype=torch.float32) / 255
        layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(layer.weight)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.2)
        batches = Batches(len(data), 4, context.seed)

        def step(i: int) -> dict[str, torch.Tensor]:
            time.sleep(model.config.slow)
            loss = ((layer(torch.ones(4, 1))[:, 0] - levels[batches.indices(i)]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return {"loss": loss.detach() * (float("nan") if model.config.diverge else 1)}

        train(
            step,
            steps=self.config.steps,
            batch_size=4,
            context=context,
            parts={"layer": layer, "optimizer": optimizer},
            checkpoint_seconds=0.05,
        )
        return {"level": layer.weight.detach().flatten().clone()}

    def predict(self, model: Any, state: State, data: ImageSet, context: Context) -> None:
        (context.directory / "level.json").write_text(json.dumps(float(state["level"])))

    def score(self, predictions: Path, truth: ImageSet) -> list[Score]:
        level = json.loads((predictions / "level.json").read_text())
        error = abs(level - float(truth.images().mean()) / 255)
        return [Score("closeness", 1 - error), Score("error", error), Score("error/thing", error)]

    def doubt(self, predictions: Path, truth: ImageSet) -> str:
        return "all images have one level" if self.config.doubtful else ""

    def agreement(self, predictions: Path, truth: ImageSet) -> Any:
        """1 less the distance of the level to each image's; the second image has nothing to compare."""
        level = json.loads((predictions / "level.json").read_text())
        found = 1 - np.abs(level - truth.images().mean((1, 2, 3)) / 255)
        found[1] = np.nan
        return found


class ToyLearner(Learner):
    """`ToyTask`'s training for somebody else's loop: one weight learns the mean grey level of what it is shown."""

    batch_size = 4

    def __init__(self, steps: int, seed: int) -> None:
        self.steps = steps
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.network.weight, seed % 7 / 1e6)  # the seed shows in the result

    def targets(self, data: ImageSet) -> Targets:
        return {"boxes": torch.tensor([len(record.boxes) for record in data.records])}

    def features(self, images: Tensor) -> Tensor:
        return (images[:, :3].mean((1, 2, 3)) + 1) / 2

    def outputs(self, images: Tensor, source: bool = False) -> Any:
        return self.network(torch.ones(len(images), 1))[:, 0] - self.features(images)

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        return {"loss": (outputs[targets["boxes"] == 1] ** 2).mean()}

    def optimizer(self, extra: Iterable[nn.Parameter] = ()) -> optim.Optimizer:
        return optim.SGD([*self.network.parameters(), *extra], lr=0.2)

    def schedule(self, optimizer: optim.Optimizer, step: int) -> None:
        """The rate stays."""

    def state(self) -> State:
        return {"level": self.network.weight.detach().flatten().clone()}
