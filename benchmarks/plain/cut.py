"""CUT's step (Park et al. 2020). The published code encodes inputs a second time for the contrastive losses.

It steps the discriminator before the generator, ours after it; for comparison the order here is ours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.plain.data import PlainBatch
from refiners.contrastive import PatchSampler, encode
from refiners.networks import ResnetGenerator


class PlainCut:
    """``networks``: generator, patch sampler, discriminator, in contiguous memory."""

    def __init__(self, config: Any, networks: tuple[ResnetGenerator, PatchSampler, nn.Module]) -> None:
        self.config = config
        self.to_real, self.sampler, self.judge = networks
        betas = (config.beta1, 0.999)
        self.optimize_generator = torch.optim.Adam(self.to_real.parameters(), config.learning_rate, betas)
        self.optimize_sampler = torch.optim.Adam(self.sampler.parameters(), config.learning_rate, betas)
        self.optimize_judge = torch.optim.Adam(self.judge.parameters(), config.learning_rate, betas)

    def __call__(self, step: int, batch: PlainBatch) -> dict[str, Tensor]:
        """One step; every loss, unweighted."""
        config, synthetic, real = self.config, batch.synthetic, batch.real
        made = self.to_real(torch.cat([synthetic, real]))
        refined, again = made[: len(synthetic)], made[len(synthetic) :]
        self.judge.requires_grad_(False)
        self.optimize_generator.zero_grad()
        self.optimize_sampler.zero_grad()
        looks = self.judge(refined)
        adversarial = F.mse_loss(looks, torch.ones_like(looks))
        first, second = self.contrast(synthetic, refined), self.contrast(real, again)
        total = config.lambda_adversarial * adversarial + config.lambda_nce * (first + second) * 0.5
        total.backward()
        self.optimize_generator.step()
        self.optimize_sampler.step()
        self.judge.requires_grad_(True)
        self.optimize_judge.zero_grad()
        wrong, right = self.judge(refined.detach()), self.judge(real)
        judged = (F.mse_loss(wrong, torch.zeros_like(wrong)) + F.mse_loss(right, torch.ones_like(right))) * 0.5
        judged.backward()
        self.optimize_judge.step()
        losses = {
            "adversarial": adversarial, "contrast_synthetic": first, "contrast_real": second, "generator": total,
            "discriminator": judged,
        }  # fmt: skip
        return {name: loss.detach() for name, loss in losses.items()}

    def contrast(self, source: Tensor, target: Tensor) -> Tensor:
        """PatchNCE of the target's features with the source's, averaged over layers."""
        queries, _ = encode(self.to_real, target)
        keys, _ = encode(self.to_real, source)
        places = []
        for key in keys:
            order = torch.randperm(key.shape[2] * key.shape[3], device=key.device)
            places.append(order[: self.sampler.patches])
        losses = []
        for query, key in zip(self.sampler(queries, places), self.sampler(keys, places), strict=True):
            count, patches, _ = query.shape
            key = key.detach()
            positive = (query * key).sum(2, keepdim=True)
            negative = torch.bmm(query, key.transpose(1, 2))
            own = torch.eye(patches, device=query.device, dtype=torch.bool)[None]
            negative.masked_fill_(own, -10.0)
            logits = torch.cat([positive, negative], 2).flatten(0, 1) / self.config.temperature
            wanted = torch.zeros(count * patches, dtype=torch.long, device=query.device)
            losses.append(F.cross_entropy(logits, wanted))
        return torch.stack(losses).mean()
