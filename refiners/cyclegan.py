"""CycleGAN, Zhu et al. 2017 (arXiv 1703.10593): unpaired translation by two generators and two discriminators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from bench.contracts import Context, PluginConfig
from bench.samples import ImageSet
from bench.spool import Rows
from bench.training import autocast, evaluating, train
from refiners.crops import UnpairedCrops
from refiners.cycle import Content, CycleStep, no_content
from refiners.networks import Upsampling
from refiners.translator import Translator, TranslatorConfig, sheet_path, write_samples_sheet


class CycleGanConfig(TranslatorConfig):
    """The defaults are the paper's, as its reference implementation has them; a CPU wants far smaller ones."""

    steps: int = Field(200_000, ge=1)
    """Optimizer steps. The paper's 200 epochs over a thousand images are 200,000."""
    batch_size: int = Field(1, ge=1)
    """Images of each domain a step."""
    resize: float = Field(286 / 256, ge=1)
    """Factor that images are enlarged by before the crop."""
    crop: int = Field(256, ge=16)
    """Side of the random crop in pixels, at most the enlarged image's shorter side."""
    flip: bool = True
    """Mirror images half of the time."""
    ngf: int = Field(64, ge=1)
    """Channels of the generators at full resolution."""
    n_blocks: int = Field(9, ge=0)
    """Residual blocks (the paper: 9 at 256 px, 6 at 128 px)."""
    n_downsampling: int = Field(2, ge=0, le=4)
    """Halvings of the resolution in front of the residual blocks."""
    ndf: int = Field(64, ge=1)
    """Channels of the discriminators' first layer."""
    n_layers: int = Field(3, ge=1, le=5)
    """Layers of the discriminators; a logit sees 16, 34, 70, 142 or 286 pixels with 1, 2, 3, 4 or 5."""
    lambda_adversarial: float = Field(1.0, ge=0)
    """Weight of both adversarial losses."""
    lambda_cycle_synthetic: float = Field(10.0, ge=0)
    """Weight of synthetic -> real -> synthetic (lambda_A of the reference implementation)."""
    lambda_cycle_real: float = Field(10.0, ge=0)
    """Weight of real -> synthetic -> real (lambda_B)."""
    lambda_identity: float = Field(0.5, ge=0)
    """Weight of the identity losses, relative to the cycle weights; 0 saves their forward passes."""
    learning_rate: float = Field(2e-4, gt=0)
    """Adam's learning rate for the generators, and for the discriminators unless they have their own."""
    discriminator_learning_rate: float | None = Field(None, gt=0)
    """Learning rate of the discriminators; None: as the generators'."""
    beta1: float = Field(0.5, ge=0, lt=1)
    """Adam's first moment."""
    decay_from: float = Field(0.5, ge=0, le=1)
    """Share of the run after which the learning rate falls linearly to 0."""
    pool_size: int = Field(50, ge=0)
    """Earlier refined images kept for the discriminators."""
    upsampling: Upsampling = "transposed"
    """How the generators enlarge: "transposed" convolutions as published, which leave a checkerboard in short runs, or
    "resize" (`refiners.networks.ResnetGenerator`)."""
    residual: bool = False
    """Ours, for short runs: generators predict a change of their input (`refiners.networks.ResnetGenerator`)."""
    noise: bool = False
    """Ours: generators also predict how much sensor noise to add, and it is drawn for every image anew."""
    sheets: int = Field(8, ge=0)
    """Sample sheets written while it trains."""


class CycleGan(Translator):
    """Learn both directions between the domains; refine with the synthetic-to-real generator.

    `fit` leaves ``losses.csv`` and ``sheets/step-*.png`` (columns: synthetic, refined, reconstructed, a real one). With
    both cycle weights at 0 the way back is not trained (`refiners.cycle`), which is far quicker, and a plain GAN.
    """

    name = "cyclegan"
    version = 1
    shares = True
    Config: ClassVar[type[PluginConfig]] = CycleGanConfig

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Train for ``steps`` steps; raises `DivergedError` when a loss is not finite."""
        images = self.images(synthetic, real)
        masks = self.masks(synthetic, real, images[1], context)
        config = self.config
        crops = UnpairedCrops(
            *images, *masks, batch_size=config.batch_size, resize=config.resize,
            crop=self.crop_side(synthetic.size),
            multiple=2**config.n_downsampling, flip=config.flip, context=context,
        )
        cycle = CycleStep(config, context, self.content())
        snapshots = self.snapshots(cycle.to_real)

        def one(step: int) -> Mapping[str, Tensor]:
            losses = cycle(step, crops(step))
            snapshots.after(step + 1)
            return losses

        train(
            one,
            steps=config.steps,
            batch_size=config.batch_size,
            context=context,
            parts={**cycle.parts(), "snapshots": snapshots},
            sheet=lambda step: self._sheet(cycle, *images, step, context),
            sheets=config.sheets,
        )
        self.keep(snapshots.states())

    def crop_side(self, size: tuple[int, int]) -> int:
        """Side of the random crop for images of ``size`` = (height, width) pixels."""
        return int(self.config.crop)

    def masks(
        self, synthetic: ImageSet, real: ImageSet, images: Rows, context: Context
    ) -> tuple[Rows | None, Rows | None]:
        """Foreground masks of both domains, (N, H, W) bool, for a refiner whose losses need them; here none.

        ``images`` are the real ones at the training size, (M, H, W, 3).
        """
        return None, None

    def content(self) -> Content:
        """Additional generator losses; here none."""
        return no_content

    def _sheet(self, cycle: CycleStep, synthetic: Rows, real: Rows, step: int, context: Context) -> None:
        def translate(image: Tensor, noise: Tensor) -> list[Tensor]:
            refined = cycle.to_real(image, noise)
            return [refined] if cycle.one_sided else [refined, cycle.to_synthetic(refined)]

        with evaluating(cycle.to_real, cycle.to_synthetic), autocast(context):
            path = sheet_path(context.directory, step)
            write_samples_sheet(path, synthetic, real, cycle.to_real.multiple, translate, context)
