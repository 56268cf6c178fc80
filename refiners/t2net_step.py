"""One training step of T2Net: translator, depth network and two discriminators (Zheng et al. 2018, arXiv 1808.01454).

The published code goes backward three times, each time with other networks frozen; one backward pass over the sum of
all losses gives the same gradients, because only the losses of f(G(x)) reach two networks:

- translator G on synthetic and real images in one batch: look real (1), reproduce real images (2): to G alone;
- depth network f on G(synthetic): features as of real images (3), the task's loss (4): to f and to G, end to end;
- f on the real images themselves: smooth depth (5): to f alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from bench.contracts import Context
from bench.errors import UsageError
from bench.graphs import Replayed
from bench.learning import Learner, Targets
from bench.rates import adam, set_rate
from bench.seeds import derive
from bench.training import Stateful, autocast, evaluating, step_generator
from refiners.losses import discriminator_adversarial_loss, generator_adversarial_loss, identity_loss
from refiners.pool import ImagePool
from refiners.smoothness import edge_aware_smoothness_loss
from refiners.t2net_networks import FeatureDiscriminator, ImageDiscriminator, T2NetTranslator

BETAS = (0.5, 0.9)
TASK_BETAS = (0.95, 0.999)
TARGET = "target."
"""In front of the names of a step's labels among its inputs."""


class T2NetSettings(Protocol):
    """What the step reads of the configuration (`refiners.t2net.T2NetConfig` documents each)."""

    width: int
    n_blocks: int
    residual: bool
    ndf: int
    n_layers: int
    feature_width: int
    lambda_image_adversarial: float
    lambda_reconstruction: float
    lambda_feature_adversarial: float
    lambda_task: float
    lambda_smoothness: float
    learning_rate: float
    discriminator_learning_rate: float | None
    task_optimizer: Literal["task", "paper"]
    task_learning_rate: float
    decay_from: float
    decay_until: float
    discriminator_every: int
    feature_clamp: float
    pool_size: int


@dataclass(frozen=True)
class T2NetBatch:
    """One step's images, (B, C, H, W) in [-1, 1], and the labels of the synthetic ones where there is a learner."""

    synthetic: Tensor
    real: Tensor
    targets: Targets | None = None


@dataclass(frozen=True)
class _Made:
    """What the discriminators are shown: translated images, and features of both domains where they are aligned."""

    refined: Tensor
    features: Tensor | None = None
    real_features: Tensor | None = None


class T2NetStep:
    """All networks, their optimizers and the pool. Without a learner only losses 1 and 2 are there.

    Args:
        config: sizes, weights and rates.
        context: seed and device.
        steps: of the whole run.
        learner: the model that is trained along.
        example: (1, C, H, W), to find out how large the learner's features are; needed with a learner.
    """

    def __init__(
        self,
        config: T2NetSettings,
        context: Context,
        steps: int,
        learner: Learner | None = None,
        example: Tensor | None = None,
    ) -> None:
        self.config, self.context, self.steps, self.learner = config, context, steps, learner
        torch.manual_seed(derive(context.seed, "networks"))
        self.translator = T2NetTranslator(config.width, config.n_blocks, residual=config.residual)
        self.judge = ImageDiscriminator(config.ndf, config.n_layers)
        self.feature_judge: FeatureDiscriminator | None = None
        if learner is not None and example is not None and config.lambda_feature_adversarial:
            with evaluating(learner.network):
                size = learner.features(example).flatten(1).shape[1]
            self.feature_judge = FeatureDiscriminator(size, config.feature_width)
        for network in (self.translator, self.judge, self.feature_judge):
            if network is not None:
                # Measured on a CPU too: steps of these networks are 10 to 30 % faster with channels last.
                network.to(context.device).to(memory_format=torch.channels_last)
        judges = nn.ModuleList([self.judge, *([self.feature_judge] if self.feature_judge is not None else [])])
        self._judges, self._pool = judges, ImagePool(config.pool_size)
        self._rates = config.learning_rate, config.discriminator_learning_rate or config.learning_rate
        device = context.device
        self._optimizer = adam(self.translator.parameters(), self._rates[0], BETAS, device)
        self._judge_optimizer = adam(judges.parameters(), self._rates[1], BETAS, device)
        self._task_optimizer: torch.optim.Optimizer | None = None
        if learner is not None:
            learner.network.train()
            parameters, rate = learner.network.parameters(), config.task_learning_rate
            own = config.task_optimizer == "paper"
            self._task_optimizer = (
                adam(parameters, rate, TASK_BETAS, device) if own else learner.optimizer()
            )
        self._replayed = Replayed(self._compute, device, learner is None or learner.capturable)

    def parts(self) -> dict[str, Stateful]:
        """Everything that a checkpoint must hold; learning rates are functions of the step and need no state."""
        parts: dict[str, Stateful] = {
            "translator": self.translator,
            "discriminators": self._judges,
            "optimizer": self._optimizer,
            "discriminator_optimizer": self._judge_optimizer,
            "pool": self._pool,
        }
        if self.learner is not None and self._task_optimizer is not None:
            parts |= {"task": self.learner.network, "task_optimizer": self._task_optimizer}
        return parts

    def __call__(self, step: int, batch: T2NetBatch) -> Mapping[str, Tensor]:
        """Do step ``step``; return every loss, unweighted."""
        self._set_rates(step)
        moves = self._pool.decide(len(batch.synthetic), step_generator(self.context.seed, "pool", step))
        inputs = {"synthetic": batch.synthetic, "real": batch.real, "moves": moves}
        inputs |= {TARGET + name: value for name, value in (batch.targets or {}).items()}
        return self._replayed(inputs, (step % self.config.discriminator_every == 0, batch.targets is not None))

    def _compute(self, inputs: Mapping[str, Tensor], variant: Any) -> dict[str, Tensor]:
        """One step; the variant says whether the discriminators' optimizer steps too, and whether there are labels."""
        active, labelled = variant
        targets = {name.removeprefix(TARGET): v for name, v in inputs.items() if name.startswith(TARGET)}
        batch = T2NetBatch(inputs["synthetic"], inputs["real"], targets if labelled else None)
        losses, made = self._generator_step(batch)
        return losses | self._discriminator_step(active, batch.real[:, :3], made, inputs["moves"])

    def _set_rates(self, step: int) -> None:
        config = self.config
        factor = learning_rate_factor(step, self.steps, config.decay_from, config.decay_until)
        rated: list[tuple[torch.optim.Optimizer, float]] = [
            (self._optimizer, self._rates[0]), (self._judge_optimizer, self._rates[1])
        ]  # fmt: skip
        if self.learner is not None and self._task_optimizer is not None:
            if config.task_optimizer == "paper":
                rated.append((self._task_optimizer, config.task_learning_rate))
            else:
                # The task's own schedule over the whole run, however many steps that has.
                self.learner.schedule(self._task_optimizer, step * self.learner.steps // self.steps)
        for optimizer, rate in rated:
            set_rate(optimizer, rate * factor)

    def _generator_step(self, batch: T2NetBatch) -> tuple[dict[str, Tensor], _Made]:
        config, real = self.config, batch.real[:, :3]
        self._judges.requires_grad_(False)
        weighted: dict[str, tuple[float, Tensor]] = {}
        with autocast(self.context):
            # One batch, so that batch normalisation sees both domains, as published.
            refined, again = self.translator(torch.cat([batch.synthetic[:, :3], real])).split(
                [len(batch.synthetic), len(real)]
            )
            if config.lambda_image_adversarial:
                loss = generator_adversarial_loss(self.judge(refined))
                weighted["adversarial"] = config.lambda_image_adversarial, loss
            if config.lambda_reconstruction:
                weighted["reconstruction"] = config.lambda_reconstruction, identity_loss(again, real)
            made = _Made(refined.detach())
            if self.learner is not None and batch.targets is not None:
                made = self._task_losses(self.learner, batch, refined, batch.targets, weighted)
        self._optimizer.zero_grad(set_to_none=True)
        if self._task_optimizer is not None:
            self._task_optimizer.zero_grad(set_to_none=True)
        total = torch.stack([weight * loss for weight, loss in weighted.values()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._step_task()
        self._judges.requires_grad_(True)
        return {name: loss.detach() for name, (_, loss) in weighted.items()} | {"total": total.detach()}, made

    def _task_losses(
        self,
        learner: Learner,
        batch: T2NetBatch,
        refined: Tensor,
        targets: Targets,
        weighted: dict[str, tuple[float, Tensor]],
    ) -> _Made:
        """Losses 3 to 5 into ``weighted``. Other sensors' channels reach the task network as they are."""
        config, judge = self.config, self.feature_judge
        outputs, features = _passed(learner, torch.cat([refined, batch.synthetic[:, 3:]], 1), judge is not None)
        if judge is not None and features is not None:
            weighted["feature_adversarial"] = (
                config.lambda_feature_adversarial, generator_adversarial_loss(judge(features))
            )
        if config.lambda_task:
            losses = learner.losses(outputs, targets)
            weighted["task"] = config.lambda_task, torch.stack(list(losses.values())).sum()
        # Without loss 5 nothing learns from this pass; real images still enter the running statistics, as with it.
        with torch.set_grad_enabled(config.lambda_smoothness > 0):
            real_outputs, real_features = _passed(learner, batch.real, judge is not None)
        if config.lambda_smoothness:
            loss = edge_aware_smoothness_loss(depth_maps(real_outputs), batch.real[:, :3])
            weighted["smoothness"] = config.lambda_smoothness, loss
        return _Made(
            refined.detach(),
            None if features is None else features.detach(),
            None if real_features is None else real_features.detach(),
        )

    def _step_task(self) -> None:
        if self.learner is None or self._task_optimizer is None:
            return
        parameters, config = list(self.learner.network.parameters()), self.config
        if config.task_optimizer == "task":
            # In every other arm the task's loss has weight 1, and gradients are clipped on that scale.
            if config.lambda_task:
                for parameter in parameters:
                    if parameter.grad is not None:
                        parameter.grad.div_(config.lambda_task)
            if self.learner.gradient_clip:
                nn.utils.clip_grad_norm_(parameters, self.learner.gradient_clip)
        self._task_optimizer.step()

    def _discriminator_step(self, active: bool, real: Tensor, made: _Made, moves: Tensor) -> dict[str, Tensor]:
        """Losses of both discriminators, and where ``active`` a step of their optimizer."""
        old = self._pool.exchange(made.refined, moves)
        losses: dict[str, Tensor] = {}
        with torch.set_grad_enabled(active), autocast(self.context):
            if self.config.lambda_image_adversarial:
                losses["discriminator"] = discriminator_adversarial_loss(self.judge(real), self.judge(old))
            if self.feature_judge is not None and made.features is not None and made.real_features is not None:
                losses["feature_discriminator"] = discriminator_adversarial_loss(
                    self.feature_judge(made.real_features), self.feature_judge(made.features)
                )
        if active and losses:
            self._judge_optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            self._judge_optimizer.step()
            if self.feature_judge is not None and self.config.feature_clamp:
                limit = self.config.feature_clamp
                with torch.no_grad():
                    for parameter in self.feature_judge.parameters():
                        parameter.clamp_(-limit, limit)
        return {name: loss.detach() for name, loss in losses.items()}


def _passed(learner: Learner, images: Tensor, aligned: bool) -> tuple[Any, Tensor | None]:
    """The task network's outputs, and its features where they are aligned."""
    return learner.outputs_and_features(images) if aligned else (learner.outputs(images), None)


def depth_maps(outputs: Any) -> list[Tensor]:
    """A depth network's outputs as maps (B, 1, h, w) from coarse to fine; raises `UsageError` for anything else."""
    maps = [outputs] if isinstance(outputs, Tensor) else outputs
    if isinstance(maps, Mapping) or not all(isinstance(m, Tensor) and m.ndim == 4 and m.shape[1] == 1 for m in maps):
        raise UsageError("t2net: only depth maps can be smoothed; set lambda_smoothness = 0 for any other task")
    return list(maps)


def learning_rate_factor(step: int, steps: int, decay_from: float, decay_until: float) -> float:
    """What learning rates are multiplied with: 1, from ``decay_from`` on falling linearly, 0 at ``decay_until``.

    Both are shares of the run. The published schedule falls below 0 in the last of its ten epochs, which then goes up
    the loss; this one never does.
    """
    start, end = decay_from * steps, decay_until * steps
    return 1.0 if step < start else max(0.0, (end - step) / max(end - start, 1e-9))
