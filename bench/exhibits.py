"""From finished stages to what the report shows as pictures: the gallery's columns, and what the task draws."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np

from bench.collect_quality import agreement_of
from bench.contracts import Task
from bench.describe import construct
from bench.errors import BenchError
from bench.formats.layout import open_image_set
from bench.graph import Cell, Plan
from bench.report.summary import Drift, GalleryColumn
from bench.results import Row
from bench.samples import ImageSet
from bench.showing import Showing, Shown, TaskPicture
from bench.stages import places
from bench.store import Store

GALLERY_ROWS, DRIFT_COLUMNS = 4, 6


def finished(plan: Plan, store: Store, kind: str) -> list[tuple[str, str]]:
    """(the suite's name for the refiner, key) of finished stages of a kind, first replicate first."""
    return [(s.run["name"], key) for key, s in plan.stages.items() if s.kind == kind and store.has(key)]


def set_key(plan: Plan, domain: str, split: str) -> str | None:
    """The key of a rendered set, or None for one that the plan lacks."""
    for key, stage in plan.stages.items():
        if stage.kind == "render":
            request = stage.spec["request"]
            if (request["domain"], request["split"]) == (domain, split):
                return key
    return None


def open_set(store: Store, key: str | None) -> ImageSet | None:
    """An image set of the store, or None where it is not there."""
    return _opened(store.path(key)) if key and store.has(key) else None


@lru_cache(maxsize=32)
def _opened(path: Path) -> ImageSet:
    """Gallery, drift and the task's pictures show the same sets, and what a key stands for never changes."""
    return open_image_set(path)


def gallery(plan: Plan, store: Store) -> list[GalleryColumn]:
    """Synthetic | refined by each | real training images; the same samples in every synthetic and refined column."""
    columns = []
    synthetic = open_set(store, set_key(plan, "synthetic", "train"))
    if synthetic:
        columns.append(_column("synthetic", synthetic))
    seen: set[str] = set()
    for name, key in finished(plan, store, "refine"):
        if name in seen:
            continue
        refined = open_set(store, key)
        if refined:
            columns.append(_column(f"refined({name})", refined))
            seen.add(name)
    real = open_set(store, set_key(plan, "real", "train"))
    if real:
        columns.append(_column("real", real))
    return columns


def drifts(plan: Plan, store: Store) -> list[Drift]:
    """Of each refiner's set at replicate 0 the samples whose labels lost most agreement by refining."""
    plain = next((q for q in plan.quality if q.arm.family == "synthetic" and q.replicate == 0), None)
    before = list(agreement_of(store, plain.score_key).values()) if plain else []
    synthetic = open_set(store, plain.set_key) if plain else None
    found = []
    for one in plan.quality:
        if one.skip or not one.arm.refiner or one.replicate:
            continue
        after = list(agreement_of(store, one.score_key).values())
        refined = open_set(store, one.set_key) if len(after) == len(before) else None
        if refined is None or synthetic is None:
            continue
        loss = np.nan_to_num(np.subtract(before, after), nan=0.0)
        worst = [int(index) for index in np.argsort(-loss, kind="stable")[:DRIFT_COLUMNS] if loss[index] > 0]
        at = places(plan.stages[one.score_key].spec["images"])
        rendered, made = (_column("", images, [at[k] for k in worst]) for images in (synthetic, refined))
        found.append(Drift(str(one.arm), rendered, made, [before[k] for k in worst], [after[k] for k in worst]))
    return found


def _column(title: str, images: ImageSet, rows: Sequence[int] | None = None) -> GalleryColumn:
    samples = [images[index] for index in (range(min(GALLERY_ROWS, len(images))) if rows is None else rows)]
    return GalleryColumn(
        title=title,
        images=[sample.image for sample in samples],
        boxes=[sample.labels.boxes for sample in samples],
        classes=[[] if s.labels.classes is None else [int(c) for c in s.labels.classes] for s in samples],
        semantics=[sample.labels.semantic for sample in samples],
        depths=[sample.labels.depth for sample in samples],
    )


def task_pictures(plan: Plan, store: Store, rows: list[Row], metric: str) -> tuple[list[TaskPicture], list[str]]:
    """What the suite's task draws of its first model that has results, and a note where it could not draw.

    A task without pictures is not even imported. A picture must never cost a finished run its report, so whatever the
    task raises is told and no more.
    """
    if not plan.task.facts["pictures"]:
        return [], []
    try:
        view = showing(plan, store, rows, metric)
        if view is None:
            return [], []
        task: Task = construct("task", plan.task.name, plan.task.config)
        return list(task.pictures(view)), []
    except Exception as error:
        reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        return [], [f"task '{plan.task.name}' drew no pictures: {reason}"]


def showing(plan: Plan, store: Store, rows: list[Row], metric: str) -> Showing | None:
    """The first model with predictions at replicate 0, or None where no model has any."""
    from bench.report.words import real_label  # with what statistics need: nothing for a run that is only looked at

    truth = open_set(store, set_key(plan, "real", "test"))
    if truth is None:
        return None
    for model in plan.suite.models:
        cells = [cell for cell in plan.cells if cell.model == model and cell.replicate == 0 and cell.arm.added is None]
        arms = tuple(shown for cell in cells if (shown := _shown(plan, store, rows, metric, cell)))
        if arms:
            return Showing(
                model=model,
                metric=metric,
                higher_is_better=plan.task.facts["metrics"][metric],
                real=real_label(plan.real_kind),
                truth=truth,
                arms=arms,
                synthetic=open_set(store, set_key(plan, "synthetic", "train")),
            )
    return None


def _shown(plan: Plan, store: Store, rows: list[Row], metric: str, cell: Cell) -> Shown | None:
    """A cell as a task sees it, or None where it has no result."""
    from bench.report.words import arm_label

    arm = str(cell.arm)
    found = {r.replicate: r.value for r in rows if (r.model, r.arm, r.metric) == (cell.model, arm, metric) and r.usable}
    score = plan.stages.get(cell.score_key)
    if 0 not in found or score is None or not store.has(score.inputs["predictions"]):
        return None
    made = [key for key in cell.refiner_keys if plan.stages[key].kind == "refine"]
    return Shown(
        arm=cell.arm,
        title=arm_label(cell.arm, plan.real_kind),
        predictions=store.path(score.inputs["predictions"]),
        value=fmean(found.values()),
        control=cell.arm.refiner in plan.suite.controls,
        images=open_set(store, made[-1]) if made else None,
    )
