"""PixelDA, Bousmalis et al. 2017 (arXiv 1612.05424): images adapted together with the task network that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from bench.contracts import Context, PluginConfig, Refined, Refiner
from bench.errors import DataError, UsageError, did_you_mean
from bench.frames import channel_count, from_channels, to_channels, to_device
from bench.samples import U8, ImageSet, Sample
from bench.seeds import derive
from bench.training import autocast, evaluating, train
from refiners.adaptation import AdaptationBatch, AdaptationBatches, pictures
from refiners.pixelda_networks import NoiseGenerator
from refiners.pixelda_step import PixelDaStep, generator
from refiners.sheets import write_sheet
from refiners.similarity import Reduction
from refiners.snapshots import Snapshots, flattened, unflattened

if TYPE_CHECKING:
    from bench.contracts import State
    from bench.learning import Learner

SHEET_ROWS = 6


class PixelDaConfig(PluginConfig):
    """The defaults are the paper's, as its published code has them; a CPU wants far smaller networks.

    The weights of the domain, style and generator's task loss are those of the published command for MNIST-M; those
    for LineMod, the weight of the content loss among them, are not known.
    """

    steps: int | None = Field(None, ge=1)
    """Pairs of updates (discriminator and task, then generator). None: as many as the model trains in every other arm;
    without a model it must be given. Another number is for arms that use the images alone: a joint arm would train its
    model longer or shorter than the others, which the plan refuses. The paper's digits take 250,000 pairs."""
    batch_size: int = Field(32, ge=2)
    """Images of each domain a step; together with a model it is the model's own."""
    fit_classes: tuple[str, ...] = ()
    """Train on synthetic images of these classes alone (Table 4: 6 of 11); none named: all. An image's class is that
    of its first object."""
    noise_dim: int = Field(10, ge=1)
    """Length of the noise vector."""
    ngf: int = Field(64, ge=1)
    """Channels of the generator."""
    n_blocks: int = Field(6, ge=0)
    """Residual blocks of the generator."""
    n_downsampling: int = Field(0, ge=0, le=3)
    """Ours, for CPUs: halvings of the resolution in front of the residual blocks."""
    residual: bool = False
    """Ours, for short runs: the generator blends its picture over its input and starts near the identity."""
    ndf: int = Field(64, ge=1)
    """Channels of the discriminator's first layer."""
    first_stride: int = Field(1, ge=1, le=2)
    """Stride of the discriminator's first convolution; 2 saves most of its time."""
    widest: int = Field(1024, ge=1)
    """Most channels of the discriminator."""
    keep: float = Field(0.9, gt=0, le=1)
    """Share of the discriminator's values that dropout keeps."""
    discriminator_noise: float = Field(0.2, ge=0)
    """Standard deviation of the noise on the discriminator's layers."""
    domain_weight: float = Field(0.1356, ge=0)
    """Of the discriminator's loss."""
    style_weight: float = Field(0.0113, ge=0)
    """Of the generator's adversarial loss."""
    task_weight: float = Field(1.0, ge=0)
    """Of the task's losses in the step of the task network, on source and on adapted images each."""
    task_in_generator_weight: float = Field(0.0101, ge=0)
    """Of the task's losses on adapted images in the generator's step."""
    task_on_source: bool = True
    """Train the task network on source images too (Table 5: what stabilises it)."""
    task_on_adapted: bool = True
    """Train task network and generator by the task's losses on adapted images."""
    similarity_weight: float = Field(1.0, ge=0)
    """Of the content loss (`refiners.similarity`); a choice of ours, for the formula of the paper."""
    similarity_reduction: Reduction = "mean"
    """"published" computes what the paper's code does: twice the formula, summed over the batch."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's learning rate for the generator, and for the discriminator unless it has its own."""
    discriminator_learning_rate: float | None = Field(None, gt=0)
    """None: as the generator's."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Adam's first moment."""
    decay_rate: float = Field(0.95, gt=0, le=1)
    """The learning rate is multiplied with this ..."""
    decay_steps: int = Field(10_000, ge=1)
    """... after each so many pairs of updates (the published 20,000 count both updates of a pair)."""
    weight_decay: float = Field(1e-5, ge=0)
    """L2 penalty on weights, as Adam adds it to the gradient."""
    gradient_clip: float = Field(5.0, ge=0)
    """Largest norm of the gradient of generator, discriminator and task network each; 0 switches clipping off."""
    task_optimizer: Literal["task", "paper"] = "task"
    """Who trains the task network: the optimizer and schedule that the model has in every other arm, so that arms
    compare (a departure from the paper), or the discriminator's Adam, as published."""
    copies: int = Field(1, ge=1)
    """Images made of one synthetic image, each with its own noise; in joint training every pass draws other noise."""
    snapshots: int = Field(1, ge=1)
    """Ours: states of the generator that refine, spread over the second half of training; one is drawn for each image.
    A network that learns along with the generator sees all its states, one that learns afterwards only what is kept."""
    source_share: float = Field(0.0, ge=0, lt=1)
    """Ours: share of the images that stay as rendered, since the paper's task network learns from source images too."""
    sheets: int = Field(8, ge=0)
    """Sample sheets written while it trains."""


class PixelDa(Refiner):
    """A generator with noise, judged by a discriminator and by a task network that learns from what it makes.

    Images are all the camera's channels: with a depth sensor the generator adapts depth as well and the discriminator
    sees it. The foreground of the content loss is the renderer's mask; the published code takes what is nearer than
    the background, which is the same on renders without one. With ``similarity_weight = 0`` no masks are needed.

    `fit` leaves ``losses.csv`` and ``sheets/step-*.png``: source, adapted and a real image, with depth in grey.
    """

    name = "pixelda"
    version = 2
    needs: ClassVar[frozenset[str]] = frozenset({"foreground"})
    joint: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    Config: ClassVar[type[PluginConfig]] = PixelDaConfig

    def __init__(self, config: PixelDaConfig) -> None:
        super().__init__(config)
        if not config.similarity_weight:
            # Without the content loss (the paper's digits have none) nobody asks where the foreground is.
            self.needs = frozenset()  # type: ignore[misc]
        self._generators: list[NoiseGenerator] = []

    @property
    def copies(self) -> int:
        """As configured: the harness calls `refine` so many times, each time with another seed."""
        return int(self.config.copies)

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train without a task network; raises `UsageError` without ``steps`` and `DivergedError` on NaN."""
        if self.config.steps is None:
            raise UsageError(f"[refiner.{self.name}]: steps is missing; without a model beside it nothing else tells")
        self._train(None, self.config.steps, self.config.batch_size, synthetic, real, context)

    def fit_jointly(self, learner: Learner, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train with the task network; raises `UsageError` where that network would learn nothing."""
        config = self.config
        if not config.task_on_source and not config.task_on_adapted:
            raise UsageError(
                f"[refiner.{self.name}]: task_on_source and task_on_adapted are both false, so the model learns nothing"
            )
        self._train(learner, config.steps or learner.steps, learner.batch_size, synthetic, real, context)

    def _train(
        self, learner: Learner | None, steps: int, size: int, synthetic: ImageSet, real: ImageSet, context: Context
    ) -> None:
        config = self.config
        batches = AdaptationBatches(
            self.name, synthetic, real, size, context,
            masks=config.similarity_weight > 0, chosen=self._chosen(synthetic),
        )  # fmt: skip
        self._check_size(batches.size)
        step = PixelDaStep(config, context, batches.channels, batches.size, learner, steps)
        targets = None if learner is None else learner.targets(synthetic)

        snapshots = Snapshots(step.generator, steps, config.snapshots)

        def one(i: int) -> Mapping[str, torch.Tensor]:
            batch = batches(i)
            rows = to_device(batch.indices, context.device)
            labels = targets and {name: value[rows] for name, value in targets.items()}
            losses = step(i, batch, labels)
            snapshots.after(i + 1)
            return losses

        def sheet(done: int) -> None:
            self._sheet(step.generator, batches(0), done, context)

        train(
            one, steps=steps, batch_size=size, context=context, parts={**step.parts(), "snapshots": snapshots},
            sheet=sheet, sheets=config.sheets,
        )  # fmt: skip
        self._restore(snapshots.states(), batches.channels, batches.size)

    def _restore(self, states: Sequence[State], channels: int, size: tuple[int, int]) -> None:
        self._generators = []
        for state in states:
            network = generator(self.config, channels, size)
            network.load_state_dict(dict(state))
            self._generators.append(network)

    def _chosen(self, synthetic: ImageSet) -> list[int] | None:
        """Indices of the images of `PixelDaConfig.fit_classes`."""
        wanted = self.config.fit_classes
        for name in wanted:
            if name not in synthetic.class_names:
                hint = did_you_mean(name, synthetic.class_names)
                raise UsageError(f"[refiner.{self.name}] fit_classes: unknown class '{name}'{hint}")
        if not wanted:
            return None
        kinds = {synthetic.class_names.index(name) for name in wanted}
        chosen = [i for i, record in enumerate(synthetic.records) if record.classes and record.classes[0] in kinds]
        if not chosen:
            raise DataError(f"{self.name}: no synthetic image shows {', '.join(wanted)} as its first object")
        return chosen

    def _check_size(self, size: tuple[int, int]) -> None:
        multiple = 2**self.config.n_downsampling
        if size[0] % multiple or size[1] % multiple:
            raise UsageError(
                f"[refiner.{self.name}] n_downsampling = {self.config.n_downsampling}: images of "
                f"{size[1]}x{size[0]} pixels do not divide by {multiple}"
            )

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8 | Refined]:
        """Adapt one by one, each with noise of its own: (seed, sample) decides it, and no batch reaches the result."""
        if not self._generators:
            raise UsageError(f"{self.name}: nothing fitted yet; call fit or load_state_dict first")
        networks = [network.to(context.device) for network in self._generators]
        if channel_count(context.sensors) != networks[0].channels:
            raise UsageError(f"{self.name}: fitted with other sensors than these; fit it again")
        with evaluating(*networks):
            made = [self._adapt(networks, sample, context) for sample in samples]
        return [refined.image if refined.depth is None else refined for refined in made]

    def _adapt(self, networks: Sequence[NoiseGenerator], sample: Sample, context: Context) -> Refined:
        if sample.image.shape[:2] != networks[0].size:
            height, width = networks[0].size
            raise DataError(f"{sample.id}: {self.name} was fitted to {width}x{height} pixels; fit it to this size")
        random = np.random.default_rng(derive(context.seed, self.name, sample.id))
        noise = torch.from_numpy(random.uniform(-1, 1, (1, networks[0].noise_dim)).astype(np.float32))
        network = networks[int(random.integers(len(networks)))]
        if random.random() < self.config.source_share:
            return Refined(sample.image, sample.labels.depth if context.sensors else None)
        with autocast(context):
            channels = network(to_channels([sample], context.sensors, context.device), noise.to(context.device))
        return from_channels(channels.float(), context.sensors)[0]

    def _sheet(self, network: NoiseGenerator, batch: AdaptationBatch, step: int, context: Context) -> None:
        count = min(SHEET_ROWS, len(batch.source))
        random = np.random.default_rng(derive(context.seed, "sheet"))
        noise = torch.from_numpy(random.uniform(-1, 1, (count, network.noise_dim)).astype(np.float32))
        with evaluating(network), autocast(context):
            adapted = network(batch.source[:count], noise.to(context.device))
        rows = [
            [picture for channels in row for picture in pictures(channels)]
            for row in zip(batch.source[:count], adapted, batch.target[:count], strict=True)
        ]
        write_sheet(context.directory / "sheets" / f"step-{step:06d}.png", rows)

    def state_dict(self) -> State:
        """The generator's kept states, as ``generator.<k>.<parameter>``, and the image size that it is made for."""
        if not self._generators:
            return {}
        states = flattened([network.state_dict() for network in self._generators])
        tensors = {f"generator.{name}": value for name, value in states.items()}
        return tensors | {"size": torch.tensor(self._generators[0].size)}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned; the configuration must be the one it was trained with."""
        states = unflattened({name.removeprefix("generator."): v for name, v in state.items() if name != "size"})
        height, width = (int(value) for value in state["size"])
        self._restore(states, states[0]["stem.0.weight"].shape[1] - 1, (height, width))
