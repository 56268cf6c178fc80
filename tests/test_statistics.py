"""Statistics against hand-computed values, scipy, and simulated coverage, family-wise error and power."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from bench.statistics import (
    cluster_bootstrap,
    gap_closed,
    holm,
    iqm,
    minimum_detectable_gain,
    paired_t_interval,
    paired_t_power,
    probability_of_improvement,
    replicates_needed,
    sign_flip_p,
    spearman,
    t_interval,
)


def test_t_interval_by_hand() -> None:
    # mean 2, sd 1, t(.975, 2) = 4.302653: half width 4.302653 / sqrt(3).
    mean, low, high = paired_t_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert high == pytest.approx(2 + 2.484138, abs=1e-6)


def test_t_interval_agrees_with_scipy() -> None:
    x = np.random.default_rng(1).normal(0.3, 2, 7)
    ours = t_interval(x, 0.9)
    theirs = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_t_interval_of_one_and_none_has_no_ends() -> None:
    one = paired_t_interval([0.25])
    assert one.mean == 0.25
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert all(math.isnan(value) for value in paired_t_interval([]))


def test_equal_differences_give_a_point() -> None:
    assert paired_t_interval([0.0, 0.0, 0.0]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("bad", [[1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_values_that_are_no_numbers_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        t_interval(bad)


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("law", ["normal", "t3"])
def test_interval_covers_the_truth(n: int, law: str) -> None:
    random = np.random.default_rng(n)
    draws = random.normal(0.5, 1, (4000, n)) if law == "normal" else 0.5 + random.standard_t(3, (4000, n))
    intervals = np.array([paired_t_interval(row) for row in draws])
    coverage = np.mean((intervals[:, 1] <= 0.5) & (intervals[:, 2] >= 0.5))
    assert 0.93 < coverage < 0.975
    if law == "normal":
        assert coverage < 0.97


def test_sign_flip_smallest_p() -> None:
    for n, smallest in [(1, 1.0), (3, 0.25), (5, 0.0625), (6, 0.03125), (8, 0.0078125)]:
        assert sign_flip_p(np.arange(1, n + 1)) == smallest


def test_sign_flip_by_enumeration_and_scipy() -> None:
    x = np.array([0.3, -0.1, 0.4, 0.2, 0.05])
    flips = np.array(list(product([1, -1], repeat=5))) @ x
    by_hand = np.mean(np.abs(flips) >= abs(x.sum()) - 1e-12)
    assert sign_flip_p(x) == by_hand == 6 / 32
    theirs = stats.permutation_test((x,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(x) == pytest.approx(theirs.pvalue)


def test_sign_flip_edges() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0
    assert math.isnan(sign_flip_p([]))
    # 0.1 + 0.2 - 0.3 is not exactly 0 in binary; the tie must count all the same.
    assert sign_flip_p([0.1, 0.2, -0.3]) == 1.0
    with pytest.raises(ValueError, match="at most 20"):
        sign_flip_p(np.ones(21))


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, then made monotone.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])


def test_holm_counts_what_could_not_be_tested() -> None:
    adjusted = holm([0.02, math.nan, 0.5])
    assert adjusted[0] == pytest.approx(0.06)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == 1.0


def test_holm_keeps_the_family_wise_error() -> None:
    draws = np.random.default_rng(3).normal(0, 1, (1500, 40, 6))
    p = stats.ttest_1samp(draws, 0, axis=-1).pvalue
    uncorrected = np.mean((p < 0.05).any(1))
    ours = np.mean([min(holm(row.tolist())) <= 0.05 for row in p])
    assert uncorrected > 0.8
    assert 0.03 < ours < 0.07


def test_cluster_bootstrap_resamples_groups() -> None:
    groups = np.repeat(np.arange(12), 8)
    offsets = np.random.default_rng(4).normal(0.2, 1, 12)
    values = offsets[groups]
    clustered = cluster_bootstrap(values, groups.tolist())
    single = cluster_bootstrap(values, list(range(96)))
    assert clustered.mean == single.mean == pytest.approx(offsets.mean())
    # Eight copies of each value carry no more information: the interval is that of 12 values, not that of 96.
    for ours, independent in [(clustered, offsets), (single, values)]:
        theirs = t_interval(independent)
        assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=0.12)
    assert clustered.high - clustered.low > math.sqrt(8) * (single.high - single.low)


def test_cluster_bootstrap_covers() -> None:
    random = np.random.default_rng(5)
    hits = 0
    for trial in range(400):
        groups = np.repeat(np.arange(15), 4)
        values = random.normal(0, 1, 15)[groups] + random.normal(0, 1, 60)
        interval = cluster_bootstrap(values, groups.tolist(), resamples=800, seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert 0.92 < hits / 400 < 0.98


def test_cluster_bootstrap_edges() -> None:
    assert cluster_bootstrap([1.0, 2.0], ["a", "b"], seed=3) == cluster_bootstrap([1.0, 2.0], ["a", "b"], seed=3)
    one = cluster_bootstrap([1.0, 3.0], ["a", "a"])
    assert one.mean == 2.0
    assert math.isnan(one.low)
    assert math.isnan(cluster_bootstrap([], []).mean)
    with pytest.raises(ValueError, match="2 differences, but 1 groups"):
        cluster_bootstrap([1.0, 2.0], ["a"])


def test_cluster_bootstrap_weighs_images_not_groups() -> None:
    assert cluster_bootstrap([1.0, 1.0, 1.0, 5.0], ["a", "a", "a", "b"]).mean == 2.0


def test_iqm_by_hand() -> None:
    assert iqm([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0]) == 3.5
    assert iqm([1.0, 2.0, 9.0]) == 4.0
    assert math.isnan(iqm([]))


def test_probability_of_improvement() -> None:
    a, b = [3.0, 1.0, 2.0], [2.0, 0.0]
    assert probability_of_improvement(a, b) == pytest.approx((1 + 1 + 0 + 1 + 0.5 + 1) / 6)
    assert probability_of_improvement(a, b, higher_is_better=False) == pytest.approx(1.5 / 6)
    assert probability_of_improvement(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / 6)
    assert math.isnan(probability_of_improvement([], b))


def test_gap_closed_by_hand() -> None:
    # above = (.1, .2), below = (.5, .5): a constant gap, so the interval is that of the mean gain over .5.
    ratio, low, high = gap_closed([0.1, 0.2], [0.0, 0.0], [0.5, 0.5])
    gain = t_interval([0.1, 0.2])
    assert (ratio, low, high) == pytest.approx((0.3, gain.low / 0.5, gain.high / 0.5))
    assert gap_closed([0.5, 0.7, 0.6], [0.1, 0.2, 0.15], [0.5, 0.7, 0.6]) == pytest.approx((1, 1, 1))
    assert gap_closed([0.1, 0.2], [0.1, 0.2], [0.5, 0.7])[0] == 0
    # Lower is better: both differences change sign and the ratio does not.
    assert gap_closed([-0.1, -0.2], [0.0, 0.0], [-0.5, -0.5]) == pytest.approx((ratio, low, high))


def test_gap_closed_solves_fiellers_equation() -> None:
    random = np.random.default_rng(6)
    reference = random.normal(0.2, 0.02, 5)
    target, arm = reference + random.normal(0.4, 0.05, 5), reference + random.normal(0.1, 0.05, 5)
    interval = gap_closed(arm, reference, target)
    critical = stats.t.ppf(0.975, 4)
    for end in (interval.low, interval.high):
        residual = (arm - reference) - end * (target - reference)
        assert abs(stats.ttest_1samp(residual, 0).statistic) == pytest.approx(critical)


def test_gap_closed_without_a_gap() -> None:
    unsure = gap_closed([0.1, 0.3, 0.2], [0.2, 0.1, 0.2], [0.1, 0.3, 0.25])
    assert (unsure.low, unsure.high) == (-math.inf, math.inf)
    assert math.isnan(gap_closed([0.1, 0.2], [0.1, 0.1], [0.1, 0.1]).mean)
    one = gap_closed([0.2], [0.1], [0.5])
    assert one.mean == pytest.approx(0.25)
    assert math.isnan(one.low)
    with pytest.raises(ValueError, match="same replicates"):
        gap_closed([0.1], [0.1, 0.2], [0.3, 0.4])


@pytest.mark.parametrize("n", [5, 10])
def test_gap_closed_covers(n: int) -> None:
    random = np.random.default_rng(7 + n)
    hits = 0
    for _ in range(2000):
        reference, noise = random.normal(0.2, 0.1, n), random.normal(0, 0.08, n)
        arm = reference + 0.12 + random.normal(0, 0.08, n) + noise
        target = reference + 0.4 + random.normal(0, 0.08, n) + noise
        interval = gap_closed(arm, reference, target)
        hits += interval.low <= 0.3 <= interval.high
    assert 0.93 < hits / 2000 < 0.97


def test_power_against_simulation() -> None:
    draws = np.random.default_rng(8).normal(1.0, 1.0, (20_000, 6))
    simulated = np.mean(stats.ttest_1samp(draws, 0, axis=-1).pvalue < 0.05)
    assert paired_t_power(1.0, 1.0, 6) == pytest.approx(simulated, abs=0.01)
    assert paired_t_power(0.0, 1.0, 6) == pytest.approx(0.05, abs=1e-7)
    noncentral = stats.nct(7, 0.7 * math.sqrt(8))
    assert paired_t_power(0.7, 1.0, 8) == pytest.approx(noncentral.sf(2.3646243) + noncentral.cdf(-2.3646243), abs=1e-7)
    assert paired_t_power(-1.0, 1.0, 6) == pytest.approx(paired_t_power(1.0, 1.0, 6))
    assert paired_t_power(1.0, 1.0, 1) == 0
    assert paired_t_power(1000.0, 1.0, 3) == pytest.approx(1)
    assert paired_t_power(0.1, 0.0, 3) == 1


def test_pairing_raises_power() -> None:
    # anchors: a gain of one sd of single runs at n = 5: 75 % at correlation .8 (differences of sd sqrt(.4)).
    assert paired_t_power(1.0, math.sqrt(2 * (1 - 0.8)), 5) == pytest.approx(0.75, abs=0.02)
    assert paired_t_power(1.0, 1.0, 5) == pytest.approx(0.40, abs=0.01)


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_minimum_detectable_gain_has_the_promised_power(n: int) -> None:
    gain = minimum_detectable_gain(0.3, n)
    assert paired_t_power(gain, 0.3, n) == pytest.approx(0.8, abs=1e-4)
    assert math.isnan(minimum_detectable_gain(0.3, 1))
    assert minimum_detectable_gain(0.0, n) == 0


def test_replicates_needed_is_the_fewest() -> None:
    n = replicates_needed(0.5, 0.5)
    assert n == 10  # the textbook figure for an effect of one standard deviation at 80 %
    assert paired_t_power(0.5, 0.5, n) >= 0.8 > paired_t_power(0.5, 0.5, n - 1)
    assert replicates_needed(0.0, 1.0) is None
    assert replicates_needed(10.0, 0.01) == 2


def test_spearman() -> None:
    rho, p = spearman([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0])
    assert rho == pytest.approx(0.8)
    # Of 24 orders, those with |rho| >= .8: sum of squared rank differences <= 2 or >= 18, four each.
    assert p == pytest.approx(8 / 24)
    random = np.random.default_rng(9)
    x, y = random.normal(size=12), random.integers(0, 4, 12)
    theirs = stats.spearmanr(x, y)
    assert spearman(x, y) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert all(math.isnan(value) for value in spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert all(math.isnan(value) for value in spearman([1.0, 2.0], [1.0, 2.0]))
    with pytest.raises(ValueError, match="paired"):
        spearman([1.0], [1.0, 2.0])
