"""Statistics of paired replicates: pure functions, each with its reference.

Everything takes plain sequences of floats and returns floats. ``n`` is small here (3 to 10), so per-cell intervals are
Student's t and not the percentile bootstrap, whose 95 % interval covers 75, 83 and 90 % at n = 3, 5 and 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import scipy  # whose parts are imported when they are used: a finished run again needs none of them
from numpy.typing import ArrayLike, NDArray


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval; NaN ends: there is none; infinite ends: no bound."""

    mean: float
    low: float
    high: float


Floats = NDArray[np.float64]


def _vector(values: ArrayLike, name: str = "values") -> Floats:
    vector = np.asarray(values, np.float64)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError(f"{name} must be a flat sequence of finite numbers")
    return vector


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of a sample with Student's t interval.

    Reference: Student (1908), The probable error of a mean, Biometrika 6(1). With one value the ends are NaN, with none
    the mean as well.
    """
    x = _vector(values)
    if x.size < 2:
        return Interval(float(x[0]) if x.size else math.nan, math.nan, math.nan)
    mean = float(x.mean())
    half = float(scipy.stats.t.ppf(0.5 + level / 2, x.size - 1)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half)


def paired_t_interval(differences: ArrayLike, level: float = 0.95) -> Interval:
    """Mean paired difference with its t interval: `t_interval` of the differences of the same replicate's cells.

    Pairing removes what the replicates share; at correlation rho it is worth about 1 / (1 - rho) times the replicates.
    """
    return t_interval(differences, level)


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p of the hypothesis that every difference is as likely as its negative, by all 2^n sign flips.

    Reference: Fisher (1935), The Design of Experiments, section 21. Exact, with no normality assumed; its smallest
    value is 2^(1-n), so five replicates (.0625) can never reach .05 and six (.031) can.

    Raises:
        ValueError: more than 20 differences (use the t interval, which is then as good).
    """
    x = _vector(differences, "differences")
    if x.size == 0:
        return math.nan
    if x.size > 20:
        raise ValueError(f"{x.size} differences: the exact test enumerates 2^n sign flips and takes at most 20")
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate([sums + value, sums - value])
    # Flips that tie with the observed sum must count although rounding differs with the order of addition.
    threshold = abs(float(x.sum())) - 1e-9 * float(np.abs(x).sum())
    return float(np.mean(np.abs(sums) >= threshold))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the given order.

    Rejecting those <= alpha keeps the chance of any false rejection in the family <= alpha. A NaN (a claim that could
    not be tested) stays NaN but counts as one of the family, so that a failed run never makes the others look surer.

    Reference: Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6(2).
    """
    p = np.asarray(p_values, np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("p values lie between 0 and 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.full(p.size, math.nan)
    running = 0.0
    for rank, index in enumerate(order):
        if math.isnan(p[index]):
            break
        running = max(running, min(1.0, (p.size - rank) * float(p[index])))
        adjusted[index] = running
    return [float(value) for value in adjusted]


def group_draws(groups: Sequence[Any], resamples: int, seed: int = 0) -> NDArray[np.int64]:
    """Test sets drawn again, group by group: (resamples, N), how often each of N items is in each of them.

    Groups are drawn with replacement, as many as there are, each with all of its items: images of one scene are alike,
    so the scene is what another test set would have had another one of (Davison and Hinkley 1997, Bootstrap Methods
    and their Application, section 3.8; for model evaluations Miller 2024, arXiv:2411.00640).

    Args:
        groups: the group of each item.
        resamples: how many sets are drawn.
        seed: of the draws; the result is a pure function of the arguments.
    """
    index = {name: position for position, name in enumerate(dict.fromkeys(groups))}
    if not index:
        return np.zeros((resamples, 0), np.int64)
    member = np.asarray([index[name] for name in groups])
    count = len(index)
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)[:, member]


def bootstrap_interval(mean: float, resampled: ArrayLike, groups: int, level: float = 0.95) -> Interval:
    """A percentile interval from the values that a statistic takes on resampled sets.

    It is too narrow for few groups and is expanded as in Hesterberg (2015), The American Statistician 69(4)
    (arXiv:1411.5279), so that on symmetric data it comes close to the t interval.

    Args:
        mean: the statistic on the set itself.
        resampled: its values on the sets that `group_draws` drew; NaN where one had nothing to measure.
        groups: how many groups were drawn from; fewer than two give no interval.
        level: nominal coverage.
    """
    values = np.asarray(resampled, np.float64)
    values = values[np.isfinite(values)]
    if groups < 2 or not values.size:
        return Interval(mean, math.nan, math.nan)
    quantile = scipy.stats.t.ppf((1 - level) / 2, groups - 1)
    tail = float(scipy.stats.norm.cdf(math.sqrt(groups / (groups - 1)) * quantile))
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(mean, float(low), float(high))


def cluster_bootstrap(
    differences: ArrayLike, groups: Sequence[Any], level: float = 0.95, resamples: int = 4000, seed: int = 0
) -> Interval:
    """Mean paired difference over test images, with an interval from resampling whole groups (scenes or sequences).

    `bootstrap_interval` of the means over the sets of `group_draws`.
    It says how sure the gain of these trained models is for other test images, nothing about other seeds.

    Args:
        differences: per-image value of one arm minus that of the other.
        groups: the group of each image.
        level: nominal coverage.
        resamples: bootstrap draws.
        seed: of the draws; the result is a pure function of the arguments.
    """
    x = _vector(differences, "differences")
    if len(groups) != x.size:
        raise ValueError(f"{x.size} differences, but {len(groups)} groups")
    if x.size == 0:
        return Interval(math.nan, math.nan, math.nan)
    draws = group_draws(groups, resamples, seed)
    return bootstrap_interval(float(x.mean()), (draws @ x) / draws.sum(1), len(set(groups)), level)


def iqm(values: ArrayLike) -> float:
    """Interquartile mean: the mean without the lowest and highest quarter (floor(n / 4) values at each end).

    Reference: Agarwal et al. (2021), Deep RL at the edge of the statistical precipice, arXiv:2108.13264.
    """
    x = _vector(values)
    return float(scipy.stats.trim_mean(x, 0.25)) if x.size else math.nan


def probability_of_improvement(a: ArrayLike, b: ArrayLike, higher_is_better: bool = True) -> float:
    """Chance that a run of A beats a run of B: the share of pairs that A wins, ties half.

    Reference: Mann and Whitney (1947), Ann. Math. Statist. 18(1); as a score of methods: Agarwal et al. (2021),
    arXiv:2108.13264. To show that it is above .75 takes about 29 runs of each (Noether 1987): a description here.
    """
    x, y = _vector(a, "a"), _vector(b, "b")
    if not (x.size and y.size):
        return math.nan
    delta = (x[:, None] - y[None, :]) * (1 if higher_is_better else -1)
    return float(np.mean((delta > 0) + 0.5 * (delta == 0)))


def gap_closed(arm: ArrayLike, reference: ArrayLike, target: ArrayLike, level: float = 0.95) -> Interval:
    """Share of the gap that an arm closes, mean(arm - reference) / mean(target - reference), with Fieller's interval.

    The three are paired by replicate. Fieller's interval is exact for normal differences, whatever their correlation,
    and says when the gap itself is not established: its ends are then infinite. A jackknife or delta-method interval
    is always finite, so it looks sure just where the ratio means least; with 3 replicates that is common.

    Reference: Fieller (1954), Some problems in interval estimation, J. R. Statist. Soc. B 16(2).

    Returns:
        1.0 for the whole gap; NaN where the mean gap is 0; NaN ends with fewer than two replicates.
    """
    x, y, z = _vector(arm, "arm"), _vector(reference, "reference"), _vector(target, "target")
    if not x.size == y.size == z.size:
        raise ValueError("arm, reference and target must have one value for each of the same replicates")
    above, below = x - y, z - y
    if x.size == 0 or below.mean() == 0:
        return Interval(math.nan, math.nan, math.nan)
    ratio = float(above.mean() / below.mean())
    if x.size < 2:
        return Interval(ratio, math.nan, math.nan)
    # The set of theta with (mean(above) - theta mean(below))^2 <= t^2 var(above - theta below) / n.
    cov = np.cov(above, below) * float(scipy.stats.t.ppf(0.5 + level / 2, x.size - 1)) ** 2 / x.size
    a = float(below.mean() ** 2 - cov[1, 1])
    b = float(above.mean() * below.mean() - cov[0, 1])
    c = float(above.mean() ** 2 - cov[0, 0])
    if a <= 0:
        return Interval(ratio, -math.inf, math.inf)
    # For a > 0 the discriminant is never negative but for rounding: theta = ratio always belongs to the set.
    root = math.sqrt(max(0.0, b * b - a * c))
    return Interval(ratio, (b - root) / a, (b + root) / a)


def paired_t_power(gain: float, deviation: float, n: int, level: float = 0.95) -> float:
    """Chance that the t interval of n paired differences excludes 0 when the true mean is ``gain``.

    Reference: Cohen (1988), Statistical Power Analysis, chapter 2; the noncentral t distribution.

    Args:
        gain: true mean difference.
        deviation: standard deviation of the paired differences.
        n: replicates.
        level: of the interval.
    """
    if n < 2:
        return 0.0
    if deviation <= 0:
        return 1.0 if gain else 1 - level
    # scipy's noncentral t returns NaN in its far tail, so: the normal tails beyond the half width of the interval,
    # averaged over that half width's distribution.
    half, weights = _half_widths(n, level)
    shift = abs(gain) / deviation * math.sqrt(n)
    return float((scipy.special.ndtr(shift - half) + scipy.special.ndtr(-half - shift)) @ weights)


@cache
def _half_widths(n: int, level: float, count: int = 200) -> tuple[Floats, Floats]:
    """Quantiles of the t interval's half width, in standard errors of the mean, with weights that sum to 1.

    The midpoint rule after the substitution u = 6 v^5 - 15 v^4 + 10 v^3, which is flat at both ends and so takes away
    the quantile function's singularities there; with 200 points the power is good to 1e-8.
    """
    v = (np.arange(count) + 0.5) / count
    quantile = scipy.stats.chi2.ppf(v**3 * (10 - 15 * v + 6 * v * v), n - 1)
    half = np.sqrt(quantile / (n - 1)) * float(scipy.stats.t.ppf(0.5 + level / 2, n - 1))
    return half, 30 * v * v * (1 - v) ** 2 / count


def minimum_detectable_gain(deviation: float, n: int, level: float = 0.95, power: float = 0.8) -> float:
    """Smallest true gain whose interval excludes 0 with the given chance; NaN for n < 2.

    Reference: Bloom (1995), Minimum detectable effects, Evaluation Review 19(5), with the noncentral t distribution.
    """
    if n < 2:
        return math.nan
    if deviation <= 0:
        return 0.0

    def shortfall(gain: float) -> float:
        return paired_t_power(gain, 1.0, n, level) - power

    # A gain of (critical value + 4 deviations) / sqrt(n) is found all but surely; for n = 2 that needs the factor.
    high = 4 * (float(scipy.stats.t.ppf(0.5 + level / 2, n - 1)) + 4) / math.sqrt(n)
    return float(scipy.optimize.brentq(shortfall, 0.0, high, xtol=1e-6)) * deviation


def replicates_needed(
    gain: float, deviation: float, level: float = 0.95, power: float = 0.8, most: int = 1000
) -> int | None:
    """Fewest paired replicates at which a true ``gain`` is told from 0 with the given chance; None beyond ``most``."""
    low, high = 2, most
    if paired_t_power(gain, deviation, most, level) < power:
        return None
    while low < high:
        middle = (low + high) // 2
        if paired_t_power(gain, deviation, middle, level) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def spearman(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Spearman's rank correlation and its two-sided p; ties get mean ranks.

    Reference: Spearman (1904), Am. J. Psychol. 15(1). Up to 8 pairs (few refiners) p is exact, over all permutations,
    because the t approximation is far off there; beyond, scipy's. NaN for fewer than 3 pairs or a constant input.
    """
    a, b = _vector(x, "x"), _vector(y, "y")
    if a.size != b.size:
        raise ValueError(f"{a.size} and {b.size} values: they must be paired")
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan, math.nan
    ranks_a, ranks_b = scipy.stats.rankdata(a) - (a.size + 1) / 2, scipy.stats.rankdata(b) - (a.size + 1) / 2
    scale = math.sqrt(float(ranks_a @ ranks_a) * float(ranks_b @ ranks_b))
    rho = float(ranks_a @ ranks_b) / scale
    if a.size > 8:
        return rho, float(scipy.stats.spearmanr(a, b).pvalue)
    orders = np.asarray(list(permutations(range(a.size))))
    return rho, float(np.mean(np.abs(ranks_b[orders] @ ranks_a) / scale >= abs(rho) - 1e-9))


def spearman_interval(rho: float, n: int, level: float = 0.95) -> Interval:
    """Spearman's rank correlation of n pairs with an interval, by Fisher's z.

    The standard error of z is sqrt((1 + rho^2 / 2) / (n - 3)). Reference: Bonett and Wright (2000), Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations, Psychometrika 65(1). An approximation, which
    covers 95 to 99 % of normal samples of 5 to 20 pairs. Below 4 pairs the ends are NaN. At |rho| = 1, where z is
    infinite, they are those of the next largest rho that n pairs can have, with two neighbours swapped.

    Raises:
        ValueError: rho is not in [-1, 1].
    """
    if math.isnan(rho) or n < 4:
        return Interval(rho, math.nan, math.nan)
    if abs(rho) > 1 + 1e-9:
        raise ValueError(f"a rank correlation of {rho} is not in [-1, 1]")
    largest = 1 - 12 / (n * (n * n - 1))
    short = min(max(rho, -largest), largest)
    half = float(scipy.stats.norm.ppf(0.5 + level / 2)) * math.sqrt((1 + short * short / 2) / (n - 3))
    low, high = math.tanh(math.atanh(short) - half), math.tanh(math.atanh(short) + half)
    return Interval(rho, min(low, rho), max(high, rho))


def stratified_spearman(
    strata: Sequence[tuple[ArrayLike, ArrayLike]], draws: int = 100_000, seed: int = 0
) -> tuple[float, float, int]:
    """Spearman's rank correlation within strata, pooled, with the two-sided p of permutations within strata.

    The centred ranks of each stratum (ties get mean ranks) are set end to end, and the correlation is that of the
    whole; no value is ever compared with one of another stratum. With one stratum of up to 8 pairs it is `spearman`.
    Reference for permuting within strata: Edgington and Onghena (2007), Randomization Tests, chapter 6.

    Args:
        strata: paired values of each stratum; strata of fewer than 2 pairs or with a constant side say nothing.
        draws: where there are more joint permutations than this, as many are drawn, and the observed one is counted.
        seed: of the draws.

    Returns:
        rho, p, and the degrees of freedom: pairs less strata, plus 1 (the n of one stratum that is as precise).
    """
    products, norm_a, norm_b, observed, freedom = [], 0.0, 0.0, 0.0, 1
    random = np.random.default_rng(seed)
    for x, y in strata:
        a, b = (scipy.stats.rankdata(_vector(side)) for side in (x, y))
        if a.size != b.size:
            raise ValueError(f"{a.size} and {b.size} values: they must be paired")
        if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
            continue
        a, b = a - a.mean(), b - b.mean()
        norm_a, norm_b, observed = norm_a + float(a @ a), norm_b + float(b @ b), observed + float(a @ b)
        freedom += a.size - 1
        if a.size <= 8:
            products.append(b[np.asarray(list(permutations(range(a.size))))] @ a)
        else:
            products.append(random.permuted(np.tile(b, (draws, 1)), axis=1) @ a)
    if not products:
        return math.nan, math.nan, 1
    if math.prod(len(part) for part in products) <= draws:
        sums = products[0]
        for part in products[1:]:
            sums = (sums[:, None] + part[None]).ravel()
    else:
        sums = np.asarray(sum(random.choice(part, draws) for part in products))
        sums[0] = observed
    p = float(np.mean(np.abs(sums) >= abs(observed) - 1e-9 * math.sqrt(norm_a * norm_b)))
    return observed / math.sqrt(norm_a * norm_b), p, freedom
