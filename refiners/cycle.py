"""One training step of a CycleGAN, written so that a refiner can add losses of its own to the generators' side.

Compared with a plain transcription no forward pass is done twice and no gradient is computed that nobody reads: a
translation and an identity by the same generator share a batch, real and refined images share a discriminator batch
(all of it the same mathematics, because instance normalisation is per sample), and discriminators are frozen while
generators learn. On CUDA one of the way-back passes joins that batch too, and the whole step is captured
(`bench.graphs`). With both cycle weights at 0 nothing that F does reaches G, so F and its discriminator are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from bench.contracts import Context
from bench.distributed import gathered, noise_like, part
from bench.graphs import Replayed
from bench.rates import adam, set_rate
from bench.seeds import derive
from bench.training import Stateful, autocast, step_generator
from refiners.crops import Batch
from refiners.losses import (
    cycle_consistency_loss,
    discriminator_adversarial_loss,
    generator_adversarial_loss,
    identity_loss,
)
from refiners.networks import PatchDiscriminator, ResnetGenerator, Upsampling, initialise
from refiners.pool import ImagePool
from refiners.translator import generator


class CycleSettings(Protocol):
    """What the step reads of a refiner's configuration (`refiners.cyclegan.CycleGanConfig` documents each)."""

    steps: int
    batch_size: int
    ngf: int
    n_blocks: int
    n_downsampling: int
    ndf: int
    n_layers: int
    lambda_adversarial: float
    lambda_cycle_synthetic: float
    lambda_cycle_real: float
    lambda_identity: float
    learning_rate: float
    discriminator_learning_rate: float | None
    beta1: float
    decay_from: float
    pool_size: int
    upsampling: Upsampling
    residual: bool
    noise: bool


@dataclass(frozen=True)
class Translation:
    """A batch and what both generators made of it: the material of a refiner's additional losses."""

    batch: Batch
    refined: Tensor
    """G(synthetic)."""
    simplified: Tensor | None
    """F(real); None where F is not trained."""


Content = Callable[[Translation], Mapping[str, tuple[float, Tensor]]]
"""Additional generator losses by name, each with its weight."""


def no_content(_: Translation) -> Mapping[str, tuple[float, Tensor]]:
    """CycleGAN itself adds none."""
    return {}


def decayed(step: int, steps: int, decay_from: float) -> float:
    """Factor on the learning rate: 1 until ``decay_from`` (a share of the run), then linear to 0, never below."""
    start = decay_from * steps
    return 1.0 if step < start else max(0.0, (steps - step) / max(steps - start, 1e-9))


class CycleStep:
    """Both generators, both discriminators, their optimizers and pools, and one optimizer step of them all.

    ``to_real`` maps synthetic to real (G of the paper), ``to_synthetic`` back (F).
    """

    def __init__(self, config: CycleSettings, context: Context, content: Content = no_content) -> None:
        self.config, self.context, self.content = config, context, content
        torch.manual_seed(derive(context.seed, "networks"))
        self.to_real, self.to_synthetic = generator(config), generator(config)
        self.judge_real = PatchDiscriminator(config.ndf, config.n_layers)
        self.judge_synthetic = PatchDiscriminator(config.ndf, config.n_layers)
        # Without cycles nothing of the way back reaches `to_real`, by losses or by batches.
        self.one_sided = not (config.lambda_cycle_synthetic or config.lambda_cycle_real)
        networks = (self.to_real, self.to_synthetic, self.judge_real, self.judge_synthetic)
        initialise(*networks)
        for network in networks:
            # channels_last gains on CUDA's tensor cores; at the widths a CPU can afford it loses (measured: 5 to 10 %).
            layout = torch.channels_last if context.device.startswith("cuda") else torch.contiguous_format
            network.to(context.device).to(memory_format=layout)
        ways = 1 if self.one_sided else 2
        self._generators = nn.ModuleList([self.to_real, self.to_synthetic][:ways])
        self._judges = nn.ModuleList([self.judge_real, self.judge_synthetic][:ways])
        self._rates = config.learning_rate, config.discriminator_learning_rate or config.learning_rate
        betas, device = (config.beta1, 0.999), context.device
        self._optimize_generators = adam(self._generators.parameters(), self._rates[0], betas, device)
        self._optimize_judges = adam(self._judges.parameters(), self._rates[1], betas, device)
        self._pools = ImagePool(config.pool_size), ImagePool(config.pool_size)
        self._packed = device.startswith("cuda")
        self._replayed = Replayed(self._compute, device, capture=context.ranks == 1)

    def parts(self) -> dict[str, Stateful]:
        """Everything that a checkpoint must hold; the learning rate is a function of the step and needs no state."""
        return {
            "generators": self._generators,
            "discriminators": self._judges,
            "generator_optimizer": self._optimize_generators,
            "discriminator_optimizer": self._optimize_judges,
            "refined_pool": self._pools[0],
            "simplified_pool": self._pools[1],
        }

    def __call__(self, step: int, batch: Batch) -> Mapping[str, Tensor]:
        """Do step ``step``; return every loss, unweighted."""
        factor = decayed(step, self.config.steps, self.config.decay_from)
        for optimizer, rate in zip((self._optimize_generators, self._optimize_judges), self._rates, strict=True):
            set_rate(optimizer, rate * factor)
        random = step_generator(self.context.seed, "pool", step)
        moves = [pool.decide(self.context.ranks * len(batch.real), random) for pool in self._pools]
        images = {name: value for name, value in vars(batch).items() if value is not None}
        return self._replayed(images | {"moves": torch.stack(moves)})

    def _compute(self, inputs: Mapping[str, Tensor], _: Hashable) -> dict[str, Tensor]:
        batch = Batch(**{name: value for name, value in inputs.items() if name != "moves"})
        losses, made = self._generator_step(batch)
        return losses | self._discriminator_step(batch, made, inputs["moves"])

    def _generator_step(self, batch: Batch) -> tuple[dict[str, Tensor], Translation]:
        self._judges.requires_grad_(False)
        with autocast(self.context):
            made, weighted = self._one_way(batch) if self.one_sided else self._both_ways(batch)
        total = torch.stack([weight * loss for weight, loss in weighted.values()]).sum()
        self._optimize_generators.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self._optimize_generators.step()
        self._judges.requires_grad_(True)
        return {name: loss.detach() for name, (_, loss) in weighted.items()} | {"generator": total.detach()}, made

    def _one_way(self, batch: Batch) -> tuple[Translation, dict[str, tuple[float, Tensor]]]:
        made = Translation(batch, *self._translate(self.to_real, batch.synthetic), None)
        return made, self._adversarial(made) | dict(self.content(made))

    def _both_ways(self, batch: Batch) -> tuple[Translation, dict[str, tuple[float, Tensor]]]:
        config, identity = self.config, self.config.lambda_identity > 0
        refined, *rest = self._translate(self.to_real, batch.synthetic, *([batch.real] if identity else []))
        real_again = rest.pop() if identity else None
        known = [batch.synthetic] if identity else []
        if self._packed:
            known.append(refined)
        simplified, *rest = self._translate(self.to_synthetic, batch.real, *known)
        back = rest.pop() if self._packed else None
        synthetic_again = rest.pop() if identity else None
        made = Translation(batch, refined, simplified)
        weighted = self._adversarial(made) | self._consistency(made, simplified, back) | dict(self.content(made))
        if real_again is not None and synthetic_again is not None:
            weighted["identity_real"] = (
                config.lambda_identity * config.lambda_cycle_real, identity_loss(real_again, batch.real)
            )
            weighted["identity_synthetic"] = (
                config.lambda_identity * config.lambda_cycle_synthetic,
                identity_loss(synthetic_again, batch.synthetic),
            )
        return made, weighted

    def _translate(self, network: ResnetGenerator, image: Tensor, *others: Tensor) -> list[Tensor]:
        """Translate ``image`` with noise and, in the same batch, the others without (for identities and ways back)."""
        noise = noise_like(self.context, image) if self.config.noise else None
        if not others:
            return [network(image, noise)]
        if noise is not None:
            noise = torch.cat([noise, *map(torch.zeros_like, others)])
        parts = [image, *others]
        return list(network(torch.cat(parts), noise).split([len(part) for part in parts]))

    def _adversarial(self, made: Translation) -> dict[str, tuple[float, Tensor]]:
        weight = self.config.lambda_adversarial
        weighted = {"adversarial_real": (weight, generator_adversarial_loss(self.judge_real(made.refined)))}
        if made.simplified is not None:
            loss = generator_adversarial_loss(self.judge_synthetic(made.simplified))
            weighted["adversarial_synthetic"] = (weight, loss)
        return weighted

    def _consistency(
        self, made: Translation, simplified: Tensor, back: Tensor | None
    ) -> dict[str, tuple[float, Tensor]]:
        """``back`` is F(G(synthetic)) where it is known already."""
        config, batch = self.config, made.batch
        back = self.to_synthetic(made.refined) if back is None else back
        return {
            "cycle_synthetic": (config.lambda_cycle_synthetic, cycle_consistency_loss(back, batch.synthetic)),
            "cycle_real": (
                config.lambda_cycle_real, cycle_consistency_loss(self.to_real(simplified), batch.real)
            ),
        }

    def _discriminator_step(self, batch: Batch, made: Translation, moves: Tensor) -> dict[str, Tensor]:
        losses = {}
        self._optimize_judges.zero_grad(set_to_none=True)
        for name, judge, real, refined, which in (
            ("discriminator_real", self.judge_real, batch.real, made.refined, 0),
            ("discriminator_synthetic", self.judge_synthetic, batch.synthetic, made.simplified, 1),
        ):
            if refined is None:
                continue
            with autocast(self.context):
                everything = self._pools[which].exchange(gathered(self.context, refined), moves[which])
                old = everything[part(self.context, len(everything))]
                loss = discriminator_adversarial_loss(*judge(torch.cat([real, old])).split([len(real), len(old)]))
            loss.backward()  # type: ignore[no-untyped-call]
            losses[name] = loss.detach()
        self._optimize_judges.step()
        return losses
