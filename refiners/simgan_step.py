"""SimGAN's losses, and one iteration: pretraining first, then some refiner updates for each of the discriminator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts import Context
from bench.seeds import derive
from bench.training import Stateful, autocast, step_generator
from refiners.adaptation import AdaptationBatch, placed
from refiners.history import HistoryBuffer
from refiners.simgan_networks import LocalDiscriminator, RefinerNetwork

Feature = Literal["identity", "grayscale", "gradient"]
Reduction = Literal["mean", "sum"]
REAL, REFINED = 0, 1
"""The discriminator's two classes."""


class SimGanSettings(Protocol):
    """What the step reads of a configuration (`refiners.simgan.SimGanConfig` documents each)."""

    pretrain_refiner: int
    pretrain_discriminator: int
    refiner_updates: int
    discriminator_updates: int
    ngf: int
    n_blocks: int
    residual: bool
    widths: tuple[int, int, int, int]
    lambda_regularisation: float
    feature: Feature
    reduction: Reduction
    buffer_size: int
    optimizer: Literal["adam", "sgd"]
    learning_rate: float
    gradient_clip: float


def self_regularisation_loss(
    refined: Tensor, source: Tensor, feature: Feature = "identity", reduction: Reduction = "mean"
) -> Tensor:
    """||psi(R(x)) - psi(x)||_1: what psi sees of an image must not change (equation 3, with psi of section 2.1).

    Args:
        refined, source: (B, C, H, W) in [-1, 1].
        feature: psi. "identity" (the paper's eyes and hands), "grayscale" (the mean of red, green and blue; further
            channels as they are), or "gradient" (differences of neighbours, along rows and along columns).
        reduction: "sum" is the paper's, over the values of an image; "mean" divides by their number. Either is then
            averaged over the batch.
    """
    change = refined - source
    if feature == "grayscale":
        change = torch.cat([change[:, :3].mean(1, keepdim=True), change[:, 3:]], 1)
    parts = [change] if feature != "gradient" else [change.diff(dim=2), change.diff(dim=3)]
    sizes = torch.cat([part.flatten(1) for part in parts], 1).abs()
    return (sizes.sum(1) if reduction == "sum" else sizes.mean(1)).mean()


def local_adversarial_loss(logits: Tensor, kind: int, reduction: Reduction = "mean") -> Tensor:
    """Cross-entropy of every patch's decision with what it should be (section 2.2).

    Args:
        logits: (B, 2, h, w), real and refined.
        kind: `REAL` or `REFINED`; the refiner's own loss asks for `REAL` on refined images.
        reduction: "sum" is the paper's, over the patches of an image; "mean" divides by their number. Either is then
            averaged over the batch.
    """
    targets = torch.full_like(logits[:, 0], kind, dtype=torch.long)
    patches = F.cross_entropy(logits, targets, reduction="none").flatten(1)
    return (patches.sum(1) if reduction == "sum" else patches.mean(1)).mean()


class SimGanStep:
    """Refiner, discriminator, their optimizers and the history buffer."""

    def __init__(self, config: SimGanSettings, context: Context, channels: int) -> None:
        self.config, self.context = config, context
        torch.manual_seed(derive(context.seed, "networks"))
        self.refiner = refiner_network(config, channels)
        self.discriminator = LocalDiscriminator(channels, config.widths)
        for network in (self.refiner, self.discriminator):
            placed(network, context.device)
        self.history = HistoryBuffer(config.buffer_size)
        self._optimize_refiner = self._optimizer(self.refiner)
        self._optimize_discriminator = self._optimizer(self.discriminator)

    def _optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        rate = self.config.learning_rate
        if self.config.optimizer == "sgd":
            return torch.optim.SGD(network.parameters(), rate, fused=True)
        return torch.optim.Adam(network.parameters(), rate, (0.5, 0.999), fused=True)

    def parts(self) -> dict[str, Stateful]:
        """Everything that a checkpoint must hold."""
        return {
            "refiner": self.refiner,
            "discriminator": self.discriminator,
            "history": self.history,
            "optimize_refiner": self._optimize_refiner,
            "optimize_discriminator": self._optimize_discriminator,
        }

    def __call__(self, step: int, batches: Callable[[int], AdaptationBatch]) -> dict[str, Tensor]:
        """Pretraining of the refiner, of the discriminator, then iterations; every update has a fresh batch.

        All losses are returned in every phase; those that a phase does not train by are computed without gradients.
        """
        config = self.config
        main = step - config.pretrain_refiner - config.pretrain_discriminator
        if main < 0:
            batch = batches(step)
            if step < config.pretrain_refiner:
                losses = self.refiner_step(batch, adversarial=False)
                with torch.no_grad():
                    return losses | {"discriminator": self.discriminator_loss(batch.target, self._refined(batch))}
            losses = self.discriminator_step(batch, step)
            with torch.no_grad():
                return self.refiner_losses(batch, self._refined(batch)) | losses
        updates = config.refiner_updates + config.discriminator_updates
        first = config.pretrain_refiner + config.pretrain_discriminator + main * updates
        for k in range(config.refiner_updates):
            losses = self.refiner_step(batches(first + k))
        for k in range(config.refiner_updates, updates):
            losses |= self.discriminator_step(batches(first + k), first + k)
        return losses

    def _refined(self, batch: AdaptationBatch) -> Tensor:
        with autocast(self.context):
            out: Tensor = self.refiner(batch.source)
        return out

    def refiner_losses(self, batch: AdaptationBatch, refined: Tensor) -> dict[str, Tensor]:
        """``adversarial`` and ``regularisation``, not yet weighted."""
        config = self.config
        with autocast(self.context):
            logits = self.discriminator(refined)
        return {
            "adversarial": local_adversarial_loss(logits, REAL, config.reduction),
            "regularisation": self_regularisation_loss(refined, batch.source, config.feature, config.reduction),
        }

    def refiner_step(self, batch: AdaptationBatch, adversarial: bool = True) -> dict[str, Tensor]:
        """Update R by the sum of its losses, or by self-regularisation alone (pretraining)."""
        losses = self.refiner_losses(batch, self._refined(batch))
        total = self.config.lambda_regularisation * losses["regularisation"]
        if adversarial:
            total = total + losses["adversarial"]
        self._descend(total, self._optimize_refiner)
        return {name: loss.detach() for name, loss in losses.items()}

    def discriminator_loss(self, target: Tensor, refined: Tensor) -> Tensor:
        """Cross-entropy on refined and on real images, added (equation 2)."""
        reduction = self.config.reduction
        with autocast(self.context):
            # One batch for both: without normalisation it is the same mathematics.
            fake, real = self.discriminator(torch.cat([refined, target])).split([len(refined), len(target)])
        return local_adversarial_loss(fake, REFINED, reduction) + local_adversarial_loss(real, REAL, reduction)

    def discriminator_step(self, batch: AdaptationBatch, number: int) -> dict[str, Tensor]:
        """Update D on real images and on refined ones, half of these from the buffer; ``number`` seeds the draw."""
        with torch.no_grad():
            refined = self._refined(batch)
        if self.config.buffer_size:
            refined = self.history.exchange(refined, step_generator(self.context.seed, "history", number))
        loss = self.discriminator_loss(batch.target, refined)
        self._descend(loss, self._optimize_discriminator)
        return {"discriminator": loss.detach()}

    def _descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        if self.config.gradient_clip:
            nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        optimizer.step()


def refiner_network(config: SimGanSettings, channels: int) -> RefinerNetwork:
    """A refiner of the configured size."""
    return RefinerNetwork(channels, config.ngf, config.n_blocks, residual=config.residual)
