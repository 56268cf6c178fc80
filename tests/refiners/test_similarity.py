from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from refiners.similarity import masked_pairwise_loss


def by_pairs(output: np.ndarray, source: np.ndarray, mask: np.ndarray) -> float:
    """The definition, pair by pair: the mean over all pairs of values of half of their squared difference."""
    d = ((source - output) * np.broadcast_to(mask, source.shape)).ravel()
    return float(np.mean([(a - b) ** 2 / 2 for a, b in itertools.product(d, d)]))


def test_two_pixels_by_hand() -> None:
    source = torch.tensor([[[[0.5, -0.1, 0.3, 0.7]]]])
    output = torch.tensor([[[[0.1, -0.3, 0.9, -0.7]]]])
    mask = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    # d m = (0.4, 0.2, 0, 0) and k = 4: (0.16 + 0.04) / 4 - (0.6 / 4)^2 = 0.05 - 0.0225
    assert float(masked_pairwise_loss(output, source, mask)) == pytest.approx(0.0275)
    # The published code: twice that, summed over the batch.
    two = [x.repeat(2, 1, 1, 1) for x in (output, source, mask)]
    assert float(masked_pairwise_loss(*two, reduction="published")) == pytest.approx(4 * 0.0275)
    assert float(masked_pairwise_loss(*two)) == pytest.approx(0.0275)


def test_it_is_the_mean_over_pairs() -> None:
    random = np.random.default_rng(0)
    output, source = random.uniform(-1, 1, (2, 3, 4, 4, 3)).astype(np.float32)
    mask = (random.random((3, 1, 4, 3)) < 0.6).astype(np.float32)
    expected = np.mean([by_pairs(output[i], source[i], mask[i]) for i in range(3)])
    found = masked_pairwise_loss(*(torch.from_numpy(x) for x in (output, source, mask)))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_shift_of_everything_is_free_and_the_background_is_ignored() -> None:
    torch.manual_seed(0)
    source, output = torch.rand(2, 4, 5, 5), torch.rand(2, 4, 5, 5)
    everywhere = torch.ones(2, 1, 5, 5)
    assert float(masked_pairwise_loss(source + 0.3, source, everywhere)) == pytest.approx(0, abs=1e-6)
    assert float(masked_pairwise_loss(output, source, everywhere)) > 0.05
    assert float(masked_pairwise_loss(output, source, 0 * everywhere)) == 0
    mask = everywhere.clone()
    mask[..., :2] = 0
    changed = output.clone()
    changed[..., :2] = 9
    assert torch.equal(masked_pairwise_loss(output, source, mask), masked_pairwise_loss(changed, source, mask))
