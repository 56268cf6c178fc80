"""Claims: sentences of papers as comparisons of two arms, each with a verdict from measured rows.

The claims themselves lie in ``results/claims/*.toml``, a file a paper; this module knows only their form (`Claim`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import DataError
from bench.reading import read_toml
from bench.reported import Reported
from bench.results import Row
from bench.statistics import Interval, holm, paired_t_interval, replicates_needed, sign_flip_p
from bench.suite import PROFILES, explain

VERDICTS = {
    "holds": "the whole interval lies on the claim's side",
    "fails": "the whole interval lies on the other side",
    "inconclusive": "the interval includes the claim's limit, or there is one replicate and so no interval",
    "not comparable": "there are values, but they must not be held against each other",
    "missing": "at least one side has no value",
}
NONE = Interval(math.nan, math.nan, math.nan)
MOST_REPLICATES = 1000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedPair(_Part):
    """Which rows of ``results/reported.csv`` say the same: columns and the values that single out one row.

    ``both`` holds for both sides. ``paper`` is the file's, ``model`` the paper's model of the claim, unless given.
    """

    both: dict[str, str] = {}
    arm: dict[str, str]
    reference: dict[str, str] | None = None


class Claim(_Part):
    """One sentence.

    Attributes:
        id: short name, unique in its file.
        sentence: what the paper says, in our words.
        suite, task: where it is tested; by default the file's.
        metric: what is compared.
        arm, reference: "arm is better than reference", whatever the metric's direction.
        direction: ``above``: the gain is more than ``margin``; ``at least``: the gain is no less than -``margin``.
        margin: in the metric's unit, fixed before anything is measured.
        models: the paper's models that it is tested for; by default all of the file's.
        reported: the paper's figures.
    """

    id: str
    sentence: str
    suite: str = ""
    task: str = ""
    metric: str
    arm: str
    reference: str
    direction: Literal["above", "at least"]
    margin: float = Field(default=0.0, ge=0)
    models: tuple[str, ...] = ()
    reported: ReportedPair | None = None


class ClaimFile(_Part):
    """The claims of one paper; ``models`` maps each of the paper's models to ours.

    Of several names of ours the first with values counts (another form of the same network); ``*`` is every model.
    """

    paper: str
    source: str
    suite: str
    task: str
    models: dict[str, tuple[str, ...]]
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Verdict:
    """What the rows say about one claim for one model.

    Attributes:
        verdict: a key of `VERDICTS`.
        model: ours, or the paper's where we have none.
        profile: of the rows; "" where there are none.
        real_kind: what "real" means in the rows.
        gain: arm minus reference over paired replicates, positive is better, with its 95 % t interval.
        n: paired replicates.
        p, p_holm: exact two-sided sign-flip p of a gain at the claim's limit (0, or the margin), and after Holm over
            the claims of the suite; NaN where not tested.
        needed: replicates that would settle it with 80 % chance, were the gain what it seems; None: more than
            `MOST_REPLICATES`, or unknown.
        reported: the paper's figures as text; "" where it gives none.
        reason: why there is no verdict.
    """

    claim: Claim
    paper: str
    source: str
    model: str
    verdict: str
    profile: str = ""
    real_kind: str = ""
    gain: Interval = NONE
    n: int = 0
    p: float = math.nan
    p_holm: float = math.nan
    needed: int | None = None
    reported: str = ""
    reason: str = ""


def read_claims(path: Path) -> ClaimFile:
    """Read one file of claims.

    Raises:
        DataError: broken TOML, an unknown or missing key, an unknown model, or an id that occurs twice.
    """
    try:
        file = ClaimFile.model_validate(read_toml(path))
    except ValidationError as error:
        known = [*ClaimFile.model_fields, *Claim.model_fields, *ReportedPair.model_fields]
        raise DataError(explain(error, str(path), known)) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    seen: set[str] = set()
    for claim in file.claims:
        if claim.id in seen:
            raise DataError(f"{path}: claim '{claim.id}' occurs twice; every id is unique in its file")
        seen.add(claim.id)
        for model in claim.models:
            if model not in file.models:
                raise DataError(f"{path}: claim '{claim.id}': model '{model}' is not in [models]")
    return replace_defaults(file)


def find_claims(folders: Sequence[Path]) -> list[Path]:
    """The claim files of the first of some folders that holds any."""
    return next((found for folder in folders if (found := sorted(folder.glob("*.toml")))), [])


def replace_defaults(file: ClaimFile) -> ClaimFile:
    """The file with its suite, task and models written into every claim that names none."""
    filled = tuple(
        claim.model_copy(
            update={
                "suite": claim.suite or file.suite,
                "task": claim.task or file.task,
                "models": claim.models or tuple(file.models),
            }
        )
        for claim in file.claims
    )
    return file.model_copy(update={"claims": filled})


def judge(
    files: Sequence[ClaimFile], rows: Sequence[Row], reported: Sequence[Reported] = (), profile: str | None = None
) -> list[Verdict]:
    """A verdict for every claim and model, with p after Holm over the claims of a suite.

    Args:
        files: of `read_claims`.
        rows: of any number of runs; each claim takes the largest profile that has both of its arms, never a mixture,
            and ``smoke`` only when it is asked for.
        reported: the papers' figures.
        profile: take this one.
    """
    verdicts = []
    for file in files:
        for claim in file.claims:
            for paper_model in claim.models:
                text = _reported_text(file, claim, paper_model, reported)
                for model in _models(file.models[paper_model], claim, rows) or [paper_model]:
                    verdict = _judge_one(file, claim, model, rows, profile)
                    verdicts.append(replace(verdict, reported=text))
    for suite in {verdict.claim.suite for verdict in verdicts}:
        where = [i for i, verdict in enumerate(verdicts) if verdict.claim.suite == suite]
        for i, p in zip(where, holm([verdicts[i].p for i in where]), strict=True):
            verdicts[i] = replace(verdicts[i], p_holm=p)
    return verdicts


def _models(names: Sequence[str], claim: Claim, rows: Sequence[Row]) -> list[str]:
    """Our models for one of the paper's: the first that was run on the claim's arms, or all of them for ``*``."""
    tried: dict[str, set[str]] = {}
    for row in rows:
        if (row.suite, row.task) == (claim.suite, claim.task) and row.arm in (claim.arm, claim.reference):
            tried.setdefault(row.model, set()).add(row.arm)
    both = [model for model, arms in tried.items() if len(arms) == 2]
    if "*" in names:
        return both
    known = [name for name in names if name in both] or [name for name in names if name in tried]
    return known[:1]


def _judge_one(file: ClaimFile, claim: Claim, model: str, rows: Sequence[Row], profile: str | None) -> Verdict:
    blank = Verdict(claim, file.paper, file.source, model, "missing")
    ours = [row for row in rows if (row.suite, row.task) == (claim.suite, claim.task)]
    if not ours:
        return replace(blank, reason=f"no results of suite '{claim.suite}', task '{claim.task}'")
    cells = [r for r in ours if (r.model, r.metric) == (model, claim.metric) and r.arm in (claim.arm, claim.reference)]
    profiles = {r.profile for r in cells if r.usable}
    paired = [name for name in profiles if len({r.arm for r in cells if r.usable and r.profile == name}) == 2]
    chosen = profile or max(paired or profiles, key=_size, default="")
    cells = [row for row in cells if row.profile == chosen]
    arms = {arm: {r.replicate: r for r in cells if r.arm == arm and r.usable} for arm in (claim.arm, claim.reference)}
    for arm, values in arms.items():
        if not values:
            return replace(blank, profile=chosen, reason=_why_missing(arm, model, claim, ours, chosen))
    if reason := _mixture(cells) or ("" if profile or chosen != "smoke" else _SMOKE):
        return replace(blank, verdict="not comparable", profile=chosen, reason=reason)
    shared = sorted(arms[claim.arm].keys() & arms[claim.reference].keys())
    if not shared:
        return replace(blank, profile=chosen, reason=f"{claim.arm} and {claim.reference} share no replicate")
    differences = [_difference(arms[claim.arm][r], arms[claim.reference][r]) for r in shared]
    return _settle(replace(blank, profile=chosen, real_kind=cells[0].real_kind), differences)


_SMOKE = "only the smoke profile was run, whose numbers mean nothing; run a larger one"


def _size(profile: str) -> float:
    return PROFILES.index(profile) if profile in PROFILES else 0.5


def _why_missing(arm: str, model: str, claim: Claim, rows: Sequence[Row], profile: str) -> str:
    """The row that says why, or that there is none."""
    here = [r for r in rows if r.model == model and r.arm == arm and profile in ("", r.profile)]
    bad = next((row for row in here if row.status != "ok"), None)
    if bad:
        return f"{arm} #{bad.replicate} {bad.status}: {bad.reason or 'no reason was given'}"
    return f"no {claim.metric} of {model} on {arm}" + (f" at profile {profile}" if profile else "")


def _mixture(cells: Sequence[Row]) -> str:
    """Why the rows of two arms must not be subtracted; "" where nothing speaks against it."""
    usable = [row for row in cells if row.usable]
    for name in ("world", "real_kind", "n_test", "steps", "higher_is_better"):
        found = sorted({str(getattr(row, name)) for row in usable})
        if len(found) > 1:
            return f"{name} differs: {', '.join(found)}; name the files of one run with --rows"
    keys = {(row.arm, row.replicate) for row in usable}
    if len(keys) < len({(row.arm, row.replicate, row.value) for row in usable}):
        return "the same cell has several values; name the files of one run with --rows"
    return ""


def _difference(arm: Row, reference: Row) -> float:
    return (arm.value - reference.value) * (1 if arm.higher_is_better else -1)


def _settle(blank: Verdict, differences: Sequence[float]) -> Verdict:
    claim = blank.claim
    gain, n = paired_t_interval(differences), len(differences)
    limit = claim.margin if claim.direction == "above" else -claim.margin

    def reached(end: float) -> bool:
        return end > limit if claim.direction == "above" else end >= limit

    p = sign_flip_p(np.asarray(differences) - limit) if n <= 20 else math.nan
    found = replace(blank, gain=gain, n=n, p=p)
    if n < 2:
        return replace(found, verdict="inconclusive", reason="one replicate: no interval")
    if reached(gain.low):
        return replace(found, verdict="holds")
    if not reached(gain.high):
        return replace(found, verdict="fails")
    deviation = float(np.std(differences, ddof=1))
    return replace(
        found, verdict="inconclusive", needed=replicates_needed(gain.mean - limit, deviation, most=MOST_REPLICATES)
    )


def _reported_text(file: ClaimFile, claim: Claim, paper_model: str, reported: Sequence[Reported]) -> str:
    if claim.reported is None or not reported:
        return ""
    pair = claim.reported
    base = {"paper": file.paper, "model": paper_model, **pair.both}
    arm = _figure(reported, {**base, **pair.arm}, claim)
    if pair.reference is None:
        return f"{arm.text} {arm.metric}" if arm.value is not None else arm.text
    reference = _figure(reported, {**base, **pair.reference}, claim)
    if arm.value is None and reference.value is None:
        return arm.text
    return f"{arm.text} against {reference.text} {arm.metric}"


def _figure(reported: Sequence[Reported], wanted: Mapping[str, Any], claim: Claim) -> Reported:
    for name in wanted:
        if name not in Reported.__dataclass_fields__:
            raise DataError(f"claim '{claim.id}': reported: unknown column '{name}'")
    found = [r for r in reported if all(getattr(r, name) == value for name, value in wanted.items())]
    if len(found) != 1:
        text = ", ".join(f"{name} '{value}'" for name, value in wanted.items())
        raise DataError(f"claim '{claim.id}': {len(found)} rows of reported.csv have {text}; name exactly one")
    return found[0]
