"""What adapters of features share: train a model on labelled synthetic images while its features learn to ignore the
domain. They refine no image; a suite uses them through ``joint(NAME)``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.contracts import Context, PluginConfig, Refined, Refiner
from bench.errors import DataError, UsageError
from bench.frames import Frames
from bench.samples import U8, ImageSet, Sample
from bench.training import Batches, Stateful, autocast, evaluating, step_generator, train

if TYPE_CHECKING:
    from bench.learning import Learner


class FeatureAlignmentConfig(PluginConfig):
    """How strongly, and from when on, features are aligned. Steps, batch size and optimizer are the task's."""

    weight: float = Field(1.0, ge=0)
    """Weight of the alignment against the task's losses, once it is fully on."""
    schedule: Literal["sigmoid", "constant"] = "sigmoid"
    """``sigmoid``: the weight rises from 0 as in `alignment_share`; ``constant``: it is fully on from the start."""
    steepness: float = Field(10.0, gt=0)
    """How fast the sigmoid rises (10 in Ganin et al. 2016, section 5.2.2)."""


class FeatureAlignment(Refiner):
    """Adapter of features: one required method, `alignment`.

    A step takes ``batch_size`` labelled synthetic images, augmented as the task does in every arm, and as many
    unlabelled real ones, which stay as they are. Each domain passes through the network by itself, so batch
    normalisation, where a network has it, normalises each by its own statistics, and its running ones see both. A model
    without ``outputs_and_features`` of its own passes the synthetic images twice, with other dropout masks.
    """

    joint: ClassVar[bool] = True
    refines: ClassVar[bool] = False

    @abstractmethod
    def alignment(self, synthetic: Tensor, real: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """What is minimised besides the task's losses, and what the log shows of it; two scalars.

        Args:
            synthetic, real: (B, F) float32 features of each domain, with gradients.
            share: how far the alignment is on, in [0, 1].
        """

    def prepare(self, features: int, context: Context) -> nn.Module | None:
        """A network that is trained along, for ``features`` features, or None; here none."""
        return None

    def fit_jointly(self, learner: Learner, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train ``learner.network`` with the task's losses on synthetic images and `alignment` with real ones.

        Raises:
            DataError: a set without images.
            UsageError: the model names no features.
            DivergedError: a loss is not finite.
        """
        if not len(synthetic) or not len(real):
            raise DataError(f"{self.name}: needs synthetic and real images, got {len(synthetic)} and {len(real)}")
        frames, real_frames = Frames(synthetic, context.device), Frames(real, context.device)
        targets, size = learner.targets(synthetic), learner.batch_size
        batches = Batches(len(synthetic), size, context.seed)
        real_batches = Batches(len(real), size, context.seed, "real")
        with evaluating(learner.network):
            count = pooled(learner.features(frames.batch([0]))).shape[1]
        helper = self.prepare(count, context)
        optimizer = learner.optimizer(() if helper is None else helper.parameters())

        def step(i: int) -> dict[str, Tensor]:
            indices = batches.indices(i)
            labels = {name: value[torch.as_tensor(indices, device=value.device)] for name, value in targets.items()}
            random = step_generator(context.seed, "augment", i)
            images, chosen = learner.augment(frames.batch(indices), labels, random)
            learner.schedule(optimizer, i)
            with autocast(context):
                outputs, ours = learner.outputs_and_features(images)
                losses = learner.losses(outputs, chosen)
                theirs = learner.features(real_frames.batch(real_batches.indices(i)))
            # Distances and logarithms of features want more digits than mixed precision has.
            domains = pooled(ours).float(), pooled(theirs).float()
            aligned, shown = self.alignment(*domains, self.share(i, learner.steps))
            optimizer.zero_grad(set_to_none=True)
            (torch.stack(list(losses.values())).sum() + aligned).backward()  # type: ignore[no-untyped-call]
            if learner.gradient_clip:
                nn.utils.clip_grad_norm_(learner.network.parameters(), learner.gradient_clip)
            optimizer.step()
            return {name: loss.detach() for name, loss in losses.items()} | {"alignment": shown.detach()}

        learner.network.train()
        parts: dict[str, Stateful] = {"network": learner.network, "optimizer": optimizer}
        if helper is not None:
            parts["helper"] = helper.train()
        train(step, steps=learner.steps, batch_size=size, context=context, parts=parts)

    def share(self, step: int, steps: int) -> float:
        """How far the alignment is on at a step (0-based), in [0, 1]."""
        config = self.config
        return alignment_share(step / steps, config.steepness) if config.schedule == "sigmoid" else 1.0

    def refine(self, samples: Sequence[Sample], context: Context) -> Sequence[U8 | Refined]:
        """Raises `UsageError`: there is nothing to refine with."""
        raise UsageError(f"{self.name} aligns features and refines no images; use the arm joint({self.name})")


def alignment_share(progress: float, steepness: float = 10.0) -> float:
    """2 / (1 + exp(-steepness * progress)) - 1 for ``progress`` in [0, 1] (Ganin et al. 2016, section 5.2.2)."""
    return 2 / (1 + math.exp(-steepness * progress)) - 1


def pooled(features: Tensor) -> Tensor:
    """(B, F) features as they are; (B, F, H, W) ones averaged over the image."""
    return features.mean((2, 3)) if features.ndim == 4 else features.flatten(1)


def prefixed(name: str, module: nn.Module) -> Mapping[str, Any]:
    """A network's state as flat tensors named ``<name>.<parameter>``."""
    return {f"{name}.{key}": value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
