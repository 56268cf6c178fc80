"""SimGAN, Shrivastava et al. 2017 (arXiv 1612.07828): a refiner that must not change what it refines too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field

from bench.contracts import Context, PluginConfig, Refined, Refiner
from bench.errors import UsageError
from bench.frames import channel_count, from_channels, to_channels
from bench.samples import U8, ImageSet, Sample
from bench.training import autocast, evaluating, train
from refiners.adaptation import AdaptationBatch, AdaptationBatches, pictures
from refiners.sheets import write_sheet
from refiners.simgan_networks import RefinerNetwork
from refiners.simgan_step import Feature, Reduction, SimGanStep, refiner_network

if TYPE_CHECKING:
    from bench.contracts import State

SHEET_ROWS = 6


class SimGanConfig(PluginConfig):
    """Networks, ratios and pretraining are the paper's for eyes. Its lambda and buffer size are not known; batch size,
    optimizer and reduction are chosen so that few steps are worth something (each says what the paper has).
    """

    steps: int = Field(10_000, ge=1)
    """Iterations after pretraining, each of ``refiner_updates`` and ``discriminator_updates``."""
    batch_size: int = Field(32, ge=2)
    """Images of each domain an update (the paper: 512)."""
    pretrain_refiner: int = Field(1000, ge=0)
    """Updates of the refiner by self-regularisation alone, before anything else."""
    pretrain_discriminator: int = Field(200, ge=0)
    """Updates of the discriminator after that."""
    refiner_updates: int = Field(2, ge=1)
    """Updates of the refiner an iteration, K_g."""
    discriminator_updates: int = Field(1, ge=1)
    """Updates of the discriminator an iteration, K_d."""
    ngf: int = Field(64, ge=1)
    """Channels of the refiner."""
    n_blocks: int = Field(4, ge=0)
    """Residual blocks of the refiner."""
    residual: bool = False
    """Ours, for short runs: the refiner blends its picture over its input and starts near the identity."""
    widths: tuple[int, int, int, int] = (96, 64, 32, 32)
    """Channels of the discriminator's first four convolutions."""
    lambda_regularisation: float = Field(0.2, ge=0)
    """Weight of self-regularisation, for means: what the 1e-4 of a port on a sum over 35x55 pixels comes to (0.19)."""
    feature: Feature = "identity"
    """What must not change: psi of the paper."""
    reduction: Reduction = "mean"
    """"sum" adds over pixels and patches as the paper writes it. A lambda belongs to its reduction: lambda of means is
    lambda of sums times values over patches."""
    buffer_size: int = Field(512, ge=0)
    """Earlier refined images kept for the discriminator; 0 switches the buffer off."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Adam with a first moment of .5, or the paper's plain gradient descent."""
    learning_rate: float = Field(1e-3, gt=0)
    """Of both networks."""
    gradient_clip: float = Field(5.0, ge=0)
    """Largest norm of each network's gradient; 0 switches clipping off (the paper tells of none)."""
    sheets: int = Field(8, ge=0)
    """Sample sheets written while it trains."""


class SimGan(Refiner):
    """A network without downsampling, held near its input by self-regularisation and judged patch by patch.

    Images are all the camera's channels: with a depth sensor depth is refined as well. It reads no labels.

    `fit` leaves ``losses.csv`` (its first lines are pretraining) and ``sheets/step-*.png``: synthetic, refined and a
    real image, with depth in grey.
    """

    name = "simgan"
    version = 1
    Config: ClassVar[type[PluginConfig]] = SimGanConfig

    def __init__(self, config: SimGanConfig) -> None:
        super().__init__(config)
        self._network: RefinerNetwork | None = None

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Pretrain and train; raises `DivergedError` when a loss is not finite."""
        config = self.config
        batches = AdaptationBatches(self.name, synthetic, real, config.batch_size, context)
        step = SimGanStep(config, context, batches.channels)
        train(
            lambda i: step(i, batches),
            steps=config.pretrain_refiner + config.pretrain_discriminator + config.steps,
            batch_size=config.batch_size,
            context=context,
            parts=step.parts(),
            sheet=lambda done: self._sheet(step.refiner, batches(0), done, context),
            sheets=config.sheets,
        )
        self._network = step.refiner

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8 | Refined]:
        """Refine one by one, so that no rounding of a batched convolution reaches the result."""
        if self._network is None:
            raise UsageError(f"{self.name}: nothing fitted yet; call fit or load_state_dict first")
        network = self._network.to(context.device)
        if channel_count(context.sensors) != network.channels:
            raise UsageError(f"{self.name}: fitted with other sensors than these; fit it again")
        made = []
        with evaluating(network), autocast(context):
            for sample in samples:
                channels = network(to_channels([sample], context.sensors, context.device))
                made += from_channels(channels.float(), context.sensors)
        return [refined.image if refined.depth is None else refined for refined in made]

    def _sheet(self, network: RefinerNetwork, batch: AdaptationBatch, step: int, context: Context) -> None:
        count = min(SHEET_ROWS, len(batch.source))
        with evaluating(network), autocast(context):
            refined = network(batch.source[:count])
        rows = [
            [picture for channels in row for picture in pictures(channels)]
            for row in zip(batch.source[:count], refined, batch.target[:count], strict=True)
        ]
        write_sheet(context.directory / "sheets" / f"step-{step:06d}.png", rows)

    def state_dict(self) -> State:
        """The refiner alone, as ``refiner.<parameter>``."""
        if self._network is None:
            return {}
        state: dict[str, torch.Tensor] = self._network.state_dict()
        return {f"refiner.{name}": value.detach().cpu().contiguous() for name, value in state.items()}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned; the configuration must be the one it was trained with."""
        own = {name.removeprefix("refiner."): value for name, value in state.items()}
        network = refiner_network(self.config, own["body.0.weight"].shape[1])
        network.load_state_dict(own)
        self._network = network
