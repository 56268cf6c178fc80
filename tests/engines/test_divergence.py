"""Cells that fail or are in doubt: recorded with their reason, everything else goes on, and nothing fails twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench import collect
from bench.cli.main import main
from bench.engines.local import Event, run_plan
from bench.finish import finish
from bench.graph import Plan
from bench.results import Row
from bench.store import Store

Planner = Callable[..., Plan]
TOY = Path(__file__).parents[1] / "toy.py"
DIVERGED = "step 1: loss is nan; lower the learning rate or clip gradients"
AGAIN = f"{DIVERGED} (in an earlier run; --retry-failed tries again)"


def run(plan: Plan, store: Store, **options: bool) -> tuple[dict[str, str], list[Event]]:
    events: list[Event] = []
    failures = run_plan(plan, Store(store.root), device="cpu", workers=1, listen=events.append, **options)
    return failures.reasons, events


def started(events: list[Event]) -> list[str]:
    return [event.stage.kind for event in events if event.kind == "started"]


def headline(plan: Plan, store: Store, reasons: dict[str, str] | None = None) -> dict[tuple[str, int], Row]:
    return {(r.arm, r.replicate): r for r in collect.rows(plan, store, reasons) if "/" not in r.metric}


def test_what_diverged_is_not_trained_again_unless_asked(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("model.toy-level.diverge=true", "replicates=1", only=("arm=synthetic",))
    reasons, events = run(plan, store)
    assert reasons[plan.cells[0].train_key] == DIVERGED and started(events).count("train") == 1
    assert not list((store.root / "work").glob("*")), "no checkpoint of a ruined network is left"
    reasons, events = run(plan, store)
    assert reasons[plan.cells[0].train_key] == AGAIN and not started(events)
    assert [event.outcome.reason for event in events if event.outcome] == [AGAIN]
    row = headline(plan, store, reasons)["synthetic", 0]
    assert (row.status, row.reason) == ("failed", f"rests on '{plan.stages[plan.cells[0].train_key].label}': {AGAIN}")
    reasons, events = run(plan, store, retry_failed=True)
    assert reasons[plan.cells[0].train_key] == DIVERGED and started(events) == ["train"]


def test_other_settings_are_another_training(toy_plan: Planner, store: Store) -> None:
    run(toy_plan("model.toy-level.diverge=true", "replicates=1"), store)
    assert run(toy_plan("replicates=1"), store)[0] == {}


def test_a_plug_in_that_crashed_is_tried_again(toy_plan: Planner, store: Store) -> None:
    """Its reason may lie outside of the key: memory, a file, code that was mended."""
    plan = toy_plan("refiner.toy-brighten.crash=boom", "replicates=1", only=("arm=refined(toy-brighten)",))
    for _ in range(2):
        reasons, events = run(plan, store)
        assert "ValueError: boom" in reasons.values() and "fit" in started(events)


def test_the_first_failure_stops_a_run_that_shall_not_go_on(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("refiner.toy-brighten.crash=boom", "replicates=1")
    reasons, events = run(plan, store, keep_going=False)
    assert "train" not in started(events)
    rests = "rests on 'fit toy-brighten #0': "
    assert {reason.removeprefix(rests) for reason in reasons.values()} == {"ValueError: boom"}
    statuses = {row.status for row in headline(plan, store, reasons).values()}
    assert statuses == {"failed", "missing"}
    reasons, events = run(plan, store)
    found = headline(plan, store, reasons)
    assert found["synthetic", 0].status == found["real", 0].status == "ok", "by default everything else goes on"
    assert found["hybrid(toy-brighten)", 0].status == "failed"


def test_doubts_make_a_degraded_cell_whose_value_counts(toy_plan: Planner, store: Store, tmp_path: Path) -> None:
    plan = toy_plan("refiner.toy-brighten.won=true")
    assert run(plan, store)[0] == {}
    found = headline(plan, store)
    assert {arm for (arm, _), row in found.items() if row.status == "degraded"} == {
        "refined(toy-brighten)", "hybrid(toy-brighten)",
    }
    row = found["refined(toy-brighten)", 1]
    assert row.usable and row.reason.startswith("the discriminator won: its loss was 0.001 from step 410 on")
    done = finish(plan, store, tmp_path / "out", "bench run")
    assert done.exit_code == 0 and done.statuses == {"ok": 6, "degraded": 4}
    table = (tmp_path / "out" / "table.md").read_text()
    assert "Cells without a value, or in doubt" in table and "| degraded | the discriminator won" in table
    assert "| refined(toy-brighten) | 0.9" in table and "(n=2)" in table, "its gain is told all the same"
    page = (tmp_path / "out" / "index.html").read_text()
    assert "4 of 10 cells have a doubtful value (degraded)" in page and "have no value" not in page
    lines = (tmp_path / "out" / "table.csv").read_text().splitlines()
    at = lines[0].split(",").index("n")
    assert {tuple(line.split(",")[at : at + 2]) for line in lines[1:]} == {("2", "2")}


def test_a_task_may_doubt_predictions(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan("train.doubtful=true", "replicates=1", only=("arm=synthetic",))
    run(plan, store)
    row = headline(plan, store)["synthetic", 0]
    assert (row.status, row.reason) == ("degraded", "all images have one level")


@pytest.mark.parametrize(("options", "trained"), [([], 0), (["--retry-failed"], 1)])
def test_from_the_command_line(
    toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], trained: int
) -> None:
    command = [
        "run", "--suite", str(toy_suite), "--plugin", str(TOY), "--store", str(tmp_path / "store"), "--out",
        str(tmp_path / "out"), "--set", "model.toy-level.diverge=true", "--replicates", "1", "--only", "arm=synthetic",
    ]  # fmt: skip
    assert main(command) == 3
    capsys.readouterr()
    assert main([*command, *options]) == 3
    said = capsys.readouterr()
    assert (AGAIN in said.out) == (not trained) and "nan" in said.out
    assert main([*command, "--no-keep-going", "--retry-failed"]) == 3
