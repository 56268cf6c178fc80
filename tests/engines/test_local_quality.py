"""Training sets are measured by the local engine: numbers, failures, and runs from before anything was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import collect
from bench.collect_quality import agreement_of, quality_rows
from bench.contracts import Context
from bench.engines.local import Event, run_plan
from bench.errors import DataError
from bench.exhibits import drifts
from bench.finish import finish
from bench.formats.layout import open_image_set
from bench.graph import Plan
from bench.quality import QualityRow, read_quality
from bench.stages import run_stage
from bench.store import Store

Planner = Callable[..., Plan]


def run(plan: Plan, store: Store, listen: Callable[[Event], None] = lambda event: None) -> dict[str, str]:
    return run_plan(plan, Store(store.root), device="cpu", workers=1, listen=listen).reasons


def measured(plan: Plan, store: Store, reasons: dict[str, str] | None = None) -> list[QualityRow]:
    return quality_rows(plan, store, collect.rows(plan, store, reasons), reasons)


def values(rows: list[QualityRow], measure: str, metric: str = "") -> dict[tuple[str, int], float]:
    return {(r.arm, r.replicate): r.value for r in rows if (r.measure, r.metric) == (measure, metric)}


def test_a_run_measures_every_set(toy_plan: Planner, store: Store, tmp_path: Path) -> None:
    plan = toy_plan("also=['error']")
    assert run(plan, store) == {}
    rows = measured(plan, store)
    assert {row.status for row in rows} == {"ok"}
    score, kid = values(rows, "label_score", "closeness"), values(rows, "kid")
    error, frechet, agreement = values(rows, "label_score", "error"), values(rows, "frechet"), values(rows, "agreement")
    results = {(r.arm, r.replicate): r.value for r in collect.rows(plan, store) if r.metric == "closeness"}
    for r in (0, 1):
        for found in (score, kid, frechet, error, agreement):
            assert found["refined(toy-same)", r] == found["synthetic", r], "the control changes no image"
        # The model knows the bright real images, so it agrees with brightened ones better than with plain ones.
        assert score["refined(toy-brighten)", r] > score["synthetic", r] + 0.1
        assert kid["refined(toy-brighten)", r] < kid["synthetic", r]
        assert frechet["refined(toy-brighten)", r] < frechet["synthetic", r]
        assert score["real", r] == results["real", r]
        assert error["synthetic", r] == pytest.approx(1 - score["synthetic", r])
    assert {(row.measure, row.higher_is_better) for row in rows if row.metric != "error"} == {
        ("label_score", True), ("agreement", True), ("kid", False), ("frechet", False),
    }  # fmt: skip
    assert {row.higher_is_better for row in rows if row.metric == "error"} == {False}
    assert {row.by for row in rows} == {"toy-level", "random-convolutions"}
    assert {row.images for row in rows if row.arm != "real"} == {6}
    assert finish(plan, store, tmp_path / "out", "bench run").exit_code == 0
    assert [repr(row) for row in read_quality(tmp_path / "out" / "quality.csv")] == [repr(row) for row in rows]
    for name in ("index.html", "table.md"):
        assert "Refined sets" in (tmp_path / "out" / name).read_text()
    assert (tmp_path / "out" / "plots" / "realism.png").exists()


def test_agreement_is_kept_image_by_image_and_an_image_without_one_enters_no_mean(
    toy_plan: Planner, store: Store
) -> None:
    plan = toy_plan("replicates=1")
    run(plan, store)
    one = next(one for one in plan.quality if str(one.arm) == "synthetic")
    found = agreement_of(store, one.score_key)
    images = open_image_set(store.path(one.set_key))
    assert list(found) == images.ids
    assert math.isnan(found["001"])
    known = [value for value in found.values() if not math.isnan(value)]
    assert values(measured(plan, store), "agreement")["synthetic", 0] == pytest.approx(np.mean(known))


def test_drift_shows_the_images_that_lost_most(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("replicates=1", "refiner.toy-brighten.gain=4", "quality.images=5")
    run(plan, store)
    kept, lost = drifts(plan, store)
    assert (kept.arm, list(kept.before)) == ("refined(toy-same)", [])
    losses = np.subtract(lost.before, lost.after)
    assert lost.arm == "refined(toy-brighten)"
    assert (losses > 0).all() and (np.diff(losses) <= 0).all()
    plain = next(one for one in plan.quality if str(one.arm) == "synthetic")
    by_id = agreement_of(store, plain.score_key)
    images = open_image_set(store.path(plain.set_key))
    for image, before in zip(lost.rendered.images, lost.before, strict=True):
        same = [k for k in range(len(images)) if (images.image(k) == image).all()]
        assert before in {by_id.get(images.ids[k]) for k in same}
    for image, darker in zip(lost.refined.images, lost.rendered.images, strict=True):
        assert (image > darker).all()


def test_a_failed_refiner_is_a_failed_measure_and_everything_else_goes_on(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("refiner.toy-brighten.crash='it broke'", "replicates=1")
    rows = measured(plan, store, run(plan, store))
    for row in rows:
        assert row.status == ("failed" if row.refiner == "toy-brighten" else "ok")
        assert ("it broke" in row.reason) == (row.refiner == "toy-brighten")


def test_a_failed_measure_costs_no_cell_its_result(toy_plan: Planner, store: Store, tmp_path: Path) -> None:
    """One real image is too few for a distance, and enough for everything else."""
    plan = toy_plan("counts.real_train=1", "hybrid.real=1", "replicates=1")
    reasons = run(plan, store)
    assert {row.status for row in collect.rows(plan, store, reasons)} == {"ok"}
    rows = measured(plan, store, reasons)
    assert {row.status for row in rows if row.measure == "kid"} == {"failed"}
    assert {row.status for row in rows if row.measure == "label_score"} == {"ok"}
    assert finish(plan, store, tmp_path / "out", "bench run", reasons).exit_code == 0
    assert "at least 2 real images" in (tmp_path / "out" / "table.md").read_text()


def test_a_store_from_before_lacks_them_and_the_next_run_adds_them_alone(
    toy_plan: Planner, store: Store, tmp_path: Path
) -> None:
    run(toy_plan("quality.images=0"), store)
    plan = toy_plan()
    rows = measured(plan, store)
    assert {row.status for row in rows if row.arm != "real"} == {"missing"}
    assert finish(plan, store, tmp_path / "out", "bench report").exit_code == 0
    assert "Refined sets" not in (tmp_path / "out" / "table.md").read_text()
    events: list[Event] = []
    run(plan, store, events.append)
    assert {event.stage.kind for event in events} == {"predict", "score", "realism"}
    assert {row.status for row in measured(plan, store)} == {"ok"}


def test_an_agreement_outside_its_range_is_refused(
    toy_plan: Planner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = toy_plan("replicates=1")
    run(plan, store)
    stage = plan.stages[plan.quality[0].score_key]
    from bench import plugins

    task = plugins.find("task", "toy-task").load()
    for wrong in (np.full(6, 1.5), np.ones(5)):
        monkeypatch.setattr(task, "agreement", lambda self, predictions, truth, wrong=wrong: wrong)
        with pytest.raises(DataError, match=r"one number in \[0, 1\] an image"):
            run_stage(stage, store, Context(0, tmp(store)))


def tmp(store: Store) -> Path:
    folder = store.root / "elsewhere"
    folder.mkdir(exist_ok=True)
    return folder
