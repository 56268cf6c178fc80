"""A mock suite: 16 small scenes with every kind of label, and a task that learns a grey level in milliseconds.

It is a plug-in file like anybody's, and the shortest example of a world, a task and a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn, optim

from bench.contracts import Context, Model, PluginConfig, Score, SplitRequest, State, Task, World
from bench.formats.layout import ImageSetWriter
from bench.learning import Learner, Targets
from bench.samples import LABELS, U8, ImageSet, Labels
from bench.training import Batches, Stateful, train

CLASSES = ("brick", "leaf")
COLOURS = np.array([(190, 70, 50), (60, 150, 70)], np.float32)


def scene(random: np.random.Generator, size: int) -> tuple[U8, Labels]:
    """One or two boxes on a graded wall: an image, (size, size, 3) uint8, with every kind of label."""
    image = np.full((size, size, 3), 140, np.float32) + np.linspace(-25, 25, size, dtype=np.float32)[None, :, None]
    instances = np.zeros((size, size), np.uint16)
    semantic = np.full((size, size), 255, np.uint8)
    depth = np.full((size, size), 2, np.float32)
    boxes, classes = [], []
    side = size // 4
    for number in range(int(random.integers(1, 3))):
        kind = int(random.integers(2))
        # The halves of the image are apart, so no box hides another.
        x = int(random.integers(0, size // 2 - side)) + number * size // 2
        y = int(random.integers(0, size - side))
        place = (slice(y, y + side), slice(x, x + side))
        image[place] = COLOURS[kind] + random.normal(0, 6, (side, side, 1))
        instances[place], semantic[place], depth[place] = number + 1, kind, 1 + kind / 4
        boxes.append((x, y, x + side, y + side))
        classes.append(kind)
    labels = Labels(
        boxes=np.array(boxes, np.float32), classes=np.array(classes, np.int64), instances=instances,
        foreground=instances > 0, depth=depth, semantic=semantic,
        vectors={"quaternion": np.array([1, 0, 0, 0], np.float32)},
    )  # fmt: skip
    return np.clip(image, 0, 255).astype(np.uint8), labels


class MockWorld(World):
    """Boxes on a wall; the "real" ones are darker, yellower and noisy."""

    name = "mock-world"
    version = 1
    real_kind = "stand-in"

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Draw ``count`` scenes."""
        real = request.domain == "real"
        writer = ImageSetWriter(
            context.directory, domain=request.domain, kind="stand-in" if real else "rendered", class_names=CLASSES,
            labels=LABELS,
        )
        for number in range(request.count):
            random = np.random.default_rng([request.seed % 2**32, number, real, request.split == "test"])
            image, labels = scene(random, request.size)
            if real:
                tinted = image * np.array([0.8, 0.75, 0.55]) * random.uniform(0.85, 1.15)
                image = np.clip(tinted + random.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            writer.add(f"{number:03d}", image, labels, group=f"scene-{number // 2}")
        writer.close()


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
