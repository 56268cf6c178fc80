"""Features of images for measures of realism; the names of the extractors are in `bench.extractors`.

``random-convolutions`` is a network that nobody trained: its filters are drawn from a fixed seed. Random filters answer
to edges, texture and their scale; with plain colour statistics beside them they tell sets of images apart, and they
favour no object that a trained network happens to know. What it does not see is meaning. ``inception`` is the usual
network of KID and the Frechet distance; it needs the package torch-fidelity, which fetches the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bench.errors import DataError
from bench.samples import ImageSet

U8 = NDArray[np.uint8]
Floats = NDArray[np.float64]
SEED = 20181
"""Of the random filters and of the calibration images; part of what ``random-convolutions`` version 1 is."""
WIDTH, SCALES, LARGEST, CALIBRATION = 16, 3, 128, 64


def features_of(images: ImageSet, name: str, batch: int = 32) -> Floats:
    """(N, D) features of a set by the extractor ``name``; labels are not read.

    Raises:
        DataError: the set has fewer than 2 images, which no distance can be taken from.
    """
    if len(images) < 2:
        raise DataError(f"realism needs at least 2 {images.domain} images, this set has {len(images)}; raise [counts]")
    extract, parts = _EXTRACT[name], []
    for start in range(0, len(images), batch):
        indices = range(start, min(start + batch, len(images)))
        parts.append(extract(np.stack([images.image(index) for index in indices])))
    return np.concatenate(parts)


def random_convolutions(images: U8) -> Floats:
    """Features of a random two-layer network at three scales, and colour statistics: (N, H, W, 3) uint8 -> (N, 201).

    Sides above 128 pixels are averaged down to 128. At each scale (whole, half, quarter) 16 filters of 5 x 5 with
    stride 2 whose weights sum to 0, a rectifier, 16 filters of 3 x 3, a rectifier; of each of the 32 maps the mean and
    the standard deviation over the image. Beside them mean and standard deviation of red, green and blue, and the three
    covariances of two of them. Every feature is divided by its root mean square over 64 images of pink noise of the
    same size, whose spectrum is that of natural images (Field 1987, J. Opt. Soc. Am. A 4(12)), so that features of
    photographs are about 1 whatever their unit; no image of a suite takes part in that. The 9 colour statistics are
    then multiplied by (64 / 9)^(1/2), so that colour counts as much as each of the three scales with its 64 features.
    """
    pixels = _tensor(images)
    height, width = pixels.shape[-2:]
    if max(height, width) > LARGEST:
        scale = LARGEST / max(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        pixels = F.interpolate(pixels, (height, width), mode="area")
    return np.asarray((_raw(pixels) / _unit(height, width) * _weights()).numpy(), np.float64)


def _tensor(images: U8) -> Tensor:
    """(N, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255


@cache
def _filters() -> list[tuple[Tensor, Tensor]]:
    """Weights of the two layers at each scale."""
    random = np.random.default_rng(SEED)
    layers = []
    for _ in range(SCALES):
        first = random.normal(size=(WIDTH, 3, 5, 5))
        # Without a mean over each colour's window, a filter answers to edges and not to brightness.
        first -= first.mean((2, 3), keepdims=True)
        second = random.normal(size=(WIDTH, WIDTH, 3, 3))
        # He et al. 2015 (arXiv:1502.01852): the size of the maps stays about the same from layer to layer.
        layers.append((_scaled(first), _scaled(second)))
    return layers


def _scaled(weights: Floats) -> Tensor:
    return torch.from_numpy((weights * np.sqrt(2 / weights[0].size)).astype(np.float32))


def _raw(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> (N, 201), not yet divided by the unit of each feature."""
    colour = pixels.double().flatten(2)
    centred = colour - colour.mean(2, keepdim=True)
    crossed = [(centred[:, i] * centred[:, j]).mean(1) for i, j in ((0, 1), (0, 2), (1, 2))]
    found = [colour.mean(2), centred.square().mean(2).sqrt(), torch.stack(crossed, 1)]
    with torch.no_grad():
        for layers in _filters():
            maps = pixels
            for weights, stride in zip(layers, (2, 1), strict=True):
                # The border repeats the outermost pixels: a black one would be an edge in every image.
                framed = F.pad(maps, [weights.shape[-1] // 2] * 4, mode="replicate")
                maps = F.relu(F.conv2d(framed, weights, stride=stride))
                found += [maps.mean((2, 3)).double(), maps.flatten(2).std(2, correction=0).double()]
            pixels = F.avg_pool2d(pixels, 2) if min(pixels.shape[-2:]) > 1 else pixels
    return torch.cat(found, 1)


@cache
def _weights() -> Tensor:
    """(201,) how much each feature counts."""
    colours, maps = 9, 4 * WIDTH
    return torch.cat([torch.full((colours,), (maps / colours) ** 0.5), torch.ones(SCALES * maps)]).double()


@cache
def _unit(height: int, width: int) -> Tensor:
    """(201,) the root mean square of each feature over pink noise of this size; 1 where that is 0."""
    unit = _raw(_tensor(pink_noise(CALIBRATION, height, width))).square().mean(0).sqrt()
    # In images of a few pixels a filter may stay silent on every piece of noise.
    return torch.where(unit > 1e-6, unit, torch.ones_like(unit))


def pink_noise(count: int, height: int, width: int) -> U8:
    """(count, height, width, 3) uint8 images whose amplitude falls with 1 / frequency; grey 128, deviation 51.

    The three channels share half of their noise, as the colours of photographs go together.
    """
    random = np.random.default_rng([SEED, height, width])
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf  # no mean: the brightness of the whole is set below
    white = random.normal(size=(count, height, width, 4))
    noise = np.fft.irfft2(np.fft.rfft2(white, axes=(1, 2)) / frequency[..., None], s=(height, width), axes=(1, 2))
    mixed = noise[..., :3] + noise[..., 3:]
    mixed *= 51 / np.maximum(mixed.std((1, 2), keepdims=True), 1e-12)
    return np.asarray(np.clip(mixed + 128, 0, 255).round(), np.uint8)


@cache
def _inception() -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).eval()


def inception(images: U8) -> Floats:
    """The 2048 pooled features of torch-fidelity's Inception v3: (N, H, W, 3) uint8 -> (N, 2048)."""
    with torch.no_grad():
        (found,) = _inception()(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    return np.asarray(found.double().numpy(), np.float64)


_EXTRACT: dict[str, Callable[[U8], Floats]] = {"random-convolutions": random_convolutions, "inception": inception}
