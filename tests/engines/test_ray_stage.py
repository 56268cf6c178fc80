"""What a Ray worker does with a stage, and what the command line says, without Ray."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import plugins
from bench.cli.main import main
from bench.contracts import Progress
from bench.engines import ray_stage
from bench.engines.execution import Outcome
from bench.engines.ray_cluster import Needs, _fits
from bench.engines.ray_stage import Job, Started, perform, wait_until_visible
from bench.graph import Plan, Stage
from bench.store import Store

Planner = Callable[..., Plan]
TOY = Path(__file__).parents[1] / "toy.py"


def first(plan: Plan, kind: str = "render") -> Stage:
    return next(stage for stage in plan.stages.values() if stage.kind == kind)


@pytest.fixture
def job(store: Store) -> Job:
    sign = store.root / "sign"
    sign.touch()
    return Job.of(store, sign)


def test_a_stage_tells_that_it_began_how_far_it_is_and_how_it_ended(
    toy_plan: Planner, store: Store, job: Job
) -> None:
    plan = toy_plan("replicates=1", only=("arm=synthetic",))
    for kind in ("render", "train"):
        *before, last = perform(job, first(plan, kind), "cpu")
        assert isinstance(last, Outcome) and last.status == "done", last
        assert isinstance(before[0], Started) and store.has(first(plan, kind).key)
        assert (kind == "train") == (before[-1] == Progress(40, 40, **_rest(before[-1])))


def _rest(message: Any) -> dict[str, Any]:
    return {"losses": getattr(message, "losses", {}), "images_per_second": getattr(message, "images_per_second", None)}


def test_a_node_with_another_store_must_not_compute(toy_plan: Planner, store: Store, tmp_path: Path, job: Job) -> None:
    elsewhere = Job(tmp_path / "elsewhere", job.sign, job.files, job.sources)
    *_, outcome = perform(elsewhere, first(toy_plan()), "cpu")
    assert isinstance(outcome, Outcome) and outcome.fatal
    assert f"does not see the store {tmp_path / 'elsewhere'}" in outcome.reason and not elsewhere.store.exists()


def test_a_node_with_another_program_must_not_compute(toy_plan: Planner, store: Store, job: Job) -> None:
    *_, outcome = perform(Job(job.store, job.sign, job.files, "0.0.1 abc"), first(toy_plan()), "cpu")
    assert isinstance(outcome, Outcome) and outcome.fatal and "has another refiner-bench" in outcome.reason


def test_a_plug_in_file_travels_with_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(TOY.read_text().replace('"toy-', '"moved-'))
    content = mine.read_bytes()
    ray_stage._plugin_files.cache_clear()
    store = tmp_path / "store"
    assert ray_stage._plugin_files(((mine, content),), store) == [mine], "the file itself where it is there"
    shutil.move(mine, tmp_path / "gone.py")
    ray_stage._plugin_files.cache_clear()
    (copy,) = ray_stage._plugin_files(((mine, content),), store)
    assert copy.is_relative_to(store) and copy.read_bytes() == content
    ray_stage._plugin_files.cache_clear()
    assert ray_stage._plugin_files(((mine, content),), store) == [copy], "one copy, however many workers there are"
    assert len(list(store.rglob("*.py"))) == 1
    monkeypatch.setattr(plugins, "_extra_files", [])
    plugins.add_file(copy)
    assert plugins.find("world", "moved-world").load().name == "moved-world"
    plugins.scan.cache_clear()


def test_whatever_a_stage_does_there_is_an_outcome(
    toy_plan: Planner, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaves(*_: object, **__: object) -> None:
        raise SystemExit("bye")

    monkeypatch.setattr(ray_stage, "execute", leaves)
    *_, outcome = perform(job, first(toy_plan()), "cpu")
    assert outcome == Outcome("failed", reason="SystemExit: bye")


def test_an_artifact_that_shows_late_is_waited_for(toy_plan: Planner, store: Store, job: Job) -> None:
    """On a network file system a node may see what another has written seconds later."""
    key = first(toy_plan()).key
    folder = store.path(key)
    assert wait_until_visible(store, [key], seconds=0.3) == [key]

    def write() -> None:
        time.sleep(0.5)
        folder.mkdir(parents=True)
        (folder / "artifact.json").write_text("{}")

    thread = threading.Thread(target=write)
    thread.start()
    assert wait_until_visible(store, [key], seconds=20) == []
    thread.join()


def test_what_a_stage_asks_for() -> None:
    needs = Needs(gpus=0.25, memory=1.5)
    assert needs.resources("train", "cuda") == {"num_cpus": 1, "num_gpus": 0.25, "memory": 1610612736}
    assert needs.resources("score", "cuda")["num_gpus"] == needs.resources("train", "cpu")["num_gpus"] == 0
    node = {"CPU": 16.0, "GPU": 2.0, "memory": 6.1 * 2**30}
    assert _fits(node, needs.resources("fit", "cuda")) == 4
    assert _fits(node, Needs(0.25).resources("fit", "cuda")) == 8
    assert _fits(node, Needs().resources("fit", "cpu")) == 16
    assert _fits({"CPU": 4.0}, Needs().resources("fit", "cuda")) == 0


@pytest.mark.parametrize(("options", "part"), [
    (["--address", "127.0.0.1:6379"], "--address: is for --engine ray"),
    (["--gpus-per-stage", "0.5"], "--gpus-per-stage: is for --engine ray"),
    (["--engine", "ray", "--gpus-per-stage", "0"], "--gpus-per-stage 0: must be above 0"),
    (["--engine", "ray", "--gpus-per-stage", "1.5"], "a part of one GPU, or a whole number"),
    (["--engine", "ray", "--memory-per-stage", "-1"], "--memory-per-stage -1: must be above 0"),
])  # fmt: skip
def test_options_that_make_no_sense_are_one_line(
    options: list[str], part: str, toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--suite", str(toy_suite), "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    assert main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert part in error and len(error.strip().splitlines()) == 1


def test_without_ray_there_is_one_line_with_the_mend(
    toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["run", "--suite", str(toy_suite), "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    assert main([*command, "--engine", "ray"]) == 2
    error = capsys.readouterr().err
    assert 'python -m pip install "refiner-bench[ray]"' in error and len(error.strip().splitlines()) == 1
