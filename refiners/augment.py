"""The baseline that every user tries first: random colour, blur, noise and JPEG of the whole image, no network.

Nothing is learnt and no real image is looked at; the ranges are declared below and cover what cameras usually do.
This is domain randomisation of the camera alone (Tobin et al. 2017, arXiv 1703.06907, randomise the scene as well).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, Field
from scipy import ndimage

from bench.contracts import Context, PluginConfig, Refiner
from bench.samples import U8, Sample
from bench.seeds import derive

F32 = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the range {list(pair)} runs backwards; write the smaller end first")
    return pair


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Factor = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
Range = Annotated[tuple[NotNegative, NotNegative], AfterValidator(_ordered)]
Quality = Annotated[int, Field(ge=1, le=100)]
Probability = Annotated[float, Field(ge=0, le=1)]


class AugmentConfig(PluginConfig):
    """Ranges that each image's randomisation is drawn from, uniformly (factors: uniformly in their logarithm)."""

    copies: int = Field(4, ge=1, le=64)
    """Differently drawn images that each synthetic one becomes."""
    hue: float = Field(0.03, ge=0, le=0.5)
    """Largest rotation of hue, either way, in turns."""
    saturation: Factor = (0.5, 1.3)
    """Factor on the distance of a colour from its grey."""
    brightness: Factor = (0.65, 1.5)
    """Factor on all channels."""
    contrast: Factor = (0.6, 1.3)
    """Factor on the distance from the image's mean."""
    gamma: Factor = (0.75, 1.35)
    """Exponent of the tone curve."""
    white_balance: Factor = (0.85, 1.18)
    """Factor of red against green, and of blue against green, drawn separately."""
    blur: Range = (0.0, 1.0)
    """Gaussian blur: standard deviation in per cent of the image's shorter side."""
    noise: Range = (0.0, 0.05)
    """Sensor noise: standard deviation at mid grey, of the value range; half of it grows with the signal."""
    jpeg: Annotated[tuple[Quality, Quality], AfterValidator(_ordered)] = (40, 95)
    """JPEG quality, 1 to 100."""
    blur_probability: Probability = 0.7
    noise_probability: Probability = 0.7
    jpeg_probability: Probability = 0.5


class Augment(Refiner):
    """Randomise colour, sharpness, noise and compression of the whole image; objects stay where they are."""

    name = "augment"
    version = 1
    trained: ClassVar[bool] = False
    Config = AugmentConfig

    @property
    def copies(self) -> int:
        """As configured: the harness calls `refine` so many times, each time with another seed."""
        return int(self.config.copies)

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """Randomise each image by a generator of its own, drawn from ``context.seed`` and the sample's id."""
        return [self._one(s.image, np.random.default_rng(derive(context.seed, "augment", s.id))) for s in samples]

    def _one(self, image: U8, random: np.random.Generator) -> U8:
        config = self.config
        out = colour(image.astype(np.float32) / np.float32(255), config, random)
        if random.random() < config.blur_probability:
            sigma = random.uniform(*config.blur) / 100 * min(image.shape[:2])
            out = ndimage.gaussian_filter(out, (sigma, sigma, 0), mode="nearest")
        if random.random() < config.noise_probability:
            out = sensor_noise(out, random.uniform(*config.noise), random)
        result: U8 = np.rint(np.clip(out, 0, 1) * 255).astype(np.uint8)
        if random.random() < config.jpeg_probability:
            result = compress(result, int(random.integers(config.jpeg[0], config.jpeg[1] + 1)))
        return result


def _factor(bounds: tuple[float, float], random: np.random.Generator) -> float:
    return float(np.exp(random.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def colour(image: F32, config: AugmentConfig, random: np.random.Generator) -> F32:
    """Random gain, white balance, contrast, saturation, hue and gamma of one (H, W, 3) image in [0, 1]."""
    balance = [_factor(config.white_balance, random), 1.0, _factor(config.white_balance, random)]
    out = image * np.asarray(balance, np.float32) * np.float32(_factor(config.brightness, random))
    mean = (out @ LUMA).mean()
    out = mean + (out - mean) * np.float32(_factor(config.contrast, random))
    grey = (out @ LUMA)[..., None]
    out = grey + (out - grey) * np.float32(_factor(config.saturation, random))
    out = out @ hue_rotation(float(random.uniform(-config.hue, config.hue))).T
    return np.asarray(np.clip(out, 0, 1) ** _factor(config.gamma, random), np.float32)


def hue_rotation(turns: float) -> F32:
    """The 3x3 matrix that turns RGB colours about the grey axis (Rodrigues' formula); greys stay as they are."""
    cosine, sine = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(cosine * np.eye(3) + sine * cross + (1 - cosine) * np.outer(axis, axis), np.float32)


def sensor_noise(image: F32, sigma: float, random: np.random.Generator) -> F32:
    """Add noise whose variance is half constant (read noise), half proportional to the signal (shot noise).

    At a value of 0.5 its standard deviation is ``sigma``.
    """
    spread = sigma * np.sqrt(0.5 + np.clip(image, 0, 1))
    return np.asarray(image + spread * random.standard_normal(image.shape), np.float32)


def compress(image: U8, quality: int) -> U8:
    """JPEG and back."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as opened:
        return np.asarray(opened.convert("RGB"))
