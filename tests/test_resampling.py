"""Test images drawn again: the draws, metrics on them, and what the score stage leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import collect
from bench.engines.execution import execute
from bench.errors import DataError
from bench.formats.layout import open_image_set
from bench.graph import Plan
from bench.resampling import FILE, RESAMPLES, drawn_sets, ratio, read_resamples, write_resamples
from bench.statistics import bootstrap_interval, cluster_bootstrap, group_draws
from bench.store import Store

DRAWS = np.array([[1, 1, 1], [3, 0, 0], [0, 2, 1], [0, 0, 0]])


def test_a_draw_holds_whole_groups_and_as_many_as_there_are() -> None:
    groups = ["a", "a", "b", "c", "a"]
    draws = group_draws(groups, 200, seed=1)
    assert draws.shape == (200, 5)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 0] == draws[:, 4]).all()
    assert (draws[:, [0, 2, 3]].sum(1) == 3).all()
    assert len({tuple(row) for row in draws.tolist()}) == 10, "all the ways to draw three of three"
    assert group_draws([], 4).shape == (4, 0)


def test_the_draws_of_a_run_are_the_same_for_every_cell() -> None:
    assert (drawn_sets(["x", "y", "z"]) == drawn_sets(["x", "y", "z"])).all()
    assert (drawn_sets(["x", "y", "z"]) == drawn_sets(["second", "b", "c"])).all(), "names of groups are nothing"


def test_ratio_by_hand() -> None:
    assert ratio(DRAWS, [1.0, 0.0, 0.5])[:3].tolist() == [0.5, 1.0, pytest.approx(0.5 / 3)]
    assert math.isnan(ratio(DRAWS, [1.0, 0.0, 0.5])[3])
    # Two classes; the second is only in the last image: (2/4 + 1/2) / 2, 1/2 alone, (2 + 0)/(2 * 1 + 1) and 1/2.
    above, below = [[1, 0], [1, 0], [0, 1]], [[2, 0], [1, 0], [1, 2]]
    assert ratio(DRAWS, above, below)[:3].tolist() == [0.5, 0.5, pytest.approx((2 / 3 + 1 / 2) / 2)]


def test_the_interval_of_drawn_means_is_the_cluster_bootstraps() -> None:
    random = np.random.default_rng(2)
    gains, groups = random.normal(0.1, 1, 60), [f"scene {k // 4}" for k in range(60)]
    drawn = ratio(group_draws(groups, 4000), gains)
    assert bootstrap_interval(float(gains.mean()), drawn, 15) == pytest.approx(cluster_bootstrap(gains, groups))
    without = bootstrap_interval(0.1, [math.nan, *drawn], 15)
    assert without[1:] == pytest.approx(cluster_bootstrap(gains, groups)[1:]), "a draw with nothing to score is out"
    assert math.isnan(bootstrap_interval(0.1, drawn, 1).low)
    assert math.isnan(bootstrap_interval(0.1, [math.nan], 9).low)


@pytest.fixture
def scored(toy_plan: Callable[..., Plan], store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Store]:
    """A finished toy run whose task resamples its metrics: the level against each test image's own."""
    from bench import plugins

    def resample(self: Any, predictions: Path, truth: Any, draws: Any) -> dict[str, Any]:
        level = json.loads((predictions / "level.json").read_text())
        errors = np.abs(level - truth.images().mean((1, 2, 3)) / 255)
        return {"error": ratio(draws, errors)}

    monkeypatch.setattr(plugins.find("task", "toy-task").load(), "resample", resample)
    plan = toy_plan()
    for stage in plan.stages.values():
        assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    return plan, store


def test_the_score_stage_leaves_the_resampled_metrics_and_the_report_reads_them(
    scored: tuple[Plan, Store], tmp_path: Path
) -> None:
    plan, store = scored
    rows = collect.rows(plan, store)
    summary = collect.summarise(plan, store, rows, tmp_path / "out", "run")
    assert summary.test_groups == 4
    assert len(summary.resamples) == len(plan.cells)
    from bench.report.cells import Cells
    from bench.report.lines import lines

    cells = Cells(summary)
    gain = cells.entry("toy-level", "refined(toy-brighten)", "error").gain
    assert gain is not None
    assert gain.test_images.low < gain.interval.mean < gain.test_images.high
    assert gain.test_images.mean == gain.interval.mean
    # The control is the same in every draw; no draw can tell it from the reference.
    control = cells.entry("toy-level", "refined(toy-same)", "error").gain
    assert control is not None
    assert control.test_images == (0, 0, 0)
    by_arm = {line.arm: line.test_images for line in lines(cells, "toy-level", [], metric="error")}
    assert by_arm["synthetic"] == "—"
    assert by_arm["refined(toy-brighten)"].startswith("[+0.")
    headline = {line.test_images for line in lines(cells, "toy-level", [])}
    assert headline == {"—", "not available"}, "the task resamples no 'closeness'"


def test_what_a_task_may_not_return_is_one_line(scored: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, store = scored
    stage = next(s for s in plan.stages.values() if s.kind == "score")
    truth = open_image_set(store.path(stage.inputs["test"]))

    class Wrong:
        name, metrics = "wrong", {"error": False}

        def __init__(self, found: dict[str, Any]) -> None:
            self.resample = lambda predictions, truth, draws: found

    for found in ({"errror": np.zeros(RESAMPLES)}, {"error": np.zeros(3)}):
        with pytest.raises(DataError, match=f"task 'wrong': resample: .* not {RESAMPLES} values of a metric"):
            write_resamples(tmp_path, Wrong(found), tmp_path, truth)  # type: ignore[arg-type]
    assert read_resamples(tmp_path) == (0, {})
    write_resamples(tmp_path, Wrong({}), tmp_path, truth)  # type: ignore[arg-type]
    assert read_resamples(tmp_path) == (4, {})
    (tmp_path / FILE).write_bytes(b"broken")
    assert read_resamples(tmp_path) == (0, {})


def test_a_new_score_schema_runs_scores_again_and_leaves_the_metric_version(toy_plan: Callable[..., Plan]) -> None:
    """The gate compares metric versions: what the stage leaves beside the scores must not make runs incomparable."""
    from bench import plan as module

    before = toy_plan()
    assert before.task.facts["score_version"] == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.STAGE_SCHEMA, "score", module.STAGE_SCHEMA["score"] + 1)
        after = toy_plan()
    changed = {after.stages[key].kind for key in set(after.stages) - set(before.stages)}
    assert changed == {"score"}
    assert replace(before.cells[0], score_key="") == replace(after.cells[0], score_key="")
