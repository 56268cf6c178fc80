from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.contracts import Context
from bench.samples import ImageSet, Labels, Sample
from refiners.fourier import Fourier, FourierConfig, spectrum, window


def fitted(beta: float, synthetic: ImageSet, real: ImageSet, context: Context) -> Fourier:
    refiner = Fourier(FourierConfig(beta=beta))
    refiner.fit(synthetic, real, context)
    return refiner


def test_the_lowest_frequency_alone_moves_the_mean_colour(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    refiner = fitted(0.0, synthetic, real, context)
    image = np.random.default_rng(0).integers(120, 190, (32, 40, 3)).astype(float)  # far from clipping
    out = refiner.refine([Sample("x", image.astype(np.uint8), "x", Labels())], context)[0].astype(float)
    means = [real.image(i).reshape(-1, 3).mean(axis=0) for i in range(len(real))]
    shift = out.reshape(-1, 3).mean(axis=0) - image.reshape(-1, 3).mean(axis=0)
    expected = [mean - image.reshape(-1, 3).mean(axis=0) for mean in means]
    assert min(np.abs(shift - e).max() for e in expected) < 1
    assert np.abs(out - image - shift).max() <= 1


def test_amplitudes_come_from_a_real_image_and_phases_stay(
    make_set: Callable[..., ImageSet], synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    refiner = fitted(0.1, synthetic, real, context)
    half = int(0.1 * 32)
    out = refiner.refine([synthetic[0]], context)[0]
    low, before = window(spectrum(out), half), window(spectrum(synthetic.image(0)), half)
    strong = np.abs(low) > 1  # rounding to 8 bits and clipping blur the phase of weak components
    assert np.abs(np.angle(low[strong] / before[strong])).max() < 0.2
    distances = [np.abs(np.abs(low) - np.abs(window(spectrum(real.image(i)), half))).max() for i in range(len(real))]
    assert min(distances) < 1.0 < max(distances)


def test_real_images_of_another_size_are_resized(
    make_set: Callable[..., ImageSet], synthetic: ImageSet, context: Context
) -> None:
    refiner = fitted(0.05, synthetic, make_set("real", 3, size=(64, 80)).unlabelled(), context)
    assert refiner.refine([synthetic[0]], context)[0].shape == (32, 40, 3)
    assert refiner.state_dict()["amplitudes"].shape == (3, 3, 3, 3)


@pytest.mark.parametrize("size", [(32, 40), (33, 41)])
def test_the_largest_window_still_gives_real_images(
    size: tuple[int, int], make_set: Callable[..., ImageSet], context: Context
) -> None:
    synthetic, real = make_set("synthetic", 2, size=size), make_set("real", 2, size=size).unlabelled()
    refiner = fitted(0.5, synthetic, real, context)
    full = spectrum(synthetic.image(0))
    image = np.fft.ifft2(np.fft.ifftshift(full, axes=(1, 2))) * size[0] * size[1]
    assert np.abs(image.imag).max() < 1e-9
    assert refiner.refine([synthetic[0]], context)[0].shape == (*size, 3)
