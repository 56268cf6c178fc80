"""``bench gc`` frees what no run names, and nothing that somebody uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import lease as lease_module
from bench.cli.main import main
from bench.graph import Plan
from bench.running import in_use, keep_keys, used
from bench.store import CHECKPOINT, Store

Gc = Callable[..., tuple[int, list[str]]]


def put(store: Store, key: str, size: int) -> None:
    source = store.work(key) / "out"
    source.mkdir(parents=True)
    (source / "data").write_bytes(bytes(size))
    store.commit(key, source, {"label": f"stage {key}"})
    source.parent.rmdir()


@pytest.fixture
def gc(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gc:
    """Run the command; its exit code and lines. One run that has ended names ``kept``."""
    keep_keys(tmp_path / "runs" / "one", ["kept"])

    def run(*more: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = main(["gc", "--store", str(store.root), "--runs", str(tmp_path / "runs"), *more])
        return code, capsys.readouterr().out.strip().splitlines()

    return run


def everything(store: Store) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def test_what_no_run_names_goes_and_a_dry_run_says_the_same_and_frees_nothing(store: Store, gc: Gc) -> None:
    put(store, "kept", 2**20)
    put(store, "gone", 3 * 2**20)
    put(store, "bad", 2**20)
    (store.path("bad") / "data").write_bytes(b"x")
    assert store.set_aside("bad")
    for key, label in (("gone.1", "train x"), ("kept.2", "train y")):
        (store.root / "work" / key).mkdir(parents=True)
        (store.root / "work" / key / CHECKPOINT).write_bytes(bytes(2**20))
        (store.root / "work" / key / "stage.json").write_text(json.dumps({"label": label}))
    before = everything(store)
    code, said = gc("--dry-run")
    assert code == 0 and everything(store) == before
    assert [line.split("  ")[-1] for line in said[:-1]] == ["stage gone", "train x (not finished)", "stage bad"]
    assert said[0].startswith("would free      3.0 MiB") and said[-1].startswith("would free 4.0 MiB in all")
    code, again = gc()
    assert code == 0 and again == [line.replace("would free", "freed") for line in said]
    assert list(store.keys()) == ["kept"] and Store(store.root).verify("kept") is None
    assert [path.name for path in (store.root / "work").iterdir()] == ["kept.2"], "the checkpoint of a kept run stays"
    assert gc() == (0, ["freed 0.0 MiB in all; kept what 1 runs name"])


def test_what_somebody_computes_or_a_run_in_progress_needs_stays(store: Store, gc: Gc) -> None:
    for key in ("kept", "needed", "gone"):
        put(store, key, 10)
    leased = store.lease("leased")
    assert leased.acquire()
    work = store.claim_work("leased", leased.holder)
    (work / CHECKPOINT).write_bytes(b"x")
    with in_use(store, ["needed"]):
        code, said = gc()
    assert code == 0 and "and 1 artifacts of runs in progress" in said[-1]
    assert sorted(store.keys()) == ["kept", "needed"] and work.exists()
    leased.release()
    gc()
    assert list(store.keys()) == ["kept"] and not work.exists()
    assert not list((store.root / "running").iterdir())


def test_a_run_on_another_machine_is_in_progress_until_nobody_heard_of_it_for_a_day(
    store: Store, gc: Gc, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "needed", 10)
    for room in ("running", "leases"):
        (store.root / room).mkdir()
    (store.root / "running" / "r.json").write_text('["needed"]')
    lease = store.root / "leases" / "run-r"
    lease.write_text(json.dumps({"machine": "another boot", "pid": 1}))
    for hours in (0, -20, 20):
        now = lease.stat().st_mtime + hours * 3600
        os.utime(lease, (now, now))
        gc()
        assert store.has("needed"), hours
    os.utime(lease, (1e9, 1e9))
    gc()
    assert not store.has("needed") and not lease.exists()


def test_a_run_that_was_killed_is_not_in_progress_and_its_artifacts_stay(
    toy_plan: Callable[..., Plan], store: Store, gc: Gc, tmp_path: Path
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from bench.running import in_use, keep_keys\n"
        "from bench.store import Store\n"
        "keep_keys(Path(sys.argv[2]), ['mine'])\n"
        "in_use(Store(Path(sys.argv[1])), ['mine', 'other']).__enter__(); os._exit(9)"
    )
    out = tmp_path / "runs" / "two"
    subprocess.run([sys.executable, "-c", code, str(store.root), str(out)], check=False)
    assert used(store) == set()
    for key in ("mine", "other"):
        put(store, key, 10)
    gc()
    assert list(store.keys()) == ["mine"]
    assert not list((store.root / "running").iterdir()) and not list((store.root / "leases").iterdir())


def test_a_run_that_begins_while_gc_is_at_work_gets_its_artifact_back(
    store: Store, gc: Gc, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "needed", 10)
    rename = Path.rename

    def begins(self: Path, target: Path) -> Path:
        if self.name == "needed" and not (store.root / "running").exists():
            (store.root / "running").mkdir()
            (store.root / "running" / "r.json").write_text('["needed"]')
            (store.root / "leases" / "run-r").write_text(
                json.dumps({"machine": lease_module.machine(), "pid": os.getpid()})
            )
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", begins)
    gc()
    assert store.has("needed") and store.verify("needed") is None


def test_a_gc_that_was_killed_leaves_no_half_of_an_artifact(
    store: Store, gc: Gc, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "gone", 10)

    class Killed(BaseException):
        pass

    def killed(path: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(Killed):
            gc()
    assert not store.path("gone").exists()
    assert gc()[1][-1].startswith("freed 0.0 MiB") and not list((store.root / "removed").iterdir())
