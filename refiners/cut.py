"""CUT, Park et al. 2020 (arXiv 2007.15651): one-sided unpaired translation, held to its input by contrastive learning.

One generator and one discriminator, no way back: instead of a cycle, patches of the refined image must be recognisable
among those of the input (`refiners.contrastive`). Everything else is CycleGAN's here as in the paper's implementation,
except that the generator is the one all our translators share: stride-2 convolutions where theirs low-pass on the way
down, and a bilinear enlargement on the way up, as theirs. (With transposed convolutions a short run leaves a
checkerboard: unlike a cycle, the contrastive loss does not mind it.)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.contracts import Context, PluginConfig
from bench.graphs import Replayed
from bench.rates import adam, set_rate
from bench.samples import ImageSet
from bench.seeds import derive
from bench.spool import Rows
from bench.training import Stateful, autocast, evaluating, step_generator, train
from refiners.contrastive import PatchSampler, encode, patch_nce_loss, tap_channels, tap_positions
from refiners.crops import Batch, UnpairedCrops
from refiners.cycle import decayed
from refiners.losses import discriminator_adversarial_loss, generator_adversarial_loss
from refiners.networks import PatchDiscriminator, Upsampling, initialise
from refiners.pool import ImagePool
from refiners.translator import Translator, TranslatorConfig, generator, sheet_path, write_samples_sheet


class CutConfig(TranslatorConfig):
    """The defaults are the paper's. FastCUT is ``lambda_nce = 10, nce_identity = false, flip_equivariance = true``."""

    steps: int = Field(400_000, ge=1)
    """Optimizer steps. The paper's 400 epochs over a thousand images are 400,000 (FastCUT: half of that)."""
    batch_size: int = Field(1, ge=1)
    """Images of each domain a step."""
    resize: float = Field(286 / 256, ge=1)
    """Factor that images are enlarged by before the crop."""
    crop: int = Field(256, ge=16)
    """Side of the random crop in pixels, at most the enlarged image's shorter side."""
    flip: bool = True
    """Mirror images half of the time."""
    ngf: int = Field(64, ge=1)
    """Channels of the generator at full resolution."""
    n_blocks: int = Field(9, ge=0)
    """Residual blocks."""
    n_downsampling: int = Field(2, ge=0, le=4)
    """Halvings of the resolution in front of the residual blocks."""
    ndf: int = Field(64, ge=1)
    """Channels of the discriminator's first layer."""
    n_layers: int = Field(3, ge=1, le=5)
    """Layers of the discriminator."""
    lambda_adversarial: float = Field(1.0, ge=0)
    """Weight of the adversarial loss (least squares)."""
    lambda_nce: float = Field(1.0, ge=0)
    """Weight of the contrastive loss; with ``nce_identity`` it is the mean of that of both domains."""
    nce_identity: bool = True
    """Translate real images too and hold them to themselves: a learnt identity loss (lambda_Y of the paper)."""
    flip_equivariance: bool = False
    """FastCUT: mirror the generator's input half of the time and compare with the features of the unmirrored one."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of the contrastive loss."""
    patches: int = Field(256, ge=2)
    """Places that are compared in each layer of each image."""
    embedding: int = Field(256, ge=1)
    """Width of the perceptrons that compare them."""
    learning_rate: float = Field(2e-4, gt=0)
    """Adam's learning rate for the generator, and for the discriminator unless it has its own."""
    discriminator_learning_rate: float | None = Field(None, gt=0)
    """Learning rate of the discriminator; None: as the generator's."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Adam's first moment."""
    decay_from: float = Field(0.5, ge=0, le=1)
    """Share of the run after which the learning rate falls linearly to 0."""
    pool_size: int = Field(0, ge=0)
    """Earlier refined images kept for the discriminator (the paper's implementation keeps none)."""
    upsampling: Upsampling = "resize"
    """How the generator enlarges: "resize", or "transposed" convolutions as CycleGAN (`refiners.networks`)."""
    residual: bool = False
    """Ours, for short runs: the generator predicts a change of its input (`refiners.networks.ResnetGenerator`)."""
    noise: bool = False
    """Ours: the generator also predicts how much sensor noise to add, and it is drawn for every image anew."""
    sheets: int = Field(8, ge=0)
    """Sample sheets written while it trains."""


class Cut(Translator):
    """Learn synthetic to real by one generator and a contrastive loss.

    `fit` leaves ``losses.csv`` and ``sheets/step-*.png`` (columns: synthetic, refined, a real one).
    """

    name = "cut"
    version = 1
    Config: ClassVar[type[PluginConfig]] = CutConfig

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train for ``steps`` steps; raises `DivergedError` when a loss is not finite."""
        config, images = self.config, self.images(synthetic, real)
        crops = UnpairedCrops(
            *images, None, None, batch_size=config.batch_size, resize=config.resize, crop=config.crop,
            multiple=2**config.n_downsampling, flip=config.flip, context=context,
        )
        cut = CutStep(config, context)
        snapshots = self.snapshots(cut.to_real)

        def one(step: int) -> Mapping[str, Tensor]:
            losses = cut(step, crops(step))
            snapshots.after(step + 1)
            return losses

        train(
            one,
            steps=config.steps,
            batch_size=config.batch_size,
            context=context,
            parts={**cut.parts(), "snapshots": snapshots},
            sheet=lambda step: self._sheet(cut, *images, step, context),
            sheets=config.sheets,
        )
        self.keep(snapshots.states())

    def _sheet(self, cut: CutStep, synthetic: Rows, real: Rows, step: int, context: Context) -> None:
        with evaluating(cut.to_real), autocast(context):
            write_samples_sheet(
                sheet_path(context.directory, step), synthetic, real, cut.to_real.multiple,
                lambda image, noise: [cut.to_real(image, noise)], context,
            )


class CutStep:
    """Generator, perceptrons and discriminator, their optimizers, and one optimizer step of them all."""

    def __init__(self, config: CutConfig, context: Context) -> None:
        self.config, self.context = config, context
        torch.manual_seed(derive(context.seed, "networks"))
        self.to_real = generator(config)
        self.judge = PatchDiscriminator(config.ndf, config.n_layers)
        initialise(self.to_real, self.judge)
        self.sampler = PatchSampler(tap_channels(self.to_real), config.embedding, config.patches)
        for head in self.sampler.modules():
            if isinstance(head, nn.Linear):
                nn.init.normal_(head.weight, 0.0, 0.02)
                nn.init.zeros_(head.bias)
        layout = torch.channels_last if context.device.startswith("cuda") else torch.contiguous_format
        for network in (self.to_real, self.judge):
            network.to(context.device).to(memory_format=layout)
        self._learning = nn.ModuleList([self.to_real, self.sampler.to(context.device)])
        self._rates = config.learning_rate, config.discriminator_learning_rate or config.learning_rate
        betas, device = (config.beta1, 0.999), context.device
        self._optimize_generator = adam(self._learning.parameters(), self._rates[0], betas, device)
        self._optimize_judge = adam(self.judge.parameters(), self._rates[1], betas, device)
        self._pool = ImagePool(config.pool_size)
        self._replayed = Replayed(self._compute, device)

    def parts(self) -> dict[str, Stateful]:
        """Everything that a checkpoint must hold."""
        return {
            "generator": self._learning, "discriminator": self.judge, "pool": self._pool,
            "generator_optimizer": self._optimize_generator, "discriminator_optimizer": self._optimize_judge,
        }  # fmt: skip

    def __call__(self, step: int, batch: Batch) -> Mapping[str, Tensor]:
        """Do step ``step``; return every loss, unweighted."""
        factor = decayed(step, self.config.steps, self.config.decay_from)
        for optimizer, rate in zip((self._optimize_generator, self._optimize_judge), self._rates, strict=True):
            set_rate(optimizer, rate * factor)
        random = step_generator(self.context.seed, "cut", step)
        mirrored = self.config.flip_equivariance and bool(random.random() < 0.5)
        inputs = {"synthetic": batch.synthetic, "real": batch.real}
        if self.config.noise:
            inputs["noise"] = torch.randn_like(self._source(batch))
        height, width = batch.synthetic.shape[-2:]
        for k, places in enumerate(self.sampler.places(tap_positions(self.to_real, height, width))):
            inputs[f"places.{k}"] = places
        return self._replayed(inputs | {"moves": self._pool.decide(len(batch.synthetic), random)}, mirrored)

    def _source(self, batch: Batch) -> Tensor:
        """What is translated: synthetic images, and with ``nce_identity`` the real ones behind them."""
        return torch.cat([batch.synthetic, batch.real]) if self.config.nce_identity else batch.synthetic

    def _compute(self, inputs: Mapping[str, Tensor], mirrored: Hashable) -> dict[str, Tensor]:
        batch = Batch(inputs["synthetic"], inputs["real"])
        places = [value for name, value in inputs.items() if name.startswith("places.")]
        losses, refined = self._generator_step(batch, bool(mirrored), inputs.get("noise"), places)
        with autocast(self.context):
            old = self._pool.exchange(refined, inputs["moves"])
            logits = self.judge(torch.cat([batch.real, old])).split([len(batch.real), len(old)])
            judged = discriminator_adversarial_loss(*logits)
        self._optimize_judge.zero_grad(set_to_none=True)
        judged.backward()  # type: ignore[no-untyped-call]
        self._optimize_judge.step()
        return losses | {"discriminator": judged.detach()}

    def _generator_step(
        self, batch: Batch, mirrored: bool, noise: Tensor | None, places: Sequence[Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        config, count = self.config, len(batch.synthetic)
        self.judge.requires_grad_(False)
        with autocast(self.context):
            keys, translated = self._translate(self._source(batch), noise, count, mirrored)
            refined = translated[:count]
            losses = {"adversarial": generator_adversarial_loss(self.judge(refined))}
            losses |= self._contrast(keys, translated, places, count, mirrored)
            contrast = torch.stack([loss for name, loss in losses.items() if name != "adversarial"]).mean()
            total = config.lambda_adversarial * losses["adversarial"] + config.lambda_nce * contrast
        self._optimize_generator.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self._optimize_generator.step()
        self.judge.requires_grad_(True)
        return {name: loss.detach() for name, loss in losses.items()} | {"generator": total.detach()}, refined

    def _translate(
        self, source: Tensor, noise: Tensor | None, synthetic: int, mirrored: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Features and translation; noise for the first ``synthetic`` images alone, the others are to stay."""
        if noise is not None:
            noise = torch.cat([noise[:synthetic], torch.zeros_like(noise[synthetic:])])
        image = source.flip(-1) if mirrored else source
        keys, body = encode(self.to_real, image, whole=True)
        if mirrored:
            with torch.no_grad():
                keys, _ = encode(self.to_real, source)
        return keys, self.to_real.finish(body, image, noise)

    def _contrast(
        self, keys: list[Tensor], translated: Tensor, places: Sequence[Tensor], synthetic: int, mirrored: bool
    ) -> Mapping[str, Tensor]:
        """Contrastive losses, means over layers: of synthetic images, and of real ones with ``nce_identity``."""
        queries, _ = encode(self.to_real, translated)
        if mirrored:
            queries = [feature.flip(-1) for feature in queries]
        embedded = self.sampler(queries, places)
        with torch.no_grad():
            references = self.sampler(keys, places)

        def mean_loss(part: slice) -> Tensor:
            losses = [
                patch_nce_loss(query[part], key[part], self.config.temperature)
                for query, key in zip(embedded, references, strict=True)
            ]
            return torch.stack(losses).mean()

        named = {"contrast_synthetic": mean_loss(slice(None, synthetic))}
        if self.config.nce_identity:
            named["contrast_real"] = mean_loss(slice(synthetic, None))
        return named
