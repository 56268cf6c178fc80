"""Tasks of one network and one loss: a toy regression goes through everything that the real tasks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.contracts import Context, PluginConfig, Progress, Score, State
from bench.errors import DataError, UsageError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.frames import Frames
from bench.learning import Targets
from bench.samples import ImageSet, Labels
from bench.seeds import derive
from bench.training import Batches
from tasks.optimization import learning_rate_factor
from tasks.supervised import Arrays, DataSpec, SupervisedConfig, SupervisedModel, SupervisedTask, pick

SIZE = 8


class Regression(SupervisedTask):
    """How bright is an image?"""

    name = "toy-regression"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {"error": False}
    headline = "error"
    predict_batch = 3
    noise: float = 0.0

    def targets(self, data: ImageSet) -> Arrays:
        return {"level": np.stack([data.labels(index).vectors["level"] for index in range(len(data))])}

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        square = (outputs - targets["level"]).square().mean()
        return {"square": square, "bias": outputs.mean().square() * 0.01}

    def decode(self, outputs: Any) -> Mapping[str, Tensor]:
        return {"level": outputs[:, 0], "twice": outputs * 2}

    def measure(self, predictions: Arrays, truth: ImageSet) -> list[Score]:
        return [Score("error", float(np.abs(predictions["level"] - self.targets(truth)["level"][:, 0]).mean()))]

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        return images + self.noise * float(random.normal()), targets


class Pool(SupervisedModel):
    """A convolution, dropout, and a linear layer that learns twice as fast."""

    name = "toy-pool"
    version = 1
    task = "toy-regression"
    Config: ClassVar[type[PluginConfig]] = SupervisedConfig

    def build(self, spec: DataSpec) -> nn.Module:
        assert spec.size == (SIZE, SIZE)
        return nn.Sequential(
            nn.Conv2d(spec.channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Dropout(0.2), nn.Linear(4, 1),
        )  # fmt: skip

    def parameter_groups(self, module: nn.Module) -> list[dict[str, Any]]:
        assert isinstance(module, nn.Sequential)
        return [{"params": list(module[:-1].parameters())}, {"params": list(module[-1].parameters()), "scale": 2.0}]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Ten grey images of different levels with depth, labelled with their level in [-1, 1]."""
    root = tmp_path_factory.mktemp("grey")
    writer = ImageSetWriter(
        root, domain="synthetic", kind="rendered", class_names=["a", "b"], labels=["vectors", "depth"]
    )
    for number in range(10):
        level = 20 + 22 * number
        image = np.full((SIZE, SIZE, 3), level, np.uint8)
        vector = {"level": np.array([level / 127.5 - 1], np.float32)}
        writer.add(f"{number}", image, Labels(vectors=vector, depth=np.full((SIZE, SIZE), 1 + level / 99, np.float32)))
    writer.close()
    return open_image_set(root)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A context with a directory of its own."""
    return Context(seed=7, directory=tmp_path)


def task(**settings: Any) -> Regression:
    return Regression(Regression.Config(**{"steps": 12, "batch_size": 4, "learning_rate": 0.05} | settings))


def model(**settings: Any) -> Pool:
    return Pool(SupervisedConfig(**settings))


def same(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns(data: ImageSet, context: Context) -> None:
    learnt = task(steps=300)
    state = learnt.train(model(), data, context)
    learnt.predict(model(), state, data.unlabelled(), context)
    score = learnt.score(context.directory, data)[0]
    assert (score.metric, score.value < 0.2) == ("error", True)
    header = (context.directory / "losses.csv").read_text().splitlines()[0]
    assert header == "step,square,bias"


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_seed_decides_everything(data: ImageSet, tmp_path: Path, noise: float) -> None:
    states = []
    for run, seed in (("a", 7), ("b", 7), ("c", 8)):
        (tmp_path / run).mkdir()
        torch.rand(3)  # whatever was drawn before must not matter
        regression = task()
        regression.noise = noise
        states.append(regression.train(model(), data, Context(seed, tmp_path / run)))
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_a_stopped_training_goes_on_to_the_same_bytes(
    data: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        """Somebody pulled the plug."""

    def stop(progress: Progress) -> None:
        if progress.step >= 20:
            raise StopError

    monkeypatch.setattr("bench.training.time.monotonic", iter(range(0, 10**6, 60)).__next__)  # a checkpoint every step
    for run in ("whole", "stopped"):
        (tmp_path / run).mkdir()
    regression = task(steps=35)
    regression.noise = 0.3
    whole = regression.train(model(), data, Context(7, tmp_path / "whole"))
    interrupted = Context(7, tmp_path / "stopped", checkpoint=tmp_path / "stopped" / "checkpoint.pt", progress=stop)
    with pytest.raises(StopError):
        regression.train(model(), data, interrupted)
    resumed: list[int] = []
    again = replace(interrupted, progress=lambda progress: resumed.append(progress.step))
    assert same(regression.train(model(), data, again), whole)
    assert resumed[0] == 20
    logs = [(tmp_path / run / "losses.csv").read_text() for run in ("whole", "stopped")]
    assert logs[0] == logs[1]


def test_training_is_the_loop_written_by_hand(data: ImageSet, context: Context) -> None:
    regression = task(optimizer="sgd", weight_decay=0, gradient_clip=0.1, schedule="poly")
    found = regression.train(model(), data, context)
    module = regression.network(model(), data, context).train()
    frames, levels = Frames(data), torch.from_numpy(regression.targets(data)["level"])
    order = Batches(len(data), 4, context.seed)
    velocity = [torch.zeros_like(parameter) for parameter in module.parameters()]
    scales = [1.0] * (len(velocity) - 2) + [2.0] * 2
    for step in range(12):
        torch.manual_seed(derive(context.seed, "torch", step))
        indices = order.indices(step)
        outputs = module(frames.batch(indices))
        loss = (outputs - levels[indices]).square().mean() + outputs.mean().square() * 0.01
        gradients = torch.autograd.grad(loss, list(module.parameters()))
        norm = torch.sqrt(sum((gradient.square().sum() for gradient in gradients), torch.zeros(())))
        rate = 0.05 * (1 - step / 12) ** 0.9
        for parameter, gradient, v, scale in zip(module.parameters(), gradients, velocity, scales, strict=True):
            clipped = gradient * min(1.0, 0.1 / float(norm))
            v.mul_(0.9).add_(clipped)
            parameter.data.sub_(rate * scale * (clipped + 0.9 * v))  # Nesterov
    for name, value in module.state_dict().items():
        torch.testing.assert_close(found[name], value.contiguous(), rtol=1e-4, atol=1e-6)


def test_a_models_own_options_go_first(data: ImageSet, context: Context) -> None:
    lent = task().learner(model(steps=3, batch_size=2, learning_rate=0.5, weight_decay=0.25), data, context)
    assert (lent.steps, lent.batch_size, lent.gradient_clip) == (3, 2, 5.0)
    groups = lent.optimizer().param_groups
    assert {(group["lr"], group["weight_decay"]) for group in groups} == {
        (0.5, 0.25), (0.5, 0.0), (1.0, 0.25), (1.0, 0.0),
    }  # fmt: skip
    other = task(gradient_clip=0.5).learner(model(), data, context)
    assert (other.steps, other.batch_size, other.gradient_clip) == (12, 4, 0.5)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant", "poly"])
def test_the_schedule_keeps_the_ratio_of_the_groups(data: ImageSet, context: Context, schedule: str) -> None:
    lent = task(schedule=schedule).learner(model(), data, context)
    extra = nn.Parameter(torch.ones(2, 2))
    optimizer = lent.optimizer([extra])
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 7
    for step in (0, 5, 11):
        lent.schedule(optimizer, step)
        rate = 0.05 * learning_rate_factor(step, 12, schedule, 0.25)  # type: ignore[arg-type]
        for group in optimizer.param_groups:
            last = any(parameter is lent.network[-1].weight for parameter in group["params"])
            last = last or any(parameter is lent.network[-1].bias for parameter in group["params"])
            if group["params"]:
                assert group["lr"] == pytest.approx(rate * (2 if last else 1))


def test_poly() -> None:
    factors = [learning_rate_factor(step, 100, "poly", 0.25) for step in range(100)]
    assert factors[0] == 1
    assert factors[50] == pytest.approx(0.5**0.9) == pytest.approx(0.5358867)
    assert factors[99] == pytest.approx(0.01**0.9) == pytest.approx(0.0158489319)
    assert factors == sorted(factors, reverse=True)


def test_initial_weights_are_the_seeds_and_nobody_elses(data: ImageSet, context: Context) -> None:
    state = torch.random.get_rng_state()
    first = task().learner(model(), data, context).state()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(5)
    assert same(first, task().learner(model(), data.subset([3]), context).state())
    assert not same(first, task().learner(model(), data, replace(context, seed=8)).state())


def test_a_sensor_is_one_more_channel(data: ImageSet, context: Context) -> None:
    sensed = data.sensed({"depth": 4.0})
    state = task().train(model(), sensed, context)
    assert state["0.weight"].shape == (4, 4, 3, 3)
    task().predict(model(), state, sensed.unlabelled(), context)


def test_predictions_are_in_order_whatever_the_batch(
    data: ImageSet, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    regression = task()
    state = regression.train(model(), data, context)
    kept = {}
    steps: list[tuple[int, int]] = []
    noted = replace(context, progress=lambda progress: steps.append((progress.step, progress.total)))
    for batch in (3, 1, 32):
        monkeypatch.setattr(Regression, "predict_batch", batch)
        regression.predict(model(), state, data.unlabelled(), noted)
        with np.load(context.directory / "predictions.npz") as file:
            kept[batch] = {name: file[name] for name in file.files}
    assert steps[:4] == [(3, 10), (6, 10), (9, 10), (10, 10)]
    assert kept[3]["level"].shape == (10,)
    assert kept[3]["twice"].shape == (10, 1)
    for batch in (1, 32):
        np.testing.assert_allclose(kept[batch]["level"], kept[3]["level"], rtol=1e-5, atol=1e-6)
    regression.predict(model(), state, data.subset([4, 0]).unlabelled(), context)
    with np.load(context.directory / "predictions.npz") as file:
        np.testing.assert_allclose(file["level"], kept[3]["level"][[4, 0]], rtol=1e-5, atol=1e-6)


def test_missing_predictions_are_named(data: ImageSet, tmp_path: Path) -> None:
    np.savez(tmp_path / "predictions.npz", level=np.zeros(9))
    with pytest.raises(DataError, match="9 predictions of level for 10 images"):
        task().score(tmp_path, data)


def test_a_model_says_when_it_names_no_features(data: ImageSet, context: Context) -> None:
    lent = task().learner(model(), data, context)
    for ask in (lent.features, lent.outputs_and_features):
        with pytest.raises(UsageError, match=r"^model 'toy-pool' names no features to align; leave it out of"):
            ask(torch.zeros(1, 3, SIZE, SIZE))


def test_a_learner_augments_as_its_task_does(data: ImageSet, context: Context) -> None:
    regression = task()
    regression.noise = 1.0
    images, targets = regression.learner(model(), data, context).augment(
        torch.zeros(1, 3, 2, 2), {"level": torch.ones(1)}, np.random.default_rng(0)
    )
    assert float(images.mean()) == pytest.approx(np.random.default_rng(0).normal())
    assert targets == {"level": torch.ones(1)}


def test_pick() -> None:
    targets = {"a": torch.arange(4), "b": torch.arange(8).reshape(4, 2)}
    batch = pick(targets, (3, 1))
    assert batch["a"].tolist() == [3, 1]
    assert batch["b"].tolist() == [[6, 7], [2, 3]]


@pytest.mark.parametrize("setting", ["stepz", "steps"])
def test_wrong_settings(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        Regression.Config(**{setting: 0})
