"""Low-frequency amplitude swap: FDA, Yang and Soatto 2020 (arXiv 2004.05498), equation 2.

The phase, which carries the layout, stays; the lowest frequencies' amplitude, which carries illumination and colour
cast, comes from a randomly drawn unlabelled real image. No network, no steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from bench.contracts import Context, PluginConfig, Refiner
from bench.errors import UsageError
from bench.samples import U8, ImageSet, Sample
from bench.seeds import derive

if TYPE_CHECKING:
    from bench.contracts import State


class FourierConfig(PluginConfig):
    """How much of the spectrum is swapped."""

    beta: float = Field(0.02, ge=0, le=0.5)
    """Half the window's side as a share of the image's shorter side. The paper uses 0.01, 0.05 and 0.09 at
    1024x512; on images of about 100 px 0.01 is the mean colour alone, and 0.05 paints coloured clouds."""


def window(spectrum: NDArray[np.complex128], half: int) -> NDArray[np.complex128]:
    """The (2 half + 1)^2 lowest frequencies of a shifted (3, H, W) spectrum: a view, so it can be assigned to."""
    row, column = spectrum.shape[1] // 2, spectrum.shape[2] // 2
    return spectrum[:, row - half : row + half + 1, column - half : column + half + 1]


def spectrum(image: U8) -> NDArray[np.complex128]:
    """(H, W, 3) uint8 to a shifted (3, H, W) spectrum divided by the number of pixels, so that sizes compare."""
    channels = image.astype(np.float64).transpose(2, 0, 1)
    return np.asarray(np.fft.fftshift(np.fft.fft2(channels), axes=(1, 2)) / (image.shape[0] * image.shape[1]))


class Fourier(Refiner):
    """Give each synthetic image the low-frequency amplitudes of a real one."""

    name = "fourier"
    version = 1
    Config = FourierConfig

    def __init__(self, config: FourierConfig) -> None:
        super().__init__(config)
        self._amplitudes: NDArray[np.float64] | None = None

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Store the low-frequency amplitudes of every real training image, resized to the synthetic images' size."""
        height, width = synthetic.size
        shorter = min(height, width)
        half = min(int(self.config.beta * shorter), (shorter - 1) // 2)
        found = []
        for index in range(len(real)):
            image = np.asarray(Image.fromarray(real.image(index)).resize((width, height), Image.Resampling.BICUBIC))
            found.append(np.abs(window(spectrum(image), half)))
        self._amplitudes = np.stack(found)

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """Swap amplitudes; the real image is drawn from ``context.seed`` and the sample's id."""
        if self._amplitudes is None:
            raise UsageError("fourier: nothing fitted yet; call fit or load_state_dict first")
        return [self._one(sample, self._amplitudes, context.seed) for sample in samples]

    def _one(self, sample: Sample, amplitudes: NDArray[np.float64], seed: int) -> U8:
        drawn = amplitudes[np.random.default_rng(derive(seed, "fourier", sample.id)).integers(len(amplitudes))]
        full = spectrum(sample.image)
        low = window(full, drawn.shape[1] // 2)
        low[...] = drawn * np.exp(1j * np.angle(low))
        height, width = sample.image.shape[:2]
        image = np.fft.ifft2(np.fft.ifftshift(full, axes=(1, 2))).real * (height * width)
        return np.ascontiguousarray(np.rint(np.clip(image, 0, 255)).astype(np.uint8).transpose(1, 2, 0))

    def state_dict(self) -> State:
        """``amplitudes``: (N, 3, K, K) float64, K odd."""
        return {} if self._amplitudes is None else {"amplitudes": torch.from_numpy(self._amplitudes.copy())}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned."""
        self._amplitudes = state["amplitudes"].double().cpu().numpy()
