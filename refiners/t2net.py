"""T2Net, Zheng et al. 2018 (arXiv 1808.01454): image translation and depth prediction, trained end to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from bench.contracts import Context, PluginConfig, Refiner
from bench.errors import UsageError
from bench.frames import to_device
from bench.samples import U8, ImageSet, Sample
from bench.training import autocast, evaluating, step_generator, train
from refiners.adaptation import AdaptationBatches
from refiners.crops import to_image, to_tensor
from refiners.sheets import write_sheet
from refiners.t2net_networks import T2NetTranslator
from refiners.t2net_step import T2NetBatch, T2NetStep

if TYPE_CHECKING:
    from bench.contracts import State
    from bench.learning import Learner

SHEET_ROWS = 4
PUBLISHED_STEPS, PUBLISHED_BATCH = 35_050, 6


class T2NetConfig(PluginConfig):
    """The defaults are the published code's; a CPU wants far smaller networks and larger learning rates."""

    steps: int | None = Field(None, ge=1)
    """Optimizer steps. None: as many as the task's model gets in every arm; without one, the published 35,050."""
    batch_size: int | None = Field(None, ge=1)
    """Images of each domain a step. None: as the task's model; without one, the published 6."""
    flip: bool = True
    """Mirror real images half of the time, and synthetic ones where no task augments them."""
    width: int = Field(64, ge=1)
    """Channels of the translator at full resolution."""
    n_blocks: int = Field(7, ge=0)
    """Residual blocks of the translator, at a quarter of the resolution."""
    residual: bool = False
    """Ours, for short runs: the translator predicts a change of its input (`refiners.t2net_networks`)."""
    ndf: int = Field(64, ge=1)
    """Channels of the image discriminator's first layer."""
    n_layers: int = Field(3, ge=1, le=5)
    """Layers of stride 2 of the image discriminator."""
    feature_width: int = Field(512, ge=1)
    """Width of the feature discriminator's hidden layers."""
    lambda_image_adversarial: float = Field(1.0, ge=0)
    """Weight of loss 1: translated images look real. This one and those below leave their loss out at 0."""
    lambda_reconstruction: float = Field(100.0, ge=0)
    """Weight of loss 2: real images come back as they were."""
    lambda_feature_adversarial: float = Field(0.1, ge=0)
    """Weight of loss 3: the task network's features of translated images look like those of real ones."""
    lambda_task: float = Field(100.0, ge=0)
    """Weight of loss 4: the task's own, on translated images, over all scales."""
    lambda_smoothness: float = Field(0.1, ge=0)
    """Weight of loss 5: depth of real images is smooth where they are; 0 for tasks other than depth."""
    learning_rate: float = Field(5e-5, gt=0)
    """Adam's learning rate for the translator, and for the discriminators unless they have their own."""
    discriminator_learning_rate: float | None = Field(None, gt=0)
    """Learning rate of the discriminators; None: as the translator's."""
    task_optimizer: Literal["task", "paper"] = "task"
    """Who trains the task network: the optimizer, schedule and clipping that it has in every other arm, or the
    published Adam with betas (.95, .999)."""
    task_learning_rate: float = Field(1e-4, gt=0)
    """Learning rate of the task network with ``task_optimizer = "paper"``."""
    decay_from: float = Field(0.4, ge=0, le=1)
    """Share of the run after which learning rates fall linearly."""
    decay_until: float = Field(1.0, gt=0, le=1)
    """Share of the run where they reach 0 (published: 0.8, and negative after 0.9)."""
    discriminator_every: int = Field(5, ge=1)
    """The discriminators step once in so many steps. The published code has 5, which is easily overlooked in it."""
    feature_clamp: float = Field(0.01, ge=0)
    """After a step all weights of the feature discriminator are clamped to this; 0: not at all."""
    pool_size: int = Field(20, ge=0)
    """Earlier translated images kept for the image discriminator."""
    sheets: int = Field(8, ge=0)
    """Sample sheets written while it trains."""

    @model_validator(mode="after")
    def _ordered(self) -> T2NetConfig:
        if self.decay_from > self.decay_until:
            raise ValueError(f"decay_from = {self.decay_from} must not exceed decay_until = {self.decay_until}")
        return self


class T2Net(Refiner):
    """One translator for both domains, which must leave real images as they are, and a task network behind it.

    `fit_jointly` trains both end to end with all five losses (arm ``joint``; its translator is that of ``refined``);
    `fit` trains the translator alone with losses 1 and 2 (arm ``separate``). At work the task network sees real images
    as they are. Both leave ``losses.csv`` and ``sheets/step-*.png`` (columns: synthetic, refined, real, real again).
    """

    name = "t2net"
    version = 1
    joint = True
    separable = True
    Config: ClassVar[type[PluginConfig]] = T2NetConfig

    def __init__(self, config: T2NetConfig) -> None:
        super().__init__(config)
        self._translator: T2NetTranslator | None = None

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train the translator alone; raises `DivergedError` when a loss is not finite."""
        if not self.config.lambda_image_adversarial and not self.config.lambda_reconstruction:
            raise UsageError(
                "t2net: without a task network only the weights lambda_image_adversarial and lambda_reconstruction "
                "teach the translator; set one above 0"
            )
        self._fit(None, synthetic, real, context)

    def fit_jointly(self, learner: Learner, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train translator and task network end to end; raises as `fit`."""
        config = self.config
        if not any((config.lambda_image_adversarial, config.lambda_reconstruction, config.lambda_feature_adversarial,
                    config.lambda_task, config.lambda_smoothness)):  # fmt: skip
            raise UsageError("t2net: all five weights lambda_... are 0; set one above 0")
        self._fit(learner, synthetic, real, context)

    def _fit(self, learner: Learner | None, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        config = self.config
        steps = config.steps or (learner.steps if learner else PUBLISHED_STEPS)
        batch_size = config.batch_size or (learner.batch_size if learner else PUBLISHED_BATCH)
        batches = AdaptationBatches(self.name, synthetic, real, batch_size, context)
        targets = learner.targets(synthetic) if learner else None
        step = T2NetStep(config, context, steps, learner, batches.source.batch([0]))

        def batch(i: int) -> T2NetBatch:
            drawn, random = batches(i), step_generator(context.seed, "augment", i)
            target = mirrored(drawn.target, random) if config.flip else drawn.target
            if learner is None or targets is None:
                return T2NetBatch(mirrored(drawn.source, random) if config.flip else drawn.source, target)
            rows = to_device(drawn.indices, context.device)
            chosen = {name: value[rows] for name, value in targets.items()}
            source, labels = learner.augment(drawn.source, chosen, random)
            return T2NetBatch(source, target, labels)

        train(
            lambda i: step(i, batch(i)),
            steps=steps,
            batch_size=batch_size,
            context=context,
            parts=step.parts(),
            sheet=lambda i: self._sheet(step.translator, synthetic, real, i, context),
            sheets=config.sheets,
        )
        self._translator = step.translator

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """Translate one by one, with the running statistics: no image depends on the others of its batch."""
        if self._translator is None:
            raise UsageError(f"{self.name}: nothing fitted yet; call fit or load_state_dict first")
        network = self._translator.to(context.device).to(memory_format=torch.channels_last)
        return [translated(network, sample.image, context) for sample in samples]

    def _sheet(
        self, network: T2NetTranslator, synthetic: ImageSet, real: ImageSet, step: int, context: Context
    ) -> None:
        rows = []
        for index in range(min(SHEET_ROWS, len(synthetic), len(real))):
            pair = synthetic.image(index), real.image(index)
            rows.append([picture for image in pair for picture in (image, translated(network, image, context))])
        write_sheet(context.directory / "sheets" / f"step-{step:06d}.png", rows)

    def state_dict(self) -> State:
        """The translator alone, as ``translator.<name>``."""
        if self._translator is None:
            return {}
        state = self._translator.state_dict()
        return {f"translator.{name}": value.detach().cpu().contiguous() for name, value in state.items()}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned; the configuration must be the one it was trained with."""
        network = T2NetTranslator(self.config.width, self.config.n_blocks, residual=self.config.residual)
        network.load_state_dict({name.removeprefix("translator."): value for name, value in state.items()})
        self._translator = network


def translated(network: T2NetTranslator, image: U8, context: Context) -> U8:
    """One image, (H, W, 3) uint8, through the translator in evaluation mode."""
    with evaluating(network), autocast(context):
        return to_image(network(to_tensor(image[None], context.device))[0])


def mirrored(images: Tensor, random: np.random.Generator) -> Tensor:
    """(B, C, H, W) with half of the images mirrored, drawn from ``random``."""
    chosen = to_device(random.random(len(images)) < 0.5, images.device)
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)
