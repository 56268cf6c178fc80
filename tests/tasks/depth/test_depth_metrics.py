from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tasks.depth.metrics import METRICS, image_errors, inside


def test_a_case_by_hand() -> None:
    truth = np.array([[2.0, 4.0], [0.0, 8.0]])
    predicted = np.array([[1.0, 5.0], [3.0, 8.0]])  # factors 2, 1.25 and 1; the pixel without truth does not count
    errors = image_errors(predicted, truth, min_depth=0.5, cap=10)
    assert errors is not None
    assert errors == pytest.approx({
        "abs_rel": (1 / 2 + 1 / 4 + 0) / 3,
        "sq_rel": (1 / 2 + 1 / 4 + 0) / 3,
        "rmse": np.sqrt((1 + 1 + 0) / 3),
        "rmse_log": np.sqrt((np.log(2) ** 2 + np.log(1.25) ** 2) / 3),
        "delta1": 1 / 3,  # 1.25 is not below 1.25
        "delta2": 2 / 3,
        "delta3": 2 / 3,  # 2 is above 1.25 ** 3 = 1.953
    })


def noisy() -> tuple[np.ndarray, np.ndarray, torch.Tensor, torch.Tensor]:
    """Predictions and truth as maps, and as the clamped float64 values of the pixels that count."""
    random = np.random.default_rng(0)
    truth = random.uniform(0.5, 12, (37, 53)).astype(np.float32)
    truth[random.random(truth.shape) < 0.2] = 0
    predicted = (truth * random.lognormal(0, 0.4, truth.shape) + random.normal(0, 0.3, truth.shape)).astype(np.float32)
    chosen = torch.from_numpy((truth > 1) & (truth < 10))
    p = torch.from_numpy(predicted).double().clamp(1, 10)[chosen]
    return predicted, truth, p, torch.from_numpy(truth).double()[chosen]


def test_equal_to_an_independent_computation() -> None:
    predicted, truth, p, g = noisy()
    ratio = torch.maximum(p / g, g / p)
    expected = {
        "abs_rel": F.l1_loss(p / g, torch.ones_like(p)),
        "sq_rel": F.mse_loss(p / g.sqrt(), g.sqrt()),
        "rmse": torch.dist(p, g) / len(p) ** 0.5,
        "rmse_log": torch.dist(p.log(), g.log()) / len(p) ** 0.5,
        **{f"delta{k}": torch.count_nonzero(ratio < 1.25**k) / len(p) for k in (1, 2, 3)},
    }
    errors = image_errors(predicted, truth, min_depth=1, cap=10)
    assert errors == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-6)


def test_equal_to_torchmetrics() -> None:
    oracle = pytest.importorskip("torchmetrics.functional.regression")
    predicted, truth, p, g = noisy()
    errors = image_errors(predicted, truth, min_depth=1, cap=10)
    assert errors is not None
    assert errors["abs_rel"] == pytest.approx(float(oracle.mean_absolute_percentage_error(p, g)), rel=1e-6)
    assert errors["rmse"] == pytest.approx(float(oracle.mean_squared_error(p, g, squared=False)), rel=1e-6)
    logarithmic = oracle.mean_squared_error(p.log(), g.log(), squared=False)
    assert errors["rmse_log"] == pytest.approx(float(logarithmic), rel=1e-6)


def test_perfect_predictions_score_perfectly() -> None:
    truth = np.random.default_rng(1).uniform(1, 9, (8, 8)).astype(np.float32)
    errors = image_errors(truth, truth, min_depth=0.1, cap=10)
    assert errors == {name: float(higher) for name, higher in METRICS.items()}


def test_predictions_are_clamped_and_pixels_beyond_the_cap_left_out() -> None:
    truth, predicted = np.array([[5.0, 50.0, 0.05]]), np.array([[400.0, 1.0, 1.0]])
    errors = image_errors(predicted, truth, min_depth=0.1, cap=20)
    assert errors is not None
    assert errors["abs_rel"] == pytest.approx((20 - 5) / 5)


def test_the_bounds_themselves_are_not_scored() -> None:
    assert image_errors(np.ones((1, 2)), np.array([[1.0, 20.0]]), min_depth=1, cap=20) is None


def test_median_scaling_forgives_a_factor() -> None:
    truth = np.random.default_rng(2).uniform(1, 9, (8, 8))
    scaled = image_errors(truth * 0.3, truth, min_depth=0.1, cap=10, median_scaling=True)
    plain = image_errors(truth * 0.3, truth, min_depth=0.1, cap=10)
    assert scaled is not None
    assert plain is not None
    assert scaled["abs_rel"] == pytest.approx(0, abs=1e-12)
    assert plain["abs_rel"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("crop", "rows", "columns"),
    [("none", (0, 375), (0, 1242)), ("garg", (153, 371), (44, 1197)), ("eigen", (124, 342), (44, 1197))],
)
def test_crops_at_the_size_of_kitti(crop: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    mask = inside(375, 1242, crop)  # type: ignore[arg-type]
    expected = np.zeros((375, 1242), np.bool_)
    expected[slice(*rows), slice(*columns)] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_indoor_crop_at_the_size_of_nyu() -> None:
    mask = inside(480, 640, "indoor")
    assert mask[12:468, 16:624].all()
    assert mask.sum() == (468 - 12) * (624 - 16)
