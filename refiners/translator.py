"""What every refiner shares that translates a whole image by one generator: refining, state, and its sample sheets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.contracts import Context, PluginConfig, Refiner
from bench.errors import DataError, UsageError
from bench.samples import U8, ImageSet, Sample
from bench.seeds import derive
from bench.spool import Rows
from bench.training import autocast, evaluating
from refiners.crops import resized, to_image, to_tensor
from refiners.networks import ResnetGenerator, Upsampling, to_multiple
from refiners.sheets import write_sheet
from refiners.snapshots import Snapshots, flattened, unflattened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.contracts import State

SHEET_ROWS = 4


class TranslatorConfig(PluginConfig):
    """Settings of how a trained generator refines."""

    added: ClassVar[frozenset[str]] = frozenset({"copies", "snapshots"})

    copies: int = Field(1, ge=1, le=64)
    """Images made of one synthetic image, each with its own sensor noise (``noise``) and state (``snapshots``)."""
    snapshots: int = Field(1, ge=1, le=64)
    """Ours: states of the generator that refine, spread over the second half of training; one is drawn for each image,
    so that what is learnt from them does not hang on where adversarial training ended. 1 keeps the last one."""


class GeneratorSettings(Protocol):
    """What a generator's size is read from (`refiners.cyclegan.CycleGanConfig` documents each)."""

    ngf: int
    n_blocks: int
    n_downsampling: int
    upsampling: Upsampling
    residual: bool
    noise: bool


def generator(config: GeneratorSettings) -> ResnetGenerator:
    """A generator of the configured size."""
    return ResnetGenerator(
        config.ngf, config.n_blocks, config.n_downsampling, residual=config.residual, noise=config.noise,
        upsampling=config.upsampling,
    )  # fmt: skip


class Translator(Refiner):
    """A refiner whose `fit` leaves synthetic-to-real `ResnetGenerator`s in ``_generators``: one, or its snapshots."""

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        self._generators: list[ResnetGenerator] = []

    @property
    def copies(self) -> int:
        """As configured: the harness calls `refine` so many times, each time with another seed."""
        return int(self.config.copies)

    def snapshots(self, network: ResnetGenerator) -> Snapshots:
        """Keeps the states of a network in training that `keep` is to have."""
        return Snapshots(network, self.config.steps, self.config.snapshots)

    def keep(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Refine with generators of these states from now on."""
        self._generators = []
        for state in states:
            network = self.new_generator()
            network.load_state_dict(dict(state))
            self._generators.append(network)

    def new_generator(self) -> ResnetGenerator:
        """An untrained generator of the configured size."""
        return generator(self.config)

    def images(self, synthetic: ImageSet, real: ImageSet) -> tuple[Rows, Rows]:
        """Both domains at the synthetic images' size, (N, H, W, 3) uint8; raises `DataError` where one is empty."""
        if not len(synthetic) or not len(real):
            raise DataError(f"{self.name}: needs synthetic and real images, got {len(synthetic)} and {len(real)}")
        height, width = synthetic.size
        return resized(synthetic, height, width), resized(real, height, width)

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """Translate one by one, so that no rounding of a batched convolution reaches the result."""
        if not self._generators:
            raise UsageError(f"{self.name}: nothing fitted yet; call fit or load_state_dict first")
        networks = [network.to(context.device) for network in self._generators]
        with evaluating(*networks):
            return [to_image(self._translate(networks, sample, context)) for sample in samples]

    def _translate(self, networks: Sequence[ResnetGenerator], sample: Sample, context: Context) -> Tensor:
        network = networks[0]
        if len(networks) > 1:
            drawn_state = np.random.default_rng(derive(context.seed, self.name, "snapshot", sample.id))
            network = networks[int(drawn_state.integers(len(networks)))]
        height, width = sample.image.shape[:2]
        image = to_multiple(to_tensor(sample.image[None], context.device), network.multiple)
        noise = None
        if network.noise:
            random = np.random.default_rng(derive(context.seed, self.name, sample.id))
            drawn = random.standard_normal(tuple(image.shape), np.float32)
            noise = torch.from_numpy(drawn).to(context.device)
        with autocast(context):
            translated: Tensor = network(image, noise)
        return translated[0, :, :height, :width]

    def state_dict(self) -> State:
        """The synthetic-to-real generator alone, as ``generator.<parameter>``; snapshots as ``generator.<k>.<...>``."""
        states = [network.state_dict() for network in self._generators]
        if len(states) > 1:
            return {f"generator.{name}": value for name, value in flattened(states).items()}
        return {
            f"generator.{name}": value.detach().cpu().contiguous() for state in states for name, value in state.items()
        }

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned; the configuration must be the one it was trained with."""
        tensors = {name.removeprefix("generator."): value for name, value in state.items()}
        self.keep(unflattened(tensors) if self.config.snapshots > 1 else [tensors])


def sheet_path(directory: Path, step: int) -> Path:
    """Where the sample sheet of a step lies."""
    return directory / "sheets" / f"step-{step:06d}.png"


def write_samples_sheet(
    path: Path,
    synthetic: Rows,
    real: Rows,
    multiple: int,
    translate: Callable[[Tensor, Tensor], Sequence[Tensor]],
    context: Context,
) -> None:
    """Write the first images of both domains with what ``translate`` makes of the synthetic ones between them.

    Args:
        path: the PNG.
        synthetic, real: (N, H, W, 3) and (M, H, W, 3) uint8.
        multiple: what the network's input sides must divide by.
        translate: takes an image and standard normal noise, (1, 3, H', W') each; returns pictures of that shape.
        context: seed and device; the noise of a row is the same on every sheet.
    """
    rows = []
    for index in range(min(SHEET_ROWS, len(synthetic), len(real))):
        image = to_multiple(to_tensor(synthetic[index : index + 1], context.device), multiple)
        random = np.random.default_rng(derive(context.seed, "sheet", index))
        noise = torch.from_numpy(random.standard_normal(tuple(image.shape), np.float32)).to(context.device)
        height, width = synthetic.shape[1:3]
        made = [to_image(x[0, :, :height, :width]) for x in translate(image, noise)]
        rows.append([synthetic[index], *made, real[index]])
    write_sheet(path, rows)
