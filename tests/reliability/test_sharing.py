"""Two and ten runs on one store: each stage is made once, everybody makes some, everybody has all."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import collect
from bench.engines.sharing import Elsewhere
from bench.graph import Plan
from bench.store import Store


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 10])
def test_runs_on_one_store_share_the_work_and_do_none_twice(
    toy_plan: Callable[..., Plan], toy_suite: Path, store: Store, count: int
) -> None:
    settings = ["replicates=3", "model.toy-level.slow=0.002"]
    command = [sys.executable, "-m", "tests.reliability.forked", str(count), str(store.root), str(toy_suite), *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    plan = toy_plan(*settings)
    labels = [entry["label"] for entry in store.history()]
    assert len(labels) == len(set(labels)) == len(plan.stages)
    made = [int(line) for line in re.findall(r"^(\d+) made", done.stdout, re.MULTILINE)]
    assert len(made) == count and sum(made) == len(plan.stages)
    assert sum(number > 0 for number in made) > count / 2, f"the work was not shared: {made}"
    assert {row.status for row in collect.rows(plan, store)} == {"ok"}
    assert [Store(store.root).verify(key) for key in plan.stages] == [None] * len(plan.stages)
    assert not list((store.root / "leases").iterdir()) and not list((store.root / "work").iterdir())


def test_a_stage_that_another_process_holds_is_left_alone_and_looked_at_once_a_second(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = store.lease("k")
    assert lease.acquire()
    looks: list[int] = []
    clear = type(lease).clear
    monkeypatch.setattr(type(lease), "clear", lambda self: looks.append(1) or clear(self))
    elsewhere = Elsewhere(store)
    assert [elsewhere.holds("k") for _ in range(50)] == [True] * 50
    assert len(looks) == 1
    lease.release()
    clock = iter([1e9, 2e9])
    monkeypatch.setattr("bench.engines.sharing.time.monotonic", lambda: next(clock))
    assert not elsewhere.holds("k")
