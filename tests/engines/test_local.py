"""The local engine on the toy bench: real worker processes, real failures."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import collect, plugins
from bench.engines.execution import execute
from bench.engines.local import Event, Failures, run_plan
from bench.graph import Plan
from bench.store import Store

Planner = Callable[..., Plan]


def run(plan: Plan, store: Store, listen: Callable[[Event], None] = lambda event: None, workers: int = 1) -> Failures:
    return run_plan(plan, Store(store.root), device="cpu", workers=workers, listen=listen)


def values(plan: Plan, store: Store) -> dict[tuple[str, int], float]:
    return {(r.arm, r.replicate): r.value for r in collect.rows(plan, store) if r.metric == "closeness"}


def test_a_run_yields_every_cell_and_the_control_gains_nothing(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan()
    assert run(plan, store, workers=2).reasons == {}
    rows = collect.rows(plan, store)
    assert {row.status for row in rows} == {"ok"}
    assert len(rows) == 5 * 2 * 3
    found = values(plan, store)
    for r in (0, 1):
        assert found["refined(toy-same)", r] == found["synthetic", r]
        assert found["refined(toy-brighten)", r] > found["synthetic", r] + 0.1
    assert {row.steps for row in rows} == {40}
    assert {row.n_train for row in rows if row.arm == "hybrid(toy-brighten)"} == {5}
    assert {row.higher_is_better for row in rows if row.metric.startswith("error")} == {False}
    assert not list((store.root / "work").glob("*"))
    assert not list((store.root / "leases").glob("*"))
    meta = store.meta(plan.cells[0].train_key)
    assert meta["seconds"] >= 0
    assert meta["peak_mib"] > 10


def test_neither_the_order_of_arms_nor_of_workers_changes_a_value(
    toy_plan: Planner, store: Store, tmp_path: Path
) -> None:
    """Everything but costs agrees to the last digit, whoever computed it when."""
    other = Store(tmp_path / "other")
    other.root.mkdir()
    plan = toy_plan()
    turned = toy_plan(f"arms={list(plan.suite.arms)[::-1]}")
    assert run(plan, store, workers=2).reasons == {}
    for stage in turned.stages.values():
        assert execute(stage, other, device="cpu", progress=lambda _: None).status == "done"
    made = [[entry["label"] for entry in one.history()] for one in (store, other)]
    assert made[0] != made[1], "the two runs must really go another way"
    assert sorted(made[0]) == sorted(made[1])
    assert values(plan, store) == values(turned, other)
    for key in plan.stages:
        assert store.meta(key)["files"] == other.meta(key)["files"], plan.stages[key].label


def test_a_second_run_computes_nothing(toy_plan: Planner, store: Store) -> None:
    run(toy_plan(), store)
    events: list[Event] = []
    assert run(toy_plan(), store, events.append).reasons == {}
    assert events == []


def test_a_metric_fix_runs_only_the_scores(toy_plan: Planner, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run(toy_plan(), store)
    plan = toy_plan()
    plan.task.facts["score_version"] = 2
    from bench import plan as plan_module

    real_describe = plan_module.describe

    def newer(*args: object, **kwargs: object) -> object:
        described = real_describe(*args, **kwargs)  # type: ignore[arg-type]
        if described.kind == "task":
            described.facts["score_version"] = 2
        return described

    monkeypatch.setattr(plan_module, "describe", newer)
    events: list[Event] = []
    run(toy_plan(), store, events.append)
    assert {event.stage.kind for event in events} == {"score"}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("refiner.toy-brighten.crash='it broke'", "ValueError: it broke"),
        ("refiner.toy-brighten.crash='kill'", "SIGKILL"),
        ("refiner.toy-brighten.peek=true", "labels are hidden"),
    ],
)
def test_a_failing_refiner_fails_its_cells_and_everything_else_goes_on(
    toy_plan: Planner, store: Store, setting: str, reason: str
) -> None:
    plan = toy_plan(setting, "replicates=1")
    failures = run(plan, store)
    rows = collect.rows(plan, store, failures.reasons)
    for row in rows:
        rests = row.refiner == "toy-brighten"
        assert row.status == ("failed" if rests else "ok")
        assert (reason in row.reason) == rests
        assert "\n" not in row.reason
    again = run(plan, store)
    assert set(again.reasons) == set(failures.reasons), "a failure must never be cached"


def test_a_diverged_model_is_a_failed_cell_that_names_the_loss(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("model.toy-level.diverge=true", "replicates=1")
    rows = collect.rows(plan, store, run(plan, store).reasons)
    assert {row.status for row in rows} == {"failed"}
    assert "step 1: loss is nan" in rows[0].reason


def test_a_flipped_bit_is_found_set_aside_and_computed_again(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("replicates=1")
    run(plan, store)
    before = values(plan, store)
    stage = next(s for s in plan.stages.values() if s.label == "refine with toy-brighten #0")
    image = next((store.path(stage.key) / "images").glob("*.png"))
    data = bytearray(image.read_bytes())
    data[len(data) // 2] ^= 1
    image.write_bytes(bytes(data))
    other = toy_plan("replicates=1", "train.steps=41")
    events: list[Event] = []
    assert run(other, store, events.append).reasons == {}
    assert any(event.outcome and event.outcome.status == "damaged" for event in events)
    assert len(list((store.root / "damaged").iterdir())) == 1
    assert {row.status for row in collect.rows(other, store)} == {"ok"}
    assert values(plan, store) == before


def _run_in_process(root: str, suite: str, plugin: str, settings: list[str]) -> None:
    from bench.plan import build_plan
    from bench.suite import load_suite

    plugins.add_file(Path(plugin))
    run_plan(
        build_plan(load_suite(suite, "quick", settings)),
        Store(Path(root)),
        device="cpu",
        workers=1,
        listen=lambda e: None,
    )


@pytest.mark.slow
def test_killed_in_training_goes_on_from_its_checkpoint_and_ends_in_the_same_bytes(
    toy_plan: Planner, toy_suite: Path, store: Store, tmp_path: Path
) -> None:
    settings = ["replicates=1", "arms=['synthetic', 'real']", "model.toy-level.slow=0.05", "train.steps=60"]
    plan = toy_plan(*settings)
    whole = Store(tmp_path / "whole")
    whole.root.mkdir()
    run(plan, whole, workers=1)
    context = multiprocessing.get_context("spawn")
    toy = str(Path(__file__).parent.parent / "toy.py")
    process = context.Process(target=_run_in_process, args=(str(store.root), str(toy_suite), toy, settings))
    process.start()
    deadline = time.monotonic() + 60
    while not list((store.root / "work").glob("*/checkpoint.pt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list((store.root / "work").glob("*/checkpoint.pt")), "no checkpoint came"
    _kill_tree(process.pid)
    process.join()
    events: list[Event] = []
    assert run(plan, store, events.append, workers=1).reasons == {}
    first: dict[str, int] = {}
    for event in events:
        if event.kind == "progress" and event.stage.kind == "train" and event.progress:
            first.setdefault(event.stage.key, event.progress.step)
    # Of the two trainings the one that was not begun may come first: the other's lease was alive a moment ago.
    assert max(first.values()) > 1, "training began anew instead of going on"
    for key, stage in plan.stages.items():
        files = json.loads((whole.path(key) / "artifact.json").read_text())["files"]
        assert store.meta(key)["files"] == files, stage.label


def _kill_tree(pid: int | None) -> None:
    assert pid is not None
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            children.append(int(status.parent.name))
    for process in [pid, *children]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.slow
def test_two_runs_on_one_store_share_the_work_and_do_none_twice(
    toy_plan: Planner, toy_suite: Path, store: Store
) -> None:
    plan = toy_plan("replicates=1")
    context = multiprocessing.get_context("spawn")
    toy = str(Path(__file__).parent.parent / "toy.py")
    arguments = (str(store.root), str(toy_suite), toy, ["replicates=1"])
    runs = [context.Process(target=_run_in_process, args=arguments) for _ in range(2)]
    for process in runs:
        process.start()
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]
    labels = [entry["label"] for entry in store.history()]
    assert sorted(labels) == sorted(set(labels))
    assert {row.status for row in collect.rows(plan, store)} == {"ok"}
