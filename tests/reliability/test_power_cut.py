"""A disk that keeps nothing but what was written through to it: what a power cut leaves at every moment of a stage."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import durable, training
from bench.contracts import Progress
from bench.engines.execution import execute
from bench.graph import Plan, Stage
from bench.store import Store


class Cut(BaseException):
    """No `except Exception` of the program catches it."""


class PessimisticDisk:
    """Remembers each file's bytes and each folder's names as they were at their last fsync; the rest is lost.

    With ``whole`` it can be written as a whole, too (syncfs), and keeps everything that lay on it at that moment.
    """

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, after: Callable[[], None], whole: bool = False
    ) -> None:
        self.root = root
        self.contents: dict[int, bytes] = {}
        self.names: dict[int, dict[str, int]] = {}
        self._keep_all()  # what lay there before has long been written
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_relative_to(root):
                self._keep(path)
                after()

        def syncfs(folder: Path) -> bool:
            if whole:
                self._keep_all()
                after()
            return whole

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(durable, "_sync_disk", syncfs)
        monkeypatch.setattr(durable, "MANY", durable.FEW)

    def _keep_all(self) -> None:
        for path in [self.root, *self.root.rglob("*")]:
            self._keep(path)

    def _keep(self, path: Path) -> None:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            self.names[found.st_ino] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self.contents[found.st_ino] = path.read_bytes()

    def after_a_power_cut(self, to: Path) -> None:
        """Write what is left into an empty folder. A name without bytes becomes an empty file, as on a real disk."""
        kinds = {path.stat().st_ino: path.is_dir() for path in self.root.rglob("*")}

        def restore(inode: int, target: Path) -> None:
            target.mkdir()
            for name, child in self.names.get(inode, {}).items():
                if kinds.get(child, child in self.names):
                    restore(child, target / name)
                else:
                    (target / name).write_bytes(self.contents.get(child, b""))

        restore(self.root.stat().st_ino, to)


def made(plan: Plan, store: Store, kind: str) -> Stage:
    """Make everything that the first stage of a kind rests on; return that stage."""
    stage = next(stage for stage in plan.stages.values() if stage.kind == kind and len(stage.inputs) > 0)
    for other in plan.stages.values():
        if other.key == stage.key:
            return stage
        assert execute(other, store, device="cpu", progress=lambda _: None).status == "done"
    raise AssertionError(kind)


@pytest.mark.parametrize("kind, whole", [("refine", False), ("refine", True), ("train", False)])
def test_at_every_moment_a_power_cut_leaves_a_whole_artifact_or_none(
    toy_plan: Callable[..., Plan], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str,
    whole: bool,
) -> None:  # fmt: skip
    # A step longer than the toy's time between checkpoints: a checkpoint a step, however fast the machine is.
    stage = made(toy_plan("replicates=1", "train.steps=6", "model.toy-level.slow=0.06"), store, kind)
    left: list[Path] = []

    def cut() -> None:
        left.append(tmp_path / f"cut-{len(left)}")
        disk.after_a_power_cut(left[-1])

    disk = PessimisticDisk(store.root, monkeypatch, cut, whole)
    assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    monkeypatch.undo()
    assert len(left) > (4 if whole else 10), "the stage writes through to the disk"
    found = [Store(folder).verify(stage.key) for folder in left if Store(folder).path(stage.key).exists()]
    assert found and set(found) == {None}
    assert Store(left[-1]).has(stage.key), "what was reported as done is there"


def test_after_a_power_cut_training_goes_on_from_its_checkpoint_and_ends_in_the_same_bytes(
    toy_plan: Callable[..., Plan], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Store(tmp_path / "whole")
    whole.root.mkdir()
    plan = toy_plan("replicates=1", "arms=['synthetic', 'real']", "train.steps=60", "model.toy-level.slow=0.01")
    stage = made(plan, store, "train")
    made(plan, whole, "train")
    assert execute(stage, whole, device="cpu", progress=lambda _: None).status == "done"
    disk = PessimisticDisk(store.root, monkeypatch, lambda: None)

    def stop(progress: Progress) -> None:
        if progress.step >= 40:
            raise Cut

    with pytest.raises(Cut):
        execute(stage, store, device="cpu", progress=stop)
    disk.after_a_power_cut(tmp_path / "after")
    monkeypatch.undo()
    steps: list[int] = []
    after = Store(tmp_path / "after")
    again = execute(stage, after, device="cpu", progress=lambda progress: steps.append(progress.step))
    assert again.status == "done"
    assert steps[0] > 1, "training began anew"
    assert after.meta(stage.key)["files"] == whole.meta(stage.key)["files"]


def test_a_checkpoint_whose_bits_turned_is_dropped(tmp_path: Path) -> None:
    """Without its sha256 torch loads it and says nothing."""
    import torch

    from bench.contracts import Context

    context = Context(seed=0, directory=tmp_path / "out", checkpoint=tmp_path / "checkpoint.pt")
    context.directory.mkdir()
    layer = torch.nn.Linear(50, 20)
    before = layer.weight.detach().clone()
    assert context.checkpoint is not None
    training._save(context.checkpoint, 7, {"layer": layer}, context.directory)
    data = bytearray(context.checkpoint.read_bytes())
    assert training._resume(context, {"layer": layer}) == 7
    place = data.index(before.numpy().tobytes()[:64]) + 40
    data[place] ^= 1
    context.checkpoint.write_bytes(bytes(data))
    assert not torch.equal(torch.load(context.checkpoint, weights_only=True)["parts"]["layer"]["weight"], before)
    assert training._resume(context, {"layer": layer}) == 0
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("torn", ["", "12", "120,0.5", "\0\0\0\0", "30,0.1,0.2\n", "x,y\n", "\n"])
def test_a_torn_line_of_the_loss_log_is_dropped(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "losses.csv"
    whole = "step,loss,other\n10,0.5,1\n20,0.25,1\n"
    path.write_text(whole + torn)
    training._LossLog(path, keep_below=25)
    assert path.read_text() == whole
