"""CycleGAN's step (Zhu et al. 2017): six generator passes, six discriminator passes, each for itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.plain.data import PlainBatch
from benchmarks.plain.pool import PlainPool


class PlainCycleGan:
    """``networks``: to_real, to_synthetic, judge_real, judge_synthetic, in contiguous memory."""

    def __init__(self, config: Any, networks: list[nn.Module]) -> None:
        self.config = config
        self.to_real, self.to_synthetic, self.judge_real, self.judge_synthetic = networks
        betas = (config.beta1, 0.999)
        generators = chain(self.to_real.parameters(), self.to_synthetic.parameters())
        judges = chain(self.judge_real.parameters(), self.judge_synthetic.parameters())
        self.optimize_generators = torch.optim.Adam(generators, config.learning_rate, betas)
        self.optimize_judges = torch.optim.Adam(judges, config.learning_rate, betas)
        self.pools = PlainPool(config.pool_size), PlainPool(config.pool_size)

    def content(self, batch: PlainBatch, refined: Tensor, simplified: Tensor) -> Mapping[str, tuple[float, Tensor]]:
        """More losses of the generators; here none."""
        return {}

    def __call__(self, step: int, batch: PlainBatch) -> dict[str, Tensor]:
        """One step; every loss, unweighted."""
        config, synthetic, real = self.config, batch.synthetic, batch.real
        refined = self.to_real(synthetic)
        synthetic_again = self.to_synthetic(refined)
        simplified = self.to_synthetic(real)
        real_again = self.to_real(simplified)
        for judge in (self.judge_real, self.judge_synthetic):
            judge.requires_grad_(False)
        self.optimize_generators.zero_grad()
        ones = torch.ones_like
        looks, simple = self.judge_real(refined), self.judge_synthetic(simplified)
        weighted = {
            "identity_real": (
                config.lambda_identity * config.lambda_cycle_real, F.l1_loss(self.to_real(real), real)
            ),
            "identity_synthetic": (
                config.lambda_identity * config.lambda_cycle_synthetic,
                F.l1_loss(self.to_synthetic(synthetic), synthetic),
            ),
            "adversarial_real": (config.lambda_adversarial, F.mse_loss(looks, ones(looks))),
            "adversarial_synthetic": (config.lambda_adversarial, F.mse_loss(simple, ones(simple))),
            "cycle_synthetic": (config.lambda_cycle_synthetic, F.l1_loss(synthetic_again, synthetic)),
            "cycle_real": (config.lambda_cycle_real, F.l1_loss(real_again, real)),
            **self.content(batch, refined, simplified),
        }  # fmt: skip
        total = sum(weight * loss for weight, loss in weighted.values())
        total.backward()
        self.optimize_generators.step()
        for judge in (self.judge_real, self.judge_synthetic):
            judge.requires_grad_(True)
        losses = {name: loss.detach() for name, (_, loss) in weighted.items()} | {"generator": total.detach()}
        self.optimize_judges.zero_grad()
        for name, judge, original, made, pool in (
            ("discriminator_real", self.judge_real, real, refined, self.pools[0]),
            ("discriminator_synthetic", self.judge_synthetic, synthetic, simplified, self.pools[1]),
        ):
            old = pool.query(made)
            right, wrong = judge(original), judge(old.detach())
            loss = (F.mse_loss(right, ones(right)) + F.mse_loss(wrong, torch.zeros_like(wrong))) * 0.5
            loss.backward()
            losses[name] = loss.detach()
        self.optimize_judges.step()
        return losses
