"""What the tasks with one network and one loss share: training loop, joint training, and predictions as arrays.

A task derives from `SupervisedTask` and says what its targets, losses, decoded outputs and scores are; a model derives
from `SupervisedModel` and says what its network is. Images reach a network as (B, C, H, W) float32 in [-1, 1]: red,
green, blue, then a channel for each of the suite's sensors (`bench.frames`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn, optim

from bench.contracts import Context, Model, PluginConfig, Progress, Score, State, Task
from bench.errors import DataError, UsageError
from bench.frames import DeviceRows, Frames, channel_count, to_device
from bench.graphs import Replayed
from bench.learning import Learner, SetTargets, Targets
from bench.rates import set_rate
from bench.samples import ImageSet
from bench.seeds import derive
from bench.spool import Rows
from bench.training import Batches, autocast, evaluating, memory_layout, step_generator, train
from tasks.optimization import Kind, Schedule, grouped_optimizer, learning_rate_factor

IMAGES = "images"
"""The images' name among the inputs of a training step, beside those of the targets."""
Arrays = Mapping[str, NDArray[Any]]
"""Predictions of a whole set by name, first dimension the image."""
Labelled = Mapping[str, Rows]
"""Targets of a whole set by name, first dimension the image; maps of a large set lie on disk (`bench.spool`)."""


@dataclass(frozen=True, slots=True)
class DataSpec:
    """What a network must know of its data: number of classes, input channels, and (height, width) in pixels."""

    classes: int
    channels: int
    size: tuple[int, int]


class SupervisedConfig(PluginConfig):
    """Options of every such model; ``None`` leaves the choice to the task's own configuration."""

    steps: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)


class SupervisedModel(Model):
    """One network; ``Config`` must derive from `SupervisedConfig`. One required method."""

    Config = SupervisedConfig

    @abstractmethod
    def build(self, spec: DataSpec) -> nn.Module:
        """The network; torch's generator is seeded, and its ``state_dict`` is what a trained model is."""

    def forward(self, module: nn.Module, images: Tensor, source: bool = False) -> Any:
        """Raw outputs. ``source``: the images are of the source domain, for a network with layers of its own for it."""
        return module(images)

    def features(self, module: nn.Module, images: Tensor) -> Tensor:
        """The representation that feature-level adaptation aligns, (B, F) or (B, F, H, W)."""
        raise UsageError(f"model '{self.name}' names no features to align; leave it out of that joint(...) arm")

    def outputs_and_features(self, module: nn.Module, images: Tensor) -> tuple[Any, Tensor]:
        """`forward` and `features` of the same images; a network that can gives both in one pass."""
        return self.forward(module, images), self.features(module, images)

    def parameter_groups(self, module: nn.Module) -> list[dict[str, Any]]:
        """Groups with ``params`` and, where a part learns faster, ``scale``."""
        return [{"params": list(module.parameters())}]


class SupervisedTask(Task):
    """A task of one network and one loss. Four required methods; every arm goes through `train` or `learner`."""

    predict_batch: ClassVar[int] = 32
    capturable: ClassVar[bool] = False
    """Whether `losses` holds to the rules of `bench.graphs`: then training is captured on CUDA."""

    class Config(PluginConfig):
        """Training, shared by all models; a model's own options go first.

        Attributes:
            steps, batch_size, learning_rate, weight_decay: of the optimizer.
            optimizer: see `tasks.optimization.grouped_optimizer`.
            schedule, warmup: see `tasks.optimization.learning_rate_factor`.
            gradient_clip: largest norm of the gradient; 0 switches clipping off.
        """

        steps: int = Field(default=1000, ge=1)
        batch_size: int = Field(default=16, ge=1)
        learning_rate: float = Field(default=1e-3, gt=0)
        weight_decay: float = Field(default=1e-4, ge=0)
        optimizer: Kind = "adamw"
        schedule: Schedule = "one-cycle"
        warmup: float = Field(default=0.25, ge=0, le=1)
        gradient_clip: float = Field(default=5.0, ge=0)

    @abstractmethod
    def targets(self, data: ImageSet) -> Labelled:
        """The labels of a whole set as arrays; raises `DataError` that names an image whose label makes no sense."""

    @abstractmethod
    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        """Named losses, scalars; their sum is minimised."""

    @abstractmethod
    def decode(self, outputs: Any) -> Mapping[str, Tensor]:
        """Predictions of a batch by name, first dimension the batch; what ``predictions.npz`` keeps."""

    @abstractmethod
    def measure(self, predictions: Arrays, truth: ImageSet) -> list[Score]:
        """Pure: the metrics of predictions as `decode` named them, over a whole set."""

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        """Change a training batch, the same way in every arm of a replicate; by default nothing is changed."""
        return images, targets

    def learner(self, model: SupervisedModel, data: ImageSet, context: Context) -> SupervisedLearner:
        """See `bench.contracts.Task.learner`."""
        return SupervisedLearner(self, model, data, context)

    def train(self, model: SupervisedModel, data: ImageSet, context: Context) -> State:
        """Train from scratch; see `bench.contracts.Task.train`."""
        learner, frames = self.learner(model, data, context), Frames(data, context.device)
        targets, optimizer = learner.targets(data), learner.optimizer()
        batches, clip = Batches(len(data), learner.batch_size, context.seed), self.config.gradient_clip
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

        def compute(inputs: Mapping[str, Tensor], _: Hashable) -> dict[str, Tensor]:
            labels = dict(inputs)
            images = labels.pop(IMAGES)
            with autocast(context):
                losses = learner.losses(learner.outputs(images), labels)
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            if clip:
                nn.utils.clip_grad_norm_(parameters, clip)
            optimizer.step()
            return {name: loss.detach() for name, loss in losses.items()}

        replayed = Replayed(compute, context.device, learner.capturable, repeatable=True)

        def step(i: int) -> Mapping[str, Tensor]:
            indices = batches.indices(i)
            images, labels = self.augment(
                frames.batch(indices), pick(targets, indices), step_generator(context.seed, "augment", i)
            )
            learner.schedule(optimizer, i)
            return replayed({**labels, IMAGES: images})

        learner.network.train()
        train(
            step, steps=learner.steps, batch_size=learner.batch_size, context=context,
            parts={"network": learner.network, "optimizer": optimizer},
        )  # fmt: skip
        return learner.state()

    def predict(self, model: SupervisedModel, state: State, data: ImageSet, context: Context) -> None:
        """Write ``predictions.npz``: what `decode` returns, for all images in order; always computed in float32."""
        module = self.network(model, data, context)
        module.load_state_dict(dict(state))
        frames, parts = Frames(data, context.device), []
        with evaluating(module):
            for start in range(0, len(frames), self.predict_batch):
                indices = range(start, min(start + self.predict_batch, len(frames)))
                outputs = model.forward(module, frames.batch(indices))
                parts.append({name: value.cpu().numpy() for name, value in self.decode(outputs).items()})
                context.progress(Progress(indices.stop, len(frames)))
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        np.savez(context.directory / "predictions.npz", **arrays)  # type: ignore[arg-type]

    def measure_draws(
        self, predictions: Arrays, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """As `measure`, on test sets drawn from ``truth``; see `bench.contracts.Task.resample`."""
        return {}

    def score(self, predictions: Path, truth: ImageSet) -> list[Score]:
        """Score the folder that `predict` wrote into; raises `DataError` when an image has no prediction."""
        return self.measure(self.arrays(predictions, truth), truth)

    def resample(
        self, predictions: Path, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """See `bench.contracts.Task.resample`."""
        return self.measure_draws(self.arrays(predictions, truth), truth, draws)

    def doubt(self, predictions: Path, truth: ImageSet) -> str:
        """Whether every image got the same prediction, to the last digit."""
        arrays = self.arrays(predictions, truth)
        if len(truth) > 1 and all((array == array[:1]).all() for array in arrays.values()):
            return f"the model predicts the same {' and '.join(arrays)} for all {len(truth)} test images"
        return ""

    def arrays(self, predictions: Path, truth: ImageSet) -> Arrays:
        """What `predict` wrote for the images of ``truth``; raises `DataError` when an image has no prediction."""
        with np.load(predictions / "predictions.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, array in arrays.items():
            if len(array) != len(truth):
                raise DataError(f"{predictions}: {len(array)} predictions of {name} for {len(truth)} images")
        return arrays

    def spec(self, data: ImageSet) -> DataSpec:
        """What networks are told of the data; a task whose networks must know more derives from `DataSpec`."""
        return DataSpec(len(data.class_names), channel_count(data.sensors), data.size)

    def network(self, model: SupervisedModel, data: ImageSet, context: Context) -> nn.Module:
        """The network with initial weights that depend on the seed and nothing else."""
        spec = self.spec(data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(context.seed, "weights"))
            module = model.build(spec).to(context.device)
        return module.to(memory_format=memory_layout(module))


class SupervisedLearner(Learner):
    """A model of a `SupervisedTask`, in training."""

    def __init__(self, task: SupervisedTask, model: SupervisedModel, data: ImageSet, context: Context) -> None:
        self._task, self._model, self._device = task, model, context.device
        self.network = task.network(model, data, context)
        self.steps = int(self._option("steps"))
        self.batch_size = int(self._option("batch_size"))
        self.gradient_clip = float(task.config.gradient_clip)
        self.capturable = task.capturable and task.config.optimizer != "sgd"

    def _option(self, name: str) -> Any:
        own = getattr(self._model.config, name)
        return getattr(self._task.config, name) if own is None else own

    def targets(self, data: ImageSet) -> Mapping[str, DeviceRows]:
        """See `Learner.targets`."""
        return {name: DeviceRows(rows, self._device) for name, rows in self._task.targets(data).items()}

    def outputs(self, images: Tensor, source: bool = False) -> Any:
        """See `Learner.outputs`."""
        return self._model.forward(self.network, images, source)

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        """See `Learner.losses`."""
        return self._task.losses(outputs, targets)

    def features(self, images: Tensor) -> Tensor:
        """See `Learner.features`."""
        return self._model.features(self.network, images)

    def outputs_and_features(self, images: Tensor) -> tuple[Any, Tensor]:
        """See `Learner.outputs_and_features`."""
        return self._model.outputs_and_features(self.network, images)

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        """See `Learner.augment`."""
        return self._task.augment(images, targets, random)

    def optimizer(self, extra: Iterable[nn.Parameter] = ()) -> optim.Optimizer:
        """See `Learner.optimizer`."""
        groups, more = self._model.parameter_groups(self.network), list(extra)
        if more:
            groups = [*groups, {"params": more}]
        rate, decay = float(self._option("learning_rate")), float(self._option("weight_decay"))
        return grouped_optimizer(groups, self._task.config.optimizer, rate, decay)

    def schedule(self, optimizer: optim.Optimizer, step: int) -> None:
        """See `Learner.schedule`."""
        config = self._task.config
        factor = learning_rate_factor(step, self.steps, config.schedule, config.warmup)
        set_rate(optimizer, float(self._option("learning_rate")) * factor)

    def state(self) -> State:
        """See `Learner.state`."""
        return {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in self.network.state_dict().items()
        }


def pick(targets: SetTargets, indices: Iterable[int]) -> dict[str, Tensor]:
    """The targets of a batch."""
    chosen = list(indices)
    return {
        name: value[chosen] if isinstance(value, DeviceRows) else value[to_device(chosen, value.device)]
        for name, value in targets.items()
    }
