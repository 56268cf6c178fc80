"""Distances of feature sets by hand, by naive loops and by another library; the declared features."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg
from torchmetrics.image.kid import poly_mmd

from bench.errors import DataError
from bench.extractors import EXTRACTORS, Extractor
from bench.features import features_of, pink_noise, random_convolutions
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.realism import frechet_distance, kernel_distance
from bench.samples import Labels


def sets(seed: int = 0, m: int = 9, n: int = 7, d: int = 4, shift: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(m, d)) + shift, random.normal(size=(n, d))


def test_kernel_distance_by_hand() -> None:
    """One feature, x = {0, 1}, y = {1, 2}: k(a, b) = (ab + 1)^3.

    Within x only k(0, 1) = 1; within y k(1, 2) = 27; between: k = 1, 1, 8, 27, mean 37 / 4.
    """
    assert kernel_distance([[0.0], [1.0]], [[1.0], [2.0]]) == pytest.approx(1 + 27 - 2 * 37 / 4)


def test_kernel_distance_is_the_loop_over_pairs() -> None:
    x, y = sets()

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(z: np.ndarray) -> float:
        pairs = [k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(pairs) / len(pairs)

    between = [k(a, b) for a in x for b in y]
    assert kernel_distance(x, y) == pytest.approx(within(x) + within(y) - 2 * sum(between) / len(between))


def test_kernel_distance_agrees_with_torchmetrics() -> None:
    x, y = sets(m=8, n=8)
    assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(torch.from_numpy(x), torch.from_numpy(y))))


def test_kernel_distance_is_unbiased_and_the_plain_mean_is_not() -> None:
    """Two samples of one distribution: 0 on average, whatever their sizes; of two, more."""
    found = [kernel_distance(*sets(seed, m=6, n=12, shift=0)) for seed in range(1500)]
    error = float(np.std(found) / np.sqrt(len(found)))
    assert abs(float(np.mean(found))) < 4 * error
    assert min(found) < 0
    shifted = [kernel_distance(*sets(seed, m=6, n=12, shift=0.5)) for seed in range(300)]
    assert float(np.mean(shifted)) > 10 * error


def test_frechet_distance_by_hand() -> None:
    """In one dimension (m1 - m2)^2 + (s1 - s2)^2: means 1 and 6, deviations sqrt(2) and sqrt(8)."""
    assert frechet_distance([[0.0], [2.0]], [[4.0], [8.0]]) == pytest.approx(25 + (8**0.5 - 2**0.5) ** 2)
    x, _ = sets()
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 3) == pytest.approx(4 * 9)


@pytest.mark.parametrize(("m", "d"), [(40, 4), (5, 12)])
def test_frechet_distance_is_the_formula_with_the_matrix_root(m: int, d: int) -> None:
    """Also with fewer images than features, where the covariances are singular."""
    x, y = sets(3, m=m, n=m + 3, d=d)
    y = y * np.linspace(0.5, 2, d)
    root = linalg.sqrtm(np.cov(x.T) @ np.cov(y.T) + 1e-12 * np.eye(d))
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root.real)
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
def test_what_cannot_be_compared_is_refused(distance: object) -> None:
    assert callable(distance)
    good = np.zeros((3, 2))
    for bad, part in ((np.zeros((3, 4)), "features"), (np.zeros((1, 2)), "at least 2"), (good + np.nan, "finite")):
        with pytest.raises(ValueError, match=part):
            distance(good, bad)


def noise(seed: int, count: int = 40, size: int = 24, level: int = 128, spread: int = 40) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.clip(random.normal(level, spread, (count, size, size, 3)), 0, 255).astype(np.uint8)


def test_features_are_declared_seeded_and_of_their_image_alone() -> None:
    images = pink_noise(6, 24, 20)
    features = random_convolutions(images)
    assert features.shape == (6, 201)
    assert features.dtype == np.float64
    assert np.isfinite(features).all()
    assert random_convolutions(images[2:3])[0] == pytest.approx(features[2], rel=1e-4, abs=1e-5)
    assert 0.5 < float(features[:, 9:].mean()) < 1.5
    assert features[:, :9].mean() == pytest.approx((64 / 9) ** 0.5, rel=0.2)
    # Version 1 of the extractor is these numbers; whoever changes them raises the version.
    assert random_convolutions(pink_noise(2, 32, 32))[0][[0, 8, 9, 60, 200]] == pytest.approx(KNOWN, rel=1e-3)


KNOWN = [2.66959, 2.88192, 0.86901, 0.95933, 1.40422]


def test_features_tell_colour_texture_and_scale_apart() -> None:
    plain = random_convolutions(noise(0))
    floor = max(abs(kernel_distance(plain, random_convolutions(noise(seed)))) for seed in range(1, 6))
    red = noise(1)
    red[..., 0] = np.clip(red[..., 0].astype(int) + 40, 0, 255)
    soft = noise(1).astype(np.float64)
    soft = ((soft + np.roll(soft, 1, 1) + np.roll(soft, 1, 2)) / 3).astype(np.uint8)
    for other in (red, soft):
        features = random_convolutions(other)
        assert kernel_distance(plain, features) > 5 * floor
        assert frechet_distance(plain, features) > frechet_distance(plain, random_convolutions(noise(1)))


def test_any_size_down_to_single_pixels_and_flat_images() -> None:
    for size in ((1, 1), (3, 5), (16, 16), (150, 300)):
        features = random_convolutions(np.full((2, *size, 3), 90, np.uint8))
        assert features.shape == (2, 201)
        assert np.isfinite(features).all()


def test_large_images_are_averaged_down_to_128_pixels() -> None:
    small = pink_noise(2, 64, 128)
    large = small.repeat(3, 1).repeat(3, 2)
    assert random_convolutions(large) == pytest.approx(random_convolutions(small), rel=1e-4, abs=1e-5)


def test_a_set_of_one_image_is_refused(tmp_path: Path) -> None:
    writer = ImageSetWriter(tmp_path, domain="real", kind="stand-in", class_names=["a"], labels=[])
    writer.add("x", np.zeros((16, 16, 3), np.uint8), Labels())
    writer.close()
    with pytest.raises(DataError, match=r"at least 2 real images, this set has 1; raise \[counts\]"):
        features_of(open_image_set(tmp_path).unlabelled(), "random-convolutions")


def test_what_is_not_installed_says_so() -> None:
    assert EXTRACTORS["random-convolutions"].skip() is None
    assert Extractor(1, "", "surely_no_package").skip() == "the package surely-no-package is not installed"
    installed = importlib.util.find_spec("torch_fidelity") is not None
    assert (EXTRACTORS["inception"].skip() is None) == installed
