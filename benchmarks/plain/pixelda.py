"""PixelDA's step (Bousmalis et al. 2017): discriminator and task network, then generator, each from its own pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learning import Learner, Targets
from benchmarks.plain.data import PlainBatch
from refiners.similarity import masked_pairwise_loss


class PlainPixelDa:
    """``networks``: generator and discriminator; the task network is the learner's and learns with the discriminator.

    The published code draws other images and noise for its second half. Here both halves see one batch and one noise,
    so that losses can be compared, and both run the generator, as published.
    """

    def __init__(self, config: Any, networks: list[nn.Module], learner: Learner, targets: Targets) -> None:
        self.config, self.learner, self.targets = config, learner, targets
        self.generator, self.discriminator = networks
        learner.network.train()
        self.optimize_generator = self._adam([self.generator])
        self.optimize_judges = self._adam([self.discriminator, learner.network])

    def _adam(self, networks: list[nn.Module]) -> torch.optim.Adam:
        parameters = [p for network in networks for p in network.parameters()]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.Adam(groups, self.config.learning_rate, (self.config.beta1, 0.999))

    def __call__(self, step: int, batch: PlainBatch) -> dict[str, Tensor]:
        """One step; every loss, unweighted."""
        config, source = self.config, batch.synthetic
        targets = {name: value[batch.indices] for name, value in self.targets.items()}
        noise = torch.rand(len(source), config.noise_dim).mul(2).sub(1).to(source.device)
        with torch.no_grad():
            adapted = self.generator(source, noise)
        fake, real = self.discriminator(adapted), self.discriminator(batch.real)
        domain = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        losses = {"domain": domain + F.binary_cross_entropy_with_logits(real, torch.ones_like(real))}
        losses["task_source"] = self._task(source, targets, source=True)
        losses["task_adapted"] = self._task(adapted, targets)
        both = losses["task_source"] + losses["task_adapted"]
        self._descend(losses["domain"] * config.domain_weight + both * config.task_weight, self.optimize_judges)
        for network in (self.discriminator, self.learner.network):
            network.requires_grad_(False)
        adapted = self.generator(source, noise)
        logits = self.discriminator(adapted)
        losses["style"] = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        total = losses["style"] * config.style_weight
        if batch.synthetic_mask is not None:
            losses["similarity"] = masked_pairwise_loss(adapted, source, batch.synthetic_mask)
            total = total + losses["similarity"] * config.similarity_weight
        losses["task_generator"] = self._task(adapted, targets)
        self._descend(total + losses["task_generator"] * config.task_in_generator_weight, self.optimize_generator)
        for network in (self.discriminator, self.learner.network):
            network.requires_grad_(True)
        return {name: loss.detach() for name, loss in losses.items()}

    def _task(self, images: Tensor, targets: Targets, source: bool = False) -> Tensor:
        return torch.stack(list(self.learner.losses(self.learner.outputs(images, source), targets).values())).sum()

    def _descend(self, loss: Tensor, optimizer: torch.optim.Adam) -> None:
        optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        optimizer.step()
