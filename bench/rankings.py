"""Claims about many refiners at once: does the one that looks more real gain more?

A ranking holds two numbers of each refiner against each other, over the refiners of one suite: how real its images look
(``quality.csv``) and what it gains (``rows.csv``). The claims lie in ``results/claims/rankings/*.toml``; their verdicts
are those of `bench.claims.VERDICTS`, reached as `_settle` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.stats import rankdata

from bench.errors import DataError
from bench.quality import QualityRow
from bench.reading import read_toml
from bench.results import Row
from bench.statistics import Interval, holm, spearman, spearman_interval, stratified_spearman
from bench.suite import PROFILES, explain

ALPHA = 0.05
FEWEST = 4
"""Refiners without which a rank correlation has no interval."""
NONE = Interval(math.nan, math.nan, math.nan)


class Ranking(BaseModel):
    """One sentence about the order of refiners.

    Attributes:
        id, sentence, source: its name, what it says, and where that stands.
        suites: suite -> the metric that gains are told in.
        measure, by: which distance to real images, as in `bench.quality.QualityRow`.
        reference: the arm that gains are measured against.
        controls: refiners that are left out: they change nothing, so their gain is no evidence of anything.
        margin: rank correlation that would still count as "does not follow", fixed before anything is measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    sentence: str
    source: str
    suites: dict[str, str]
    measure: str = "kid"
    by: str = "random-convolutions"
    reference: str = "synthetic"
    controls: tuple[str, ...] = ()
    margin: float = Field(gt=0, lt=1)


@dataclass(frozen=True)
class Ranked:
    """What measured rows say about a ranking for one model of one suite.

    Attributes:
        verdict: a key of `bench.claims.VERDICTS`.
        rho: Spearman's rank correlation of realism (the less the distance, the more) and gain, with a 95 % interval;
            positive: what looks more real gains more.
        p, p_holm: exact two-sided p of no correlation, and after Holm over the models of all suites.
        refiners: those compared, the most real first; ``realism`` (minus the distance) and ``gains`` are theirs.
        reason: why there is no verdict.
    """

    ranking: Ranking
    suite: str
    metric: str
    model: str
    verdict: str
    profile: str = ""
    real_kind: str = ""
    rho: Interval = NONE
    p: float = math.nan
    p_holm: float = math.nan
    refiners: tuple[str, ...] = ()
    reason: str = ""
    realism: tuple[float, ...] = ()
    gains: tuple[float, ...] = ()


def read_ranking(path: Path) -> Ranking:
    """Read one file; raises `DataError` for broken TOML, or an unknown or missing key."""
    try:
        return Ranking.model_validate(read_toml(path))
    except ValidationError as error:
        raise DataError(explain(error, str(path), list(Ranking.model_fields))) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def rank(
    rankings: Sequence[Ranking], rows: Sequence[Row], quality: Sequence[QualityRow], profile: str | None = None
) -> list[Ranked]:
    """A verdict for every ranking, suite and model.

    Args:
        rankings: of `read_ranking`.
        rows, quality: of any number of runs; each suite takes the largest profile that has both, never a mixture, and
            ``smoke`` only when it is asked for.
        profile: take this one.
    """
    out = []
    for ranking in rankings:
        found = [
            ranked for suite, metric in ranking.suites.items() for ranked in _suite(
                ranking, suite, metric, [r for r in rows if (r.suite, r.metric) == (suite, metric)],
                [q for q in quality if (q.suite, q.measure, q.by) == (suite, ranking.measure, ranking.by)], profile,
            )
        ]  # fmt: skip
        adjusted = holm([ranked.p for ranked in found])
        out += [replace(ranked, p_holm=p) for ranked, p in zip(found, adjusted, strict=True)]
        out.append(_together(ranking, found))
    return out


def _suite(
    ranking: Ranking, suite: str, metric: str, rows: Sequence[Row], quality: Sequence[QualityRow], profile: str | None
) -> list[Ranked]:
    blank = Ranked(ranking, suite, metric, "—", "missing")
    if not rows:
        return [replace(blank, reason=f"no {metric} of suite '{suite}'")]
    models = list(dict.fromkeys(row.model for row in rows))
    measured = {q.profile for q in quality if q.usable}
    both = [name for name in {row.profile for row in rows} if name in measured and name != "smoke"]
    chosen = profile or max(both, key=lambda name: PROFILES.index(name) if name in PROFILES else 0.5, default="")
    if chosen not in measured:
        reason = f"no {ranking.measure} ({ranking.by}) of its sets: no quality.csv beside its rows; run the suite again"
        return [replace(blank, model=model, profile=chosen, reason=reason) for model in models]
    rows, quality = [r for r in rows if r.profile == chosen], [q for q in quality if q.profile == chosen]
    for name in ("world", "real_kind"):
        seen = sorted({str(getattr(row, name)) for row in (*rows, *quality)})
        if len(seen) > 1:
            reason = f"{name} differs: {', '.join(seen)}; name the files of one run with --rows"
            return [replace(blank, model=m, profile=chosen, verdict="not comparable", reason=reason) for m in models]
    distance = {
        q.arm: fmean(o.value for o in quality if o.arm == q.arm and o.usable)
        for q in quality if q.usable and q.refiner and q.refiner not in ranking.controls
    }  # fmt: skip
    kind = rows[0].real_kind if rows else ""
    return [
        _settle(replace(blank, model=model, profile=chosen, real_kind=kind), _gains(ranking, rows, model), distance)
        for model in models
    ]


def _gains(ranking: Ranking, rows: Sequence[Row], model: str) -> dict[str, float]:
    """Arm -> mean paired difference to the reference arm, positive is better."""
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        if row.model == model and row.usable:
            values.setdefault(row.arm, {})[row.replicate] = row.value * (1 if row.higher_is_better else -1)
    plain = values.get(ranking.reference, {})
    gains = {arm: [own[r] - plain[r] for r in own if r in plain] for arm, own in values.items()}
    return {arm: fmean(differences) for arm, differences in gains.items() if differences}


def _settle(blank: Ranked, gains: Mapping[str, float], distance: Mapping[str, float]) -> Ranked:
    """The verdict: a correlation that is shown fails the claim; one that is shown to be small upholds it."""
    arms = sorted((arm for arm in distance if arm in gains), key=lambda arm: distance[arm])
    realism, gain = [-distance[arm] for arm in arms], [gains[arm] for arm in arms]
    found = replace(blank, refiners=tuple(arms), realism=tuple(realism), gains=tuple(gain))
    if len(arms) < FEWEST:
        reason = f"{len(arms)} refiners have both numbers; a rank correlation needs {FEWEST}"
        return replace(found, verdict="not comparable" if arms else "missing", reason=reason)
    rho, p = spearman(realism, gain)
    if math.isnan(rho):
        return replace(found, verdict="inconclusive", reason="all refiners look, or gain, the same: nothing to rank")
    return _decide(found, rho, p, len(arms))


def _decide(found: Ranked, rho: float, p: float, n: int) -> Ranked:
    interval = spearman_interval(rho, n)
    found = replace(found, rho=interval, p=p)
    if rho > 0 and p <= ALPHA:
        return replace(found, verdict="fails")
    return replace(found, verdict="holds" if interval.high < found.ranking.margin else "inconclusive")


def _together(ranking: Ranking, found: Sequence[Ranked]) -> Ranked:
    """All suites at once: a suite is a stratum, a refiner's gain there its mean rank over the suite's models.

    Models of a suite share their refined sets, so they are no evidence of their own and are averaged first.
    """
    strata, refiners = [], []
    for suite in dict.fromkeys(one.suite for one in found):
        parts = [dict(zip(one.refiners, one.gains, strict=True)) for one in found if one.suite == suite and one.gains]
        if not parts:
            continue
        first = next(one for one in found if one.suite == suite and one.gains)
        distances = dict(zip(first.refiners, first.realism, strict=True))
        arms = [arm for arm in distances if all(arm in part for part in parts)]
        if len(arms) > 1:
            ranks = np.mean([rankdata([part[arm] for arm in arms]) for part in parts], axis=0)
            strata.append(([distances[arm] for arm in arms], ranks))
            refiners += [f"{suite}: {arm}" for arm in arms]
    blank = Ranked(ranking, "together", "rank", f"{len(strata)} suites", "missing", refiners=tuple(refiners))
    rho, p, freedom = stratified_spearman(strata)
    if len(strata) < 2 or freedom < FEWEST:
        return replace(blank, reason="fewer than two suites have both numbers of enough refiners")
    if math.isnan(rho):
        return replace(blank, verdict="inconclusive", reason="all refiners look, or gain, the same: nothing to rank")
    return _decide(blank, rho, p, freedom)
