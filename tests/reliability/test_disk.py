"""A disk that fills up in the middle of a run, and a store that cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.cli.main import main
from bench.contracts import Progress
from bench.engines.execution import execute
from bench.errors import DataError
from bench.graph import Plan
from bench.store import CHECKPOINT, Store
from tests.conftest import TOY


def options(suite: Path, store: Path, out: Path) -> list[str]:
    return [
        "--suite", str(suite), "--plugin", str(TOY), "--store", str(store), "--out", str(out), "--replicates", "1",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_after_some_space_was_freed_the_run_goes_on(
    toy_plan: Callable[..., Plan], toy_suite: Path, small_disk: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Store(small_disk / "store")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(440_000))
    arguments = options(toy_suite, store.root, tmp_path / "out")
    capsys.readouterr()
    assert main(["run", *arguments, "--workers", "1"]) == 3
    said = capsys.readouterr().err.strip().splitlines()
    full = [line for line in said if "the disk is full" in line]
    assert len(full) == 1 and "free some space" in full[0], said
    assert "Traceback" not in "".join(said)
    made = list(store.keys())
    assert made, "something was finished before"
    assert [store.verify(key) for key in made] == [None] * len(made)
    assert not list(small_disk.rglob("*.tmp"))
    ballast.unlink()
    assert main(["run", *arguments, "--workers", "1"]) == 0
    labels = [entry["label"] for entry in store.history()]
    assert len(labels) == len(set(labels)), "nothing that was finished is made again"
    whole = Store(tmp_path / "whole")
    whole.root.mkdir()
    for stage in toy_plan("replicates=1").stages.values():
        assert execute(stage, whole, device="cpu", progress=lambda _: None).status == "done"
        assert whole.meta(stage.key)["files"] == store.meta(stage.key)["files"]


def test_a_full_disk_keeps_the_checkpoint(
    toy_plan: Callable[..., Plan], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = toy_plan("replicates=1", "arms=['synthetic', 'real']", "train.steps=60", "model.toy-level.slow=0.005")
    for stage in plan.stages.values():
        if stage.kind == "train":
            break
        assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"

    def full(progress: Progress) -> None:
        if progress.step >= 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "losses.csv")

    outcome = execute(stage, store, device="cpu", progress=full)
    assert outcome.status == "failed" and outcome.fatal and "the disk is full" in outcome.reason
    assert len(list((store.root / "work").glob(f"*/{CHECKPOINT}"))) == 1
    steps: list[int] = []
    assert execute(stage, store, device="cpu", progress=lambda p: steps.append(p.step)).status == "done"
    assert steps[0] > 1


@pytest.mark.parametrize("where", ["rust", "cause", "commit", "quota", "limit"])
def test_every_way_in_which_a_full_disk_shows_stops_the_run(
    toy_plan: Callable[..., Plan], store: Store, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    plan = toy_plan("replicates=1")
    stage = next(stage for stage in plan.stages.values() if stage.kind == "render")
    number = {"quota": errno.EDQUOT, "limit": errno.EFBIG}.get(where, errno.ENOSPC)
    error = OSError(number, os.strerror(number), "x")

    def fail(*_: object) -> None:
        if where == "rust":
            raise RuntimeError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")
        if where == "cause":
            raise DataError("x: cannot be written") from error
        raise error

    if where == "commit":
        monkeypatch.setattr("bench.store.sync_tree", fail)
    else:
        monkeypatch.setattr("bench.engines.execution.run_stage", fail)
    outcome = execute(stage, store, device="cpu", progress=lambda _: None)
    assert outcome.status == "failed" and outcome.fatal and "\n" not in outcome.reason
    assert ("ulimit" if where == "limit" else "the disk is full") in outcome.reason
    assert not store.has(stage.key) and not list((store.root / "work").glob("*"))


def test_weights_on_a_full_disk_say_so(small_disk: Path) -> None:
    """safetensors and torch write from Rust and C++; what they raise is known by its words."""
    from bench.engines.execution import _full
    from bench.stages import save_state

    with pytest.raises(Exception) as found:
        save_state(small_disk / "w.safetensors", {"a": torch.zeros(1_000_000)})
    assert _full(found.value) is not None


@pytest.mark.slow
def test_a_store_that_cannot_be_written_still_reports(
    toy_suite: Path, read_only: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert main(["run", *options(toy_suite, store, tmp_path / "out"), "--workers", "1"]) == 0
    shutil.rmtree(store / "descriptions")  # as after another package was installed: planning would write them again
    path = read_only(store)
    with pytest.raises(OSError):
        (path / "x").write_text("x")
    arguments = options(toy_suite, path, tmp_path / "again")
    capsys.readouterr()
    assert main(["report", *arguments]) == 0
    assert (tmp_path / "again" / "rows.csv").read_bytes() == (tmp_path / "out" / "rows.csv").read_bytes()
    assert (tmp_path / "again" / "index.html").exists()
    assert main(["run", *arguments]) == 0, "there is nothing to compute"
    assert main(["plan", *arguments[:-4], "--replicates", "1"]) == 0
    assert main(["list", "--store", str(path)]) == 0
    assert main(["gc", "--store", str(path), "--runs", str(tmp_path / "out"), "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["run", *arguments, "--set", "train.steps=41", "--workers", "1"]) == 3
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "cannot be written; name another with --store" in said[0], said
    assert sorted(store.rglob("*.tmp")) == []
