"""T2Net's step (Zheng et al. 2018): three backward passes, then both discriminators, which move every fifth step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learning import Learner, Targets
from benchmarks.plain.data import PlainBatch
from benchmarks.plain.pool import PlainPool
from refiners.smoothness import edge_aware_smoothness_loss


class PlainT2Net:
    """``networks``: translator, image discriminator, feature discriminator; the depth network is the learner's."""

    def __init__(self, config: Any, networks: list[nn.Module], learner: Learner, targets: Targets) -> None:
        self.config, self.learner, self.targets = config, learner, targets
        self.translator, self.judge, self.feature_judge = networks
        self.judges = nn.ModuleList([self.judge, self.feature_judge])
        learner.network.train()
        self.optimizer = torch.optim.Adam([
            {"params": self.translator.parameters()},
            {"params": learner.network.parameters(), "lr": config.task_learning_rate, "betas": (0.95, 0.999)},
        ], config.learning_rate, (0.5, 0.9))  # fmt: skip
        self.judge_optimizer = torch.optim.Adam(self.judges.parameters(), config.learning_rate, (0.5, 0.9))
        self.pool = PlainPool(config.pool_size)

    def __call__(self, step: int, batch: PlainBatch) -> dict[str, Tensor]:
        """One step; every loss, unweighted."""
        config, real, task = self.config, batch.real, self.learner.network
        targets = {name: value[batch.indices] for name, value in self.targets.items()}
        self.optimizer.zero_grad()
        self.judges.requires_grad_(False)
        task.requires_grad_(False)
        refined, again = self.translator(torch.cat([batch.synthetic, real])).chunk(2)
        logits = self.judge(refined)
        losses = {"adversarial": F.mse_loss(logits, torch.ones_like(logits)), "reconstruction": F.l1_loss(again, real)}
        total = losses["adversarial"] * config.lambda_image_adversarial
        total = total + losses["reconstruction"] * config.lambda_reconstruction
        total.backward(retain_graph=True)
        task.requires_grad_(True)
        outputs, features = self.learner.outputs_and_features(refined)
        logits = self.feature_judge(features)
        losses["feature_adversarial"] = F.mse_loss(logits, torch.ones_like(logits))
        losses["task"] = torch.stack(list(self.learner.losses(outputs, targets).values())).sum()
        through = losses["feature_adversarial"] * config.lambda_feature_adversarial
        (through + losses["task"] * config.lambda_task).backward()
        real_outputs, real_features = self.learner.outputs_and_features(real)
        losses["smoothness"] = edge_aware_smoothness_loss(real_outputs, real)
        (losses["smoothness"] * config.lambda_smoothness).backward()
        self.optimizer.step()
        self.judges.requires_grad_(True)
        self.judge_optimizer.zero_grad()
        for name, judge, right, wrong in (
            ("feature_discriminator", self.feature_judge, real_features, features),
            ("discriminator", self.judge, real, self.pool.query(refined)),
        ):
            one, zero = judge(right.detach()), judge(wrong.detach())
            losses[name] = (F.mse_loss(one, torch.ones_like(one)) + F.mse_loss(zero, torch.zeros_like(zero))) * 0.5
            losses[name].backward()
        if step % config.discriminator_every == 0:
            self.judge_optimizer.step()
            with torch.no_grad():
                for parameter in self.feature_judge.parameters():
                    parameter.clamp_(-config.feature_clamp, config.feature_clamp)
        return {name: loss.detach() for name, loss in losses.items()}
