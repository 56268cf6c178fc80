"""Can a change of a gain between two runs be told from the noise between two honest ones? Pure functions.

Two honest runs on the same hardware and versions agree to the last digit. On others, rounding sends training another
way, and a gain then moves about as it does from replicate to replicate, at most. So a drop is tested twice: against the
spread of the paired differences themselves, and against the spread of the gains over replicates, which all cells know
together. Either may accuse, at the price of a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from bench.statistics import holm


@dataclass(frozen=True)
class Gains:
    """Gains of one cell by replicate.

    Attributes:
        before, after: replicate -> gain, of both runs.
        exact: whether it is proved that both runs compute alike, so that any change is one of the method.
    """

    before: dict[int, float]
    after: dict[int, float]
    exact: bool = False

    @property
    def differences(self) -> list[float]:
        """After minus before, of the replicates that both have."""
        return [self.after[r] - self.before[r] for r in sorted(self.before.keys() & self.after.keys())]


def drop_and_rise(cells: Sequence[Gains]) -> list[tuple[float, float]]:
    """For each cell, p of "no drop" and p of "no rise", each after Holm over all cells; NaN where nothing is known."""
    deviations = replicate_deviations(cells)
    raw = [_p_values(cell, deviation, degrees) for cell, (deviation, degrees) in zip(cells, deviations, strict=True)]
    return list(zip(holm([p for p, _ in raw]), holm([p for _, p in raw]), strict=True))


def _p_values(cell: Gains, deviation: float, degrees: float) -> tuple[float, float]:
    changes = np.asarray(cell.differences)
    if not changes.size:
        return math.nan, math.nan
    mean = float(changes.mean())
    if cell.exact:
        return float(mean >= 0), float(mean <= 0)
    errors = [(deviation * math.sqrt(2 / changes.size), degrees)]
    if changes.size > 1:
        errors.append((float(changes.std(ddof=1)) / math.sqrt(changes.size), changes.size - 1.0))
    return _either([one_sided_p(mean, *e) for e in errors]), _either([one_sided_p(-mean, *e) for e in errors])


def _either(p_values: Sequence[float]) -> float:
    """The smaller of those that are known, times their number (Bonferroni): either test may accuse."""
    known = [p for p in p_values if not math.isnan(p)]
    return min(1.0, len(known) * min(known)) if known else math.nan


def one_sided_p(change: float, error: float, degrees: float) -> float:
    """p of a change at least so far below 0 by noise alone.

    Reference: Student (1908), The probable error of a mean, Biometrika 6(1).

    Args:
        change: mean change.
        error: its standard error; with 0 any change is certain. NaN: unknown, and so is p.
        degrees: of freedom of the standard error.
    """
    if math.isnan(change) or math.isnan(error):
        return math.nan
    if error == 0:
        return 0.0 if change < 0 else 1.0
    return float(stats.t.cdf(change / error, degrees))


def replicate_deviations(cells: Sequence[Gains]) -> list[tuple[float, float]]:
    """Standard deviation of each cell's gain from replicate to replicate, and its degrees of freedom; NaN: unknown."""
    variances, degrees = [], []
    for cell in cells:
        groups = [list(gains.values()) for gains in (cell.before, cell.after) if len(gains) > 1]
        own = sum(len(group) - 1 for group in groups)
        squares = sum(float(np.var(group, ddof=1)) * (len(group) - 1) for group in groups)
        variances.append(squares / own if own else math.nan)
        degrees.append(float(own))
    return [(math.sqrt(v), d) for v, d in moderated_variances(variances, degrees)]


def moderated_variances(variances: Sequence[float], degrees: Sequence[float]) -> list[tuple[float, float]]:
    """Variances that borrow strength from each other, with their degrees of freedom.

    With three replicates a cell's own variance has so few degrees of freedom that nothing short of a disaster would be
    told from noise. The cells' true variances are taken to scatter about a common one as a scaled inverse chi-square
    distribution does; how much they scatter is estimated from them, and each is drawn towards the common one by just
    so much. Where they do not scatter more than chance makes them, all become the pooled one.

    Reference: Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression in
    microarray experiments, Stat. Appl. Genet. Mol. Biol. 3(1), sections 4 and 6.2.

    Args:
        variances: sample variances; NaN where there is none. Zeros are those of gains that cannot vary (a control):
            they stay 0 and take no part.
        degrees: degrees of freedom of each.
    """
    result = [(float(v), float(d)) for v, d in zip(variances, degrees, strict=True)]
    used = [i for i, (v, d) in enumerate(result) if v > 0 and d > 0]
    if len(used) < 3:
        return result
    s2, d = np.asarray([result[i][0] for i in used]), np.asarray([result[i][1] for i in used])
    logs = np.log(s2) - special.digamma(d / 2) + np.log(d / 2)
    excess = float(np.var(logs, ddof=1) - np.mean(special.polygamma(1, d / 2)))
    # Cells borrow what the others know, and the others know no more than all their degrees of freedom together.
    most = float(d.sum())
    if excess <= 0:
        pooled = float(s2 @ d) / most
        return [(pooled, most) if i in used else pair for i, pair in enumerate(result)]
    prior = 2 * _inverse_trigamma(excess)
    common = math.exp(float(logs.mean()) + float(special.digamma(prior / 2)) - math.log(prior / 2))
    for i in used:
        variance, own = result[i]
        result[i] = ((prior * common + own * variance) / (prior + own), min(prior + own, most))
    return result


def _inverse_trigamma(value: float) -> float:
    """x with trigamma(x) = value, by Newton's method on 1 / trigamma, which is convex and nearly a line."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if abs(step) <= 1e-10 * x:
            break
    return x
