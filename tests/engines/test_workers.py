"""Workers that start before the plan is known: taken by the run, or ended whatever happens."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.engines import local
from bench.engines.workers import Worker, early_worker, start_worker
from bench.finish import MARK
from bench.graph import Plan
from bench.store import Store

Planner = Callable[..., Plan]


def run(plan: Plan, store: Store, early: list[Worker]) -> local.Failures:
    return local.run_plan(plan, store, device="cpu", workers=1, listen=lambda event: None, early=early)


def test_an_early_worker_makes_everything(toy_plan: Planner, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = toy_plan("replicates=1")

    def no_other() -> Worker:
        raise AssertionError("a second worker was started")

    monkeypatch.setattr(local, "start_worker", no_other)
    with early_worker() as early:
        assert run(plan, store, early).reasons == {}
        assert early == []
    assert all(store.has(cell.score_key) for cell in plan.cells if cell.score_key)
    assert multiprocessing.active_children() == []


def test_one_that_died_while_the_run_was_planned_is_replaced(
    toy_plan: Planner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Worker] = []

    def counted() -> Worker:
        started.append(start_worker())
        return started[-1]

    monkeypatch.setattr(local, "start_worker", counted)
    with early_worker() as early:
        os.kill(early[0].process.pid, signal.SIGKILL)
        early[0].process.join()
        assert run(toy_plan("replicates=1"), store, early).reasons == {}
    assert len(started) == 1
    assert multiprocessing.active_children() == []


def test_one_that_nobody_takes_is_ended() -> None:
    with early_worker() as early:
        process = early[0].process
        assert process.is_alive()
    assert process.exitcode == -signal.SIGTERM


def test_none_is_started_where_none_is_wanted() -> None:
    with early_worker(wanted=False) as early:
        assert early == []
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize("reported", [False, True])
def test_a_plan_that_fails_leaves_no_process_and_a_finished_run_starts_none(
    reported: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Worker] = []

    def counted() -> Worker:
        started.append(start_worker())
        return started[-1]

    monkeypatch.setattr("bench.engines.workers.start_worker", counted)
    out = tmp_path / "out"
    out.mkdir()
    if reported:
        (out / MARK).touch()
    command = ["run", "--suite", "digits", "--only", "refiner=pixeldaa", "--store", str(tmp_path), "--out", str(out)]
    assert main(command) == 2
    assert "pixelda" in capsys.readouterr().err
    assert [worker.process.is_alive() for worker in started] == ([] if reported else [False])


def test_a_new_worker_can_leave_ctrl_c_to_the_run_before_it_imports_anything_slow() -> None:
    code = "import sys, bench.engines.workers; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
