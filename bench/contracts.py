"""The contracts: what a world, a refiner, a task and a model are. At most three required methods each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bench.samples import U8, ImageSet, RealKind, Sample

if TYPE_CHECKING:
    import torch

    from bench.learning import Learner
    from bench.showing import Showing, TaskPicture

State: TypeAlias = "Mapping[str, torch.Tensor]"
"""What a trained thing is: flat tensors by name. A string, so that contracts import no torch."""


class PluginConfig(BaseModel):
    """Base of every plug-in's configuration: frozen, and a misspelt key is an error.

    Attributes:
        added: options that came after results were stored. At their default they change nothing that was computed
            before, so they are no part of a key then; their defaults must never change.
    """

    added: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, Any]:
        """What a stage's key knows of this configuration: every option, but for `added` ones at their default."""
        fields = type(self).model_fields
        asleep = {name for name in self.added if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude=asleep)


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of long work: ``step`` of ``total``, named losses, and how many images a second."""

    step: int
    total: int
    losses: Mapping[str, float] = field(default_factory=dict)
    images_per_second: float | None = None


def _silent(_: Progress) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """What a stage hands to a plug-in.

    Attributes:
        seed: the only source of randomness; equal for every arm of a replicate.
        directory: where logs, sample sheets and outputs go; becomes the artifact when the stage succeeds.
        device: a torch device string.
        checkpoint: file that long training saves to and goes on from, or None.
        precision: "fp32", or "bf16" (autocast, CUDA only).
        progress: call it as often as you like; the harness thins it out.
        sensors: what the camera measures besides the image (`bench.samples.ImageSet.sensors`).
        rank, ranks: which of how many processes that train together this is (`bench.distributed`); 0 of 1 for most.
    """

    seed: int
    directory: Path
    device: str = "cpu"
    checkpoint: Path | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    progress: Callable[[Progress], None] = _silent
    sensors: Mapping[str, float] = field(default_factory=dict)
    rank: int = 0
    ranks: int = 1


class Plugin:
    """What every plug-in carries: a name, an explicit version that decides identity, and a Config."""

    name: ClassVar[str]
    version: ClassVar[int]
    Config: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def skip(cls) -> str | None:
        """Why this cannot run here (a missing package, say), or None. The reason is shown in plan, table and page."""
        return None


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """One split of a world: ``count`` images of ``domain``/``split`` at ``size`` pixels, drawn from ``seed``.

    ``split`` is "train" or "test"; ``size`` is the (square) image size in pixels.
    """

    domain: Literal["synthetic", "real"]
    split: Literal["train", "test"]
    count: int
    size: int
    seed: int


class World(Plugin, ABC):
    """Something that yields a suite's image sets: an embedded, rendered one, or an adapter over a user's data.

    One required method. ``real_kind`` says what the world's real domain is: "stand-in" (rendered by us, and every
    table says so) or "photographs".

    ``options_of`` names options that the images of one domain alone depend on: the other domain's are then rendered
    with the default, so that a variant of the renders does not render the real images again.
    """

    real_kind: ClassVar[RealKind]
    options_of: ClassVar[Mapping[str, Literal["synthetic", "real"]]] = {}

    @abstractmethod
    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Write the split into ``context.directory`` in our layout (`bench.formats.layout.ImageSetWriter`)."""

    def fingerprint(self, request: SplitRequest) -> str:
        """A digest of the files that the split is read from; part of its key. Empty for a world that renders."""
        return ""

    def unscored(self) -> str | None:
        """Why no model can be scored here (no labelled test images), or None. Refiners are trained all the same."""
        return None

    def available(self, request: SplitRequest) -> int:
        """How many images the split will have; an adapter may have fewer than asked for."""
        return request.count


@dataclass(frozen=True, slots=True)
class Refined:
    """A refined image with refined sensor readings.

    Attributes:
        image: (H, W, 3) uint8.
        depth: (H, W) float32 in metres, or None to keep the rendered one. Taken only where the suite's ``sensors`` list
            depth, since it is a label otherwise, and labels are never a refiner's to change.
    """

    image: U8
    depth: NDArray[np.float32] | None = None


class Refiner(Plugin, ABC):
    """Maps synthetic images to realistic ones. Two required methods.

    Attributes:
        needs: kinds of synthetic labels that it reads (`bench.samples.LABELS`).
        trained: whether `fit` does anything; untrained refiners get no fit stage.
        joint: whether it trains a downstream model together with its own networks (`fit_jointly`): arm ``joint(R)``.
        refines: False for an adapter of features, which makes no images: it has the arm ``joint(R)`` and no other.
        separable: whether `fit` works without a downstream model too: the arm ``separate(R)``.
        shares: whether several processes can share `fit` (`bench.distributed`); if not, one does it, whatever is asked.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    trained: ClassVar[bool] = True
    joint: ClassVar[bool] = False
    refines: ClassVar[bool] = True
    separable: ClassVar[bool] = False
    shares: ClassVar[bool] = False

    @property
    def copies(self) -> int:
        """How many differently seeded refined images one synthetic image becomes (1 for most)."""
        return 1

    def fingerprint(self) -> str:
        """A digest of the files that the configuration names; part of its keys, where no path is. Empty without files.

        Called while planning, so what is missing can be told before anything runs (`DataError`).
        """
        return ""

    def prepare(self, synthetic: ImageSet, context: Context) -> None:
        """Called once before an image set is refined, with all of it: for checks that need the whole set.

        Nothing that `refine` returns may rest on it: a folder of images without a manifest is refined without it.
        """

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Learn from labelled synthetic and unlabelled real images (``real`` raises when its labels are read).

        Leaves ``losses.csv`` and sample sheets in ``context.directory``.
        """

    def fit_jointly(self, learner: Learner, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Learn as `fit` does, and train ``learner.network`` with it; the harness keeps ``learner.state()`` as well.

        Called instead of `fit` where `joint` is set. The learner has the steps, batch size, loss and initial weights
        that the same model has in every other arm of the replicate.
        """
        raise NotImplementedError(f"refiner '{self.name}' has no task network")

    @abstractmethod
    def refine(self, samples: Sequence[Sample], context: Context) -> Sequence[U8 | Refined]:
        """Return one (H, W, 3) uint8 image per sample, same size as the input, or a `Refined` with sensor readings.

        The result for a sample depends on the weights, the sample and ``context.seed`` alone, never on its batch.
        The harness writes the images and copies the labels, so a refiner cannot corrupt them.
        """

    def state_dict(self) -> State:
        """What `fit` learnt, as flat tensors (saved as safetensors)."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one cell; ``metric`` is a key of `Task.metrics`, or ``<key>/<class>`` for a per-class value."""

    metric: str
    value: float


class Model(Plugin):
    """One network of a task. The task's own package says what else a model must have."""

    task: ClassVar[str]


class Task(Plugin, ABC):
    """What is learned downstream. Three required methods; ``score`` is pure and separately versioned.

    Attributes:
        metrics: metric name -> whether higher is better.
        headline: the metric that gains are told in unless the suite says otherwise.
        score_version: raise it when a metric is mended: only score stages run again.
        agreement_version: the same for `agreement`: only the scores of training sets run again.
    """

    metrics: ClassVar[Mapping[str, bool]]
    headline: ClassVar[str]
    score_version: ClassVar[int]
    agreement_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def train(self, model: Any, data: ImageSet, context: Context) -> State:
        """Train ``model`` (a `Model` of this task) from scratch; return its state as flat tensors."""

    def learner(self, model: Any, data: ImageSet, context: Context) -> Learner:
        """``model`` ready to be trained in a refiner's own loop; raises `UsageError` for a task without such a way."""
        from bench.errors import UsageError

        raise UsageError(f"task '{self.name}' has no joint training; leave out the joint(...) arms")

    @abstractmethod
    def predict(self, model: Any, state: State, data: ImageSet, context: Context) -> None:
        """Write predictions for ``data`` into ``context.directory``; its labels are hidden."""

    @abstractmethod
    def score(self, predictions: Path, truth: ImageSet) -> list[Score]:
        """Score the predictions that `predict` wrote. Pure: no randomness, no device, no network."""

    def resample(
        self, predictions: Path, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """The metrics on test sets drawn from ``truth``: how sure they are for other test images (`bench.resampling`).

        Args:
            predictions, truth: as for `score`, and as pure.
            draws: (B, N), how often each of the N images of ``truth`` is in each of B sets. A row of ones is ``truth``.

        Returns:
            Metric -> (B,) values, NaN where a set has nothing to score. A metric that is left out is "not available"
            in the report; that is all of them by default.
        """
        return {}

    def agreement(self, predictions: Path, truth: ImageSet) -> NDArray[np.float64] | None:
        """How well predictions and labels agree, image by image: (N,) in [0, 1], 1 is best; NaN: nothing to compare.

        Asked of the real-trained model's predictions on training sets, so that images whose labels refining made wrong
        can be found and shown. None where a task has no such number; no result of a model depends on it. Pure.
        """
        return None

    def doubt(self, predictions: Path, truth: ImageSet) -> str:
        """Why predictions look like those of a model that learnt nothing (none at all, the same for every image).

        One line, or "" where nothing is odd. The cell keeps its value and is called degraded, with this as its reason.
        """
        return ""

    def pictures(self, showing: Showing) -> list[TaskPicture]:
        """Pictures of what one model of a run predicts, for the report; none for a task that has nothing to show.

        Called once when a report is built. What it raises becomes a note on the page; no result depends on it.
        """
        return []
