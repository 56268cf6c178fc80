"""From finished stages to the rows of ``quality.csv``, and to the images whose labels drifted most."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from bench.elsewhere import NOWHERE, Elsewhere
from bench.errors import BenchError
from bench.graph import Plan, Quality
from bench.quality import QualityRow
from bench.results import Row
from bench.stages import AGREEMENT
from bench.store import Store


def quality_rows(
    plan: Plan,
    store: Store,
    rows: Sequence[Row],
    reasons: Mapping[str, str] | None = None,
    elsewhere: Elsewhere = NOWHERE,
) -> list[QualityRow]:
    """Every number of every training set; one without a value says why in ``status`` and ``reason``.

    Args:
        plan, store: of the run.
        rows: its results; the real arm's stand as reference beside ``label_score``.
        reasons: of stages that failed, by key.
        elsewhere: what other stores have measured; taken where this one lacks it.
    """
    told = [plan.suite.metric or str(plan.task.facts["headline"]), *plan.suite.also]
    out: list[QualityRow] = []
    for one in plan.quality:
        rows_here = list(_of_set(plan, store, one, told, reasons or {}))
        out += _filled(rows_here, elsewhere.quality.get((str(one.arm), one.replicate), []))
    if not out:
        return []
    model = plan.suite.models[0]
    for row in rows:
        if (row.model, row.arm) == (model, "real") and row.metric in told and row.usable:
            out.append(
                _row(plan, "real", "", row.replicate, "label_score", row.model, row.value, row.n_test, "ok", "",
                     metric=row.metric, higher=row.higher_is_better)
            )  # fmt: skip
    return out


def _filled(here: Sequence[QualityRow], other: Sequence[QualityRow]) -> list[QualityRow]:
    """The rows of a set; where a measure is missing here and known elsewhere, the rows from there in its place."""
    known: dict[tuple[str, str], list[QualityRow]] = {}
    for row in other:
        known.setdefault((row.measure, row.by), []).append(row)
    found: list[QualityRow] = []
    for key, group in groupby(here, key=lambda row: (row.measure, row.by)):
        rows = list(group)
        lacking = key in known and all(row.status == "missing" for row in rows)
        found += known[key] if lacking else rows
    return found


def _of_set(
    plan: Plan, store: Store, one: Quality, told: Sequence[str], reasons: Mapping[str, str]
) -> Iterator[QualityRow]:
    common = (plan, str(one.arm), one.arm.refiner, one.replicate)
    model, metrics = plan.suite.models[0], plan.task.facts["metrics"]
    if one.skip:
        status, reason = "skipped", one.skip
    else:
        status, reason = _state(store, one.score_key, reasons)
    images = plan.stages[one.score_key].spec["images"]["count"] if one.score_key else 0
    scores, agreement = _scores(store, one.score_key) if status == "ok" else ({}, math.nan)
    for metric in told:
        value = scores.get(metric, math.nan)
        # A metric that needs more than a training set has (a flight through a course) is no failure.
        if status == "ok" and math.isnan(value):
            continue
        yield _row(*common, "label_score", model, value, images, status, reason, metric=metric, higher=metrics[metric])
    if plan.task.facts["agreement"]:
        yield _row(*common, "agreement", model, agreement, images, status, reason, higher=True)
    for name, key in one.realism.items():
        status, reason = _state(store, key, reasons)
        found = _read(store, key, "realism.json") if status == "ok" else {}
        images = plan.stages[key].spec["images"]["count"]
        for measure in ("kid", "frechet"):
            value = float(found.get(measure, math.nan))
            yield _row(*common, measure, name, value, images, status, reason, higher=False)


def _row(
    plan: Plan, arm: str, refiner: str, replicate: int, measure: str, by: str, value: float, images: int, status: str,
    reason: str, *, higher: bool, metric: str = "",
) -> QualityRow:  # fmt: skip
    return QualityRow(
        suite=plan.suite.label, profile=plan.suite.profile, world=f"{plan.world.name}:{plan.world.version}",
        real_kind=plan.real_kind, arm=arm, refiner=refiner, replicate=replicate, measure=measure, by=by, metric=metric,
        value=value, higher_is_better=higher, images=images, status=status, reason=reason,
    )  # fmt: skip


def _state(store: Store, key: str, reasons: Mapping[str, str]) -> tuple[str, str]:
    if store.has(key):
        return "ok", ""
    return ("failed", reasons[key]) if key in reasons else ("missing", "not computed yet; run again")


def _read(store: Store, key: str, name: str) -> dict[str, Any]:
    """A JSON file of an artifact; nothing for one that cannot be read, whose numbers are then missing."""
    try:
        found: dict[str, Any] = json.loads((store.path(key) / name).read_text())
    except (OSError, ValueError, BenchError):
        return {}
    return found


def _scores(store: Store, key: str) -> tuple[dict[str, float], float]:
    """The scores by metric, and the mean agreement over images that have one (NaN where none has)."""
    known = [value for value in agreement_of(store, key).values() if not math.isnan(value)]
    return _read(store, key, "scores.json"), fmean(known) if known else math.nan


def agreement_of(store: Store, key: str) -> dict[str, float]:
    """Image id -> agreement of a training set's score stage, in the set's order; NaN where nothing is compared."""
    found = _read(store, key, AGREEMENT) if key else {}
    values: Iterable[float | None] = found.get("agreement", ())
    return {id: math.nan if value is None else value for id, value in zip(found.get("ids", ()), values, strict=True)}
