"""From finished stages to rows, and to what the report shows beside them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.baseline import folders
from bench.claims import Verdict, find_claims, judge, read_claims
from bench.collect_quality import quality_rows
from bench.elsewhere import NOWHERE, Elsewhere, joined, name_of
from bench.engines.execution import versions
from bench.errors import BenchError
from bench.exhibits import drifts, finished, gallery, open_set, set_key, task_pictures
from bench.graph import Cell, Plan
from bench.keys import key_of
from bench.report.summary import LossCurve, RunSummary
from bench.reported import read_reported
from bench.resampling import read_resamples
from bench.results import Row
from bench.store import Store
from bench.watch import DOUBTS


def headline(plan: Plan) -> str:
    """The metric that gains are told in."""
    return plan.suite.metric or str(plan.task.facts["headline"])


def rows(
    plan: Plan, store: Store, reasons: Mapping[str, str] | None = None, elsewhere: Elsewhere = NOWHERE
) -> list[Row]:
    """One row a cell; a cell without a value says in ``status`` and ``reason`` why (rule 6)."""
    found: list[Row] = []
    for cell in plan.cells:
        found += elsewhere.rows.get(name_of(cell)) or _cell_rows(plan, store, cell, reasons or {})
    return found


def _cell_rows(plan: Plan, store: Store, cell: Cell, reasons: Mapping[str, str]) -> Iterable[Row]:
    metrics: dict[str, bool] = plan.task.facts["metrics"]
    values: dict[str, float] = {headline(plan): math.nan}
    status, reason = "missing", "not computed yet; run again"
    train: dict[str, Any] = {}
    if cell.skip:
        status, reason = "skipped", cell.skip
        # Where nothing can be scored, the refined images are the result, and they may have failed.
        broken = next((reasons[key] for key in cell.refiner_keys if key in reasons), "")
        if broken:
            status, reason = "failed", broken
    elif store.has(cell.score_key) and store.has(cell.train_key):
        try:
            values = json.loads((store.path(cell.score_key) / "scores.json").read_text())
            train = store.meta(cell.train_key)
            doubtful = _doubts(store, cell)
            status, reason = ("degraded", "; ".join(doubtful)) if doubtful else ("ok", "")
        except (OSError, ValueError, BenchError) as error:
            reason = f"unreadable result ({error}); run again"
    else:
        failed = next((reasons[key] for key in (cell.score_key, cell.train_key) if key in reasons), "")
        if failed:
            status, reason = "failed", failed
    for metric, value in values.items():
        yield Row(
            suite=plan.suite.label,
            profile=plan.suite.profile,
            world=f"{plan.world.name}:{plan.world.version}",
            real_kind=plan.real_kind,
            task=plan.task.name,
            model=cell.model,
            arm=str(cell.arm),
            refiner=cell.arm.refiner,
            replicate=cell.replicate,
            metric=metric,
            value=float(value),
            higher_is_better=metrics[metric.split("/")[0]],
            n_train=int(train.get("count", 0)),
            n_test=plan.n_test,
            steps=int(train.get("steps", 0)),
            seconds=float(train.get("seconds", math.nan)),
            peak_mib=float(train.get("peak_mib", math.nan)),
            status=status,
            reason=reason,
        )


def _doubts(store: Store, cell: Cell) -> list[str]:
    """What was odd in the stages that a cell rests on; see `bench.watch` and `Task.doubt`."""
    found: dict[str, None] = {}
    for key in (*cell.refiner_keys, cell.train_key, cell.score_key):
        if store.has(key):
            found |= dict.fromkeys(store.meta(key).get(DOUBTS, ()))
    return list(found)


def summarise(
    plan: Plan,
    store: Store,
    results: list[Row],
    out: Path,
    command: str,
    reasons: Mapping[str, str] | None = None,
    elsewhere: Elsewhere = NOWHERE,
) -> RunSummary:
    """Everything that the report needs, read from the store."""
    suite = portable_suite(plan, out) | {"metric": headline(plan)}
    quality = quality_rows(plan, store, results, reasons, elsewhere)
    pictures, trouble = task_pictures(plan, store, results, headline(plan))
    groups, resamples = resampled(plan, store)
    judged, doubts = verdicts(suite, results)
    return RunSummary(
        out=out,
        suite=suite,
        real_kind=plan.real_kind,
        rows=results,
        command=command,
        environment=joined(environment(plan, store), elsewhere.environments),
        gallery=gallery(plan, store),
        class_names=_class_names(plan, store),
        curves=curves(plan, store),
        costs=costs(plan, store),
        notes=[*notes(plan, store), *elsewhere.notes, *trouble, *doubts],
        pictures=pictures,
        resamples=resamples,
        test_groups=groups,
        verdicts=judged,
        quality=quality,
        drifts=drifts(plan, store),
    )


def verdicts(suite: Mapping[str, Any], results: list[Row]) -> tuple[list[Verdict], list[str]]:
    """What a run says to the papers' claims about its suite, and a note where they cannot be read.

    Holm's p counts all claims of the suite. A claim file must never cost a finished run its report.
    """
    label = f"{suite['name']}/{suite['variant']}" if suite.get("variant") else str(suite["name"])
    try:
        papers = [read_claims(path) for path in find_claims([folder / "claims" for folder in folders()])]
        judged = judge(papers, results, read_reported(), str(suite["profile"]))
    except BenchError as error:
        return [], [f"no claim was judged: {error}"]
    return [verdict for verdict in judged if verdict.claim.suite == label], []


def resampled(
    plan: Plan, store: Store
) -> tuple[int, dict[tuple[str, str, int], Mapping[str, NDArray[np.float64]]]]:
    """The number of groups of test images, and each finished cell's metrics on the drawn test sets."""
    groups, found = 0, {}
    for cell in plan.cells:
        if cell.score_key and store.has(cell.score_key):
            count, values = read_resamples(store.path(cell.score_key))
            groups = max(groups, count)
            found[cell.model, str(cell.arm), cell.replicate] = values
    return groups, found


def portable_suite(plan: Plan, out: Path) -> dict[str, Any]:
    """The resolved suite as plain data; folders are relative to ``out``, so that a run can be moved and published."""
    suite = plan.suite.model_dump(mode="json", by_alias=True)
    suite["world"] = _portable(suite["world"], out)
    suite["refiner"] = {name: _portable(table, out) for name, table in suite["refiner"].items()}
    return suite


def _portable(table: Mapping[str, Any], out: Path) -> dict[str, Any]:
    return {
        key: os.path.relpath(value, out) if isinstance(value, str) and Path(value).is_absolute() else value
        for key, value in table.items()
    }


def environment(plan: Plan, store: Store) -> dict[str, Any]:
    """What produced the results: versions, devices and total time of the stages, from the artifacts themselves."""
    metas = [store.meta(key) for key in plan.stages if store.has(key)]
    merged: dict[str, set[str]] = {}
    for meta in metas:
        for name, version in meta.get("versions", {}).items():
            merged.setdefault(name, set()).add(version)
    return {
        "versions": {name: ", ".join(sorted(found)) for name, found in sorted((merged or _sets(versions())).items())},
        "score_version": plan.task.facts["score_version"],
        "devices": sorted({str(meta.get("device", "")) for meta in metas}),
        "hardware": sorted({str(meta.get("hardware", "unknown")) for meta in metas}),
        "stage_seconds": round(sum(float(meta.get("seconds", 0)) for meta in metas), 1),
        "peak_mib": max((int(meta.get("peak_mib", 0)) for meta in metas), default=0),
        "stages": len(metas),
        "plan": key_of(sorted(plan.stages)),
    }


def _sets(flat: Mapping[str, str]) -> dict[str, set[str]]:
    return {name: {value} for name, value in flat.items()}


def costs(plan: Plan, store: Store) -> dict[str, float]:
    """Mean seconds of fitting and refining, a refiner."""
    found: dict[str, list[float]] = {}
    for cell in plan.cells:
        keys = [key for key in cell.refiner_keys if store.has(key)]
        if keys:
            found.setdefault(cell.arm.refiner, []).append(sum(float(store.meta(key)["seconds"]) for key in keys))
    return {name: round(fmean(values), 1) for name, values in found.items()}


def curves(plan: Plan, store: Store) -> list[LossCurve]:
    """The loss logs of the refiners, one curve a replicate."""
    found = []
    for _, key in finished(plan, store, "fit"):
        path = store.path(key) / "losses.csv"
        if path.exists():
            found.append(LossCurve(f"{plan.stages[key].label.removeprefix('fit ')}", path))
    return found


def notes(plan: Plan, store: Store) -> list[str]:
    """What refiners wrote into ``notes.txt``, and what was skipped and why; each line once."""
    lines = [f"{name}: skipped, {reason}" for name, reason in plan.skipped.items()]
    for name, key in finished(plan, store, "fit"):
        path = store.path(key) / "notes.txt"
        if path.exists():
            lines += [f"{name}: {line}" for line in path.read_text().splitlines() if line.strip()]
    return list(dict.fromkeys(lines))


def _class_names(plan: Plan, store: Store) -> list[str]:
    images = open_set(store, set_key(plan, "real", "test"))
    return list(images.class_names) if images else []
