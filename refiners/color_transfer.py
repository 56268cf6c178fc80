"""Colour statistics of the real images: Reinhard et al. 2001, "Color Transfer between Images", IEEE CG&A 21(5).

Images go to the decorrelated space l-alpha-beta (the paper's equations 4 to 6); each synthetic image gets the mean and
standard deviation per channel of a real one (equations 10 and 11) and comes back. No network, no steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from bench.contracts import Context, PluginConfig, Refiner
from bench.errors import UsageError
from bench.samples import U8, ImageSet, Sample
from bench.seeds import derive

if TYPE_CHECKING:
    from bench.contracts import State

F64 = NDArray[np.float64]
RGB_TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
LMS_TO_LAB = np.diag([1 / np.sqrt(3), 1 / np.sqrt(6), 1 / np.sqrt(2)]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
DARKEST = 1 / 255
"""Floor before the logarithm: without it black renders would get a mean of minus infinity."""


def to_lab(image: U8) -> F64:
    """(H, W, 3) uint8 RGB to l-alpha-beta, float64."""
    values = np.maximum(image.astype(np.float64) / 255, DARKEST)
    return np.asarray(np.log10(values @ RGB_TO_LMS.T) @ LMS_TO_LAB.T)


def from_lab(lab: F64) -> U8:
    """The inverse of `to_lab`, clipped to uint8."""
    lms = 10.0 ** (lab @ np.linalg.inv(LMS_TO_LAB).T)
    return np.rint(np.clip(lms @ np.linalg.inv(RGB_TO_LMS).T, 0, 1) * 255).astype(np.uint8)


def statistics(lab: F64) -> F64:
    """(2, 3): mean and standard deviation of each channel."""
    flat = lab.reshape(-1, 3)
    return np.stack([flat.mean(axis=0), flat.std(axis=0)])


class ColorTransferConfig(PluginConfig):
    """What an image's statistics are moved to, and how far."""

    target: Literal["image", "set"] = "image"
    """"image": of a randomly drawn real image, so that the refined set varies as the real one does; "set": the mean."""
    strength: float = Field(1.0, ge=0, le=1)
    """0 leaves the image alone, 1 moves its statistics all the way."""


class ColorTransfer(Refiner):
    """Give each synthetic image the colour statistics of a real one."""

    name = "color-transfer"
    version = 1
    Config = ColorTransferConfig

    def __init__(self, config: ColorTransferConfig) -> None:
        super().__init__(config)
        self._real: F64 | None = None

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        """Store the statistics of every real training image (48 bytes each)."""
        self._real = np.stack([statistics(to_lab(real.image(i))) for i in range(len(real))])

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """Move each image's statistics; the real image is drawn from ``context.seed`` and the sample's id."""
        if self._real is None:
            raise UsageError("color-transfer: nothing fitted yet; call fit or load_state_dict first")
        return [self._one(sample, self._real, context.seed) for sample in samples]

    def _one(self, sample: Sample, real: F64, seed: int) -> U8:
        if self.config.target == "set":
            target = real.mean(axis=0)
        else:
            target = real[np.random.default_rng(derive(seed, "color-transfer", sample.id)).integers(len(real))]
        lab = to_lab(sample.image)
        own = statistics(lab)
        goal = own + self.config.strength * (target - own)
        # A flat image has no spread to scale: its one colour moves to the mean.
        scale = goal[1] / np.maximum(own[1], 1e-6)
        return from_lab((lab - own[0]) * np.where(own[1] < 1e-6, 0, scale) + goal[0])

    def state_dict(self) -> State:
        """``real``: (N, 2, 3) float64."""
        return {} if self._real is None else {"real": torch.from_numpy(self._real.copy())}

    def load_state_dict(self, state: State) -> None:
        """Take what `state_dict` returned."""
        self._real = state["real"].double().cpu().numpy()
