"""Rank correlations with their intervals, and within strata: by hand, against each other, and by simulation."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest

from bench.statistics import spearman, spearman_interval, stratified_spearman


def normal_pairs(random: np.random.Generator, n: int, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    x = random.normal(size=n)
    return x, correlation * x + math.sqrt(1 - correlation**2) * random.normal(size=n)


def test_interval_by_hand() -> None:
    """rho .5 of 9 pairs: z = .549306, standard error sqrt(1.125 / 6) = .433013, times 1.959964 = .848690."""
    mean, low, high = spearman_interval(0.5, 9)
    assert mean == 0.5
    assert low == pytest.approx(math.tanh(0.549306 - 0.848690), abs=1e-6)
    assert high == pytest.approx(math.tanh(0.549306 + 0.848690), abs=1e-6)


def test_interval_at_its_ends() -> None:
    perfect = spearman_interval(1.0, 6)
    assert perfect.mean == perfect.high == 1
    # The next largest of six pairs: two neighbours swapped, 1 - 6 * 2 / (6 * 35).
    assert perfect.low == pytest.approx(spearman_interval(1 - 12 / 210, 6).low)
    assert spearman_interval(-1.0, 6).low == -1
    assert spearman_interval(-1.0, 6).high == pytest.approx(-perfect.low)
    assert math.isnan(spearman_interval(0.5, 3).low)
    assert math.isnan(spearman_interval(math.nan, 9).high)
    with pytest.raises(ValueError, match="not in"):
        spearman_interval(1.2, 9)


@pytest.mark.parametrize("n", [5, 8, 20])
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_interval_covers_what_it_promises(n: int, correlation: float) -> None:
    """Of normal pairs, whose rank correlation is 6 / pi asin(r / 2)."""
    random = np.random.default_rng(n)
    true = 6 / math.pi * math.asin(correlation / 2)
    found = [spearman_interval(spearman(*normal_pairs(random, n, correlation))[0], n) for _ in range(500)]
    assert np.mean([low <= true <= high for _, low, high in found]) > 0.93
    assert np.mean([high < true for _, _, high in found]) < 0.045


def test_one_stratum_is_the_plain_correlation() -> None:
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 3.0, 5.0, 4.0]
    rho, p, freedom = stratified_spearman([(x, y)])
    assert (rho, p) == pytest.approx(spearman(x, y))
    assert freedom == 5


def test_strata_by_hand() -> None:
    """Ranks about their means: (-1, 0, 1) with (-1, 1, 0), product 1; (-.5, .5) with itself, .5; norms 2 and .5."""
    strata = [([1, 2, 3], [10, 30, 20]), ([7, 8], [1, 2])]
    rho, p, freedom = stratified_spearman(strata)
    assert rho == pytest.approx(1.5 / 2.5)
    first = [float(np.dot((-1, 0, 1), order)) for order in permutations((-1, 1, 0))]
    sums = [a + b for a, b in product(first, (0.5, -0.5))]
    assert p == pytest.approx(np.mean([abs(total) >= 1.5 - 1e-9 for total in sums]))
    assert freedom == 4


def test_levels_of_strata_count_for_nothing_and_empty_ones_say_nothing() -> None:
    strata = [([1, 2, 3], [10, 30, 20]), ([7, 8], [1, 2])]
    moved = [([1, 2, 3], [10, 30, 20]), ([-700, 800], [1e6, 2e6]), ([1, 1], [1, 2]), ([4], [4])]
    assert stratified_spearman(moved) == pytest.approx(stratified_spearman(strata))
    assert math.isnan(stratified_spearman([([1, 1], [1, 2])])[0])
    with pytest.raises(ValueError, match="paired"):
        stratified_spearman([([1], [1, 2])])


def test_drawn_permutations_come_close_to_all_of_them() -> None:
    random = np.random.default_rng(4)
    strata = [normal_pairs(random, n, 0.6) for n in (5, 4, 3)]
    exact = stratified_spearman(strata)
    drawn = stratified_spearman(strata, draws=5000)
    assert drawn[0] == exact[0]
    assert 0 < drawn[1] == pytest.approx(exact[1], abs=0.03)
    assert stratified_spearman(strata, draws=5000) == drawn
    long = [normal_pairs(random, 12, 0.0)]
    assert stratified_spearman(long)[:2] == pytest.approx(spearman(*long[0]), abs=0.05)


def test_no_correlation_is_found_no_more_often_than_promised_and_a_strong_one_is() -> None:
    def rejected(correlation: float) -> float:
        random = np.random.default_rng(7)
        strata = [[normal_pairs(random, n, correlation) for n in (5, 4, 3, 3)] for _ in range(300)]
        return float(np.mean([stratified_spearman(one, draws=2000)[1] <= 0.05 for one in strata]))

    assert rejected(0.0) < 0.08
    assert rejected(0.95) > 0.8
