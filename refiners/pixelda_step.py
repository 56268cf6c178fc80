"""One training step of PixelDA in the order of its published code: discriminator and task network, then generator."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts import Context
from bench.graphs import Replayed
from bench.learning import Learner, Targets
from bench.rates import adam, set_rate
from bench.seeds import derive
from bench.training import Stateful, autocast
from refiners.adaptation import AdaptationBatch, placed
from refiners.pixelda_networks import NoiseGenerator, NoisyDiscriminator
from refiners.similarity import Reduction, masked_pairwise_loss

LABEL = "label."
"""In front of the names of a step's labels among its inputs."""


class PixelDaSettings(Protocol):
    """What the step reads of a configuration (`refiners.pixelda.PixelDaConfig` documents each)."""

    noise_dim: int
    ngf: int
    n_blocks: int
    n_downsampling: int
    residual: bool
    ndf: int
    first_stride: int
    widest: int
    keep: float
    discriminator_noise: float
    domain_weight: float
    style_weight: float
    task_weight: float
    task_in_generator_weight: float
    task_on_source: bool
    task_on_adapted: bool
    similarity_weight: float
    similarity_reduction: Reduction
    learning_rate: float
    discriminator_learning_rate: float | None
    beta1: float
    decay_rate: float
    decay_steps: int
    weight_decay: float
    gradient_clip: float
    task_optimizer: Literal["task", "paper"]


class PixelDaStep:
    """Generator, discriminator and, with a learner, its task network T; one step of each.

    The published code draws other images and other noise for the generator's step than for the discriminator's; here
    both share a batch and one forward pass of the generator, whose weights the first step does not change.
    """

    def __init__(
        self,
        config: PixelDaSettings,
        context: Context,
        channels: int,
        size: tuple[int, int],
        learner: Learner | None = None,
        steps: int | None = None,
    ) -> None:
        self.config, self.context, self.learner = config, context, learner
        self.steps = steps or (learner.steps if learner else 1)
        torch.manual_seed(derive(context.seed, "networks"))
        self.generator = generator(config, channels, size)
        self.discriminator = NoisyDiscriminator(
            channels, size, config.ndf, first_stride=config.first_stride, widest=config.widest,
            keep=config.keep, noise=config.discriminator_noise,
        )  # fmt: skip
        for network in (self.generator, self.discriminator):
            placed(network, context.device)
        self._rates = config.learning_rate, config.discriminator_learning_rate or config.learning_rate
        self._optimize_generator = self._adam([self.generator], self._rates[0])
        judges: list[nn.Module] = [self.discriminator]
        self._optimize_task: torch.optim.Optimizer | None = None
        if learner is not None:
            learner.network.train()
            if config.task_optimizer == "paper":
                judges.append(learner.network)
            else:
                self._optimize_task = learner.optimizer()
        self._optimize_judges = self._adam(judges, self._rates[1])
        self._replayed = Replayed(self._compute, context.device, learner is None or learner.capturable)

    def _adam(self, networks: Iterable[nn.Module], rate: float) -> torch.optim.Optimizer:
        parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return adam(groups, rate, (self.config.beta1, 0.999), self.context.device)

    def parts(self) -> dict[str, Stateful]:
        """Everything that a checkpoint must hold; learning rates are functions of the step and need no state."""
        parts: dict[str, Stateful] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimize_generator": self._optimize_generator,
            "optimize_judges": self._optimize_judges,
        }
        if self.learner is not None:
            parts["task"] = self.learner.network
        if self._optimize_task is not None:
            parts["optimize_task"] = self._optimize_task
        return parts

    def __call__(self, step: int, batch: AdaptationBatch, targets: Targets | None = None) -> Mapping[str, Tensor]:
        """Train on one batch; ``targets`` are the labels of its source images, needed with a learner."""
        factor = staircase(step, self.config.decay_rate, self.config.decay_steps)
        for optimizer, rate in zip((self._optimize_generator, self._optimize_judges), self._rates, strict=True):
            set_rate(optimizer, rate * factor)
        if self.learner is not None and self._optimize_task is not None:
            # The task's own schedule over the whole run, however many steps that has.
            self.learner.schedule(self._optimize_task, step * self.learner.steps // self.steps)
        noise = torch.rand(len(batch.source), self.config.noise_dim).mul(2).sub(1)
        inputs = {"source": batch.source, "target": batch.target, "noise": noise}
        if batch.mask is not None:
            inputs["mask"] = batch.mask
        labels = {LABEL + name: value for name, value in (targets or {}).items()}
        return self._replayed(inputs | labels, targets is not None)

    def _compute(self, inputs: Mapping[str, Tensor], labelled: Hashable) -> dict[str, Tensor]:
        batch = AdaptationBatch(inputs["source"], inputs["target"], inputs.get("mask"), ())
        found = {name.removeprefix(LABEL): v for name, v in inputs.items() if name.startswith(LABEL)}
        targets = found if labelled else None
        with autocast(self.context):
            adapted = self.generator(batch.source, inputs["noise"])
        losses = self.discriminator_step(batch, adapted.detach(), targets)
        return losses | self.generator_step(batch, adapted, targets)

    def discriminator_step(
        self, batch: AdaptationBatch, adapted: Tensor, targets: Targets | None
    ) -> dict[str, Tensor]:
        """Update D and T; real and adapted images are separate batches for normalisation, as in the published code."""
        config, weighted = self.config, dict[str, tuple[float, Tensor]]()
        with autocast(self.context):
            fake, real = self.discriminator(adapted), self.discriminator(batch.target)
            domain = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
            domain = domain + F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            weighted["domain"] = (config.domain_weight, domain)
            if self.learner is not None and targets is not None:
                network = self.learner.network
                # Running statistics are those of the images that are nearest to real ones.
                if config.task_on_source:
                    with untracked(network, config.task_on_adapted):
                        losses = self.learner.losses(self.learner.outputs(batch.source, source=True), targets)
                    weighted["task_source"] = (config.task_weight, total(losses))
                if config.task_on_adapted:
                    losses = self.learner.losses(self.learner.outputs(adapted), targets)
                    weighted["task_adapted"] = (config.task_weight, total(losses))
        self._descend(weighted, self._optimize_judges, self._optimize_task)
        return {name: loss.detach() for name, (_, loss) in weighted.items()}

    def generator_step(self, batch: AdaptationBatch, adapted: Tensor, targets: Targets | None) -> dict[str, Tensor]:
        """Update G alone: look real to D, keep the foreground, stay readable for T."""
        config, weighted = self.config, dict[str, tuple[float, Tensor]]()
        with autocast(self.context):
            logits = self.discriminator(adapted)
            style = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            weighted["style"] = (config.style_weight, style)
            if batch.mask is not None and config.similarity_weight:
                loss = masked_pairwise_loss(adapted, batch.source, batch.mask, config.similarity_reduction)
                weighted["similarity"] = (config.similarity_weight, loss)
            weight = config.task_in_generator_weight
            if self.learner is not None and targets is not None and config.task_on_adapted and weight:
                with untracked(self.learner.network):
                    losses = self.learner.losses(self.learner.outputs(adapted), targets)
                weighted["task_generator"] = (weight, total(losses))
        self._descend(weighted, self._optimize_generator)
        return {name: loss.detach() for name, (_, loss) in weighted.items()}

    def _descend(
        self, weighted: Mapping[str, tuple[float, Tensor]], *optimizers: torch.optim.Optimizer | None
    ) -> None:
        chosen = [optimizer for optimizer in optimizers if optimizer is not None]
        parameters = [[p for group in o.param_groups for p in group["params"]] for o in chosen]
        for optimizer in chosen:
            optimizer.zero_grad(set_to_none=True)
        loss = torch.stack([weight * value for weight, value in weighted.values()]).sum()
        # Only these parameters get gradients: nothing is computed for a network that this step leaves alone.
        loss.backward(inputs=[p for owned in parameters for p in owned])  # type: ignore[no-untyped-call]
        for optimizer, owned in zip(chosen, parameters, strict=True):
            if self.config.gradient_clip:
                nn.utils.clip_grad_norm_(owned, self.config.gradient_clip)
            optimizer.step()


def generator(config: PixelDaSettings, channels: int, size: tuple[int, int]) -> NoiseGenerator:
    """A generator of the configured size."""
    return NoiseGenerator(
        channels, size, config.noise_dim, config.ngf, config.n_blocks,
        n_downsampling=config.n_downsampling, residual=config.residual,
    )  # fmt: skip


def staircase(step: int, rate: float, every: int) -> float:
    """Factor on the learning rate: times ``rate`` after each ``every`` steps, in a staircase."""
    return float(rate ** (step // every))


def total(losses: Mapping[str, Tensor]) -> Tensor:
    """The sum that a task minimises."""
    return torch.stack(list(losses.values())).sum()


@contextmanager
def untracked(network: nn.Module, active: bool = True) -> Iterator[None]:
    """Let batch normalisation use the statistics of its batch without remembering them."""
    layers = [
        m for m in network.modules() if active and isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training
    ]
    tracked = [layer.track_running_stats for layer in layers]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, value in zip(layers, tracked, strict=True):
            layer.track_running_stats = value
