from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from bench.contracts import Context
from bench.samples import ImageSet, Labels, Sample
from refiners.augment import Augment, AugmentConfig, compress, hue_rotation, sensor_noise

STILL = AugmentConfig(
    copies=1, hue=0, saturation=(1, 1), brightness=(1, 1), contrast=(1, 1), gamma=(1, 1), white_balance=(1, 1),
    blur_probability=0, noise_probability=0, jpeg_probability=0,
)


def sample(image: np.ndarray) -> Sample:
    return Sample("x", image.astype(np.uint8), "x", Labels())


def refine(config: AugmentConfig, image: np.ndarray, context: Context) -> np.ndarray:
    return Augment(config).refine([sample(image)], context)[0]


def test_everything_switched_off_changes_nothing(context: Context) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3))
    np.testing.assert_array_equal(refine(STILL, image, context), image)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("brightness", (1.5, 1.5), (150, 60, 30)),
        ("gamma", (2.0, 2.0), (39, 6, 2)),  # 255 * (v / 255)^2
        ("saturation", (0.5, 0.5), (78, 48, 38)),  # half way to 0.299 * 100 + 0.587 * 40 + 0.114 * 20 = 55.7
        ("contrast", (0.5, 0.5), (78, 48, 38)),  # the mean of a flat image is its own luma
    ],
)
def test_each_colour_change_by_hand(
    name: str, value: tuple[float, float], expected: tuple[int, int, int], context: Context
) -> None:
    image = np.broadcast_to(np.array([100, 40, 20]), (6, 6, 3))
    config = STILL.model_copy(update={name: value})
    assert np.abs(refine(config, image, context)[0, 0].astype(int) - expected).max() <= 1


def test_white_balance_moves_red_and_blue_but_not_green(context: Context) -> None:
    image = np.full((6, 6, 3), 100)
    out = refine(STILL.model_copy(update={"white_balance": (1.2, 1.2)}), image, context)
    np.testing.assert_array_equal(out[0, 0], (120, 100, 120))


@pytest.mark.parametrize("turns", [1 / 3, -1 / 3])
def test_a_third_of_a_turn_swaps_the_primaries(turns: float) -> None:
    # red -> green -> blue -> red, or backwards
    expected = np.roll(np.eye(3), 1 if turns > 0 else -1, axis=0)
    np.testing.assert_allclose(hue_rotation(turns), expected, atol=1e-6)


def test_hue_rotation_leaves_grey_and_turns_hue() -> None:
    np.testing.assert_allclose(hue_rotation(0.07) @ np.full(3, 0.4), np.full(3, 0.4), atol=1e-6)
    red = np.array([0.6, 0.4, 0.4])
    turned = hue_rotation(0.05) @ red
    hue = colorsys.rgb_to_hsv(*turned)[0]
    assert 0.03 < hue < 0.07  # the hexagonal model's hue is not exactly the angle


def test_noise_has_the_declared_spread_at_mid_grey() -> None:
    image = np.full((200, 200, 3), 0.5, np.float32)
    noisy = sensor_noise(image, 0.05, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(0.05, rel=0.02)
    dark = sensor_noise(np.zeros_like(image), 0.05, np.random.default_rng(0))
    assert dark.std() == pytest.approx(0.05 * 0.5**0.5, rel=0.02)


def test_blur_keeps_the_mean_and_lowers_the_spread(context: Context) -> None:
    image = np.random.default_rng(0).integers(60, 200, (64, 64, 3))
    out = refine(STILL.model_copy(update={"blur_probability": 1.0, "blur": (2.0, 2.0)}), image, context)
    assert out.mean() == pytest.approx(image.mean(), abs=1)
    assert out.std() < 0.5 * image.std()


def test_a_low_jpeg_quality_costs_detail() -> None:
    wave = 128 + 60 * np.sin(np.arange(32) / 2)
    image = np.broadcast_to((wave[:, None] + wave[None, :]) / 2, (3, 32, 32)).transpose(1, 2, 0).astype(np.uint8)
    errors = [np.abs(compress(image, quality).astype(int) - image).mean() for quality in (10, 95)]
    assert errors[0] > 2 * errors[1]


def test_copies_differ_and_come_from_the_configuration(synthetic: ImageSet, context: Context) -> None:
    refiner = Augment(AugmentConfig(copies=3))
    assert refiner.copies == 3
    images = [refiner.refine([synthetic[0]], replace(context, seed=seed))[0] for seed in range(3)]
    assert all((images[i] != images[j]).any() for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize(
    "settings",
    [{"blur": (2.0, 1.0)}, {"gamma": (0.0, 1.0)}, {"hue": 0.7}, {"jpeg": (0, 50)}, {"jpeg": (50, 101)}, {"copies": 0},
     {"noise": (-0.1, 0.1)}],
)
def test_impossible_ranges_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AugmentConfig(**settings)  # type: ignore[arg-type]
