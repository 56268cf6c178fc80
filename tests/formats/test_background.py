"""Files written in the background: the bytes and the errors of files written at once, and nothing after an error."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from bench import stages
from bench.contracts import Context
from bench.engines.execution import execute
from bench.formats.background import MOST_WAITING, Background
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.graph import Plan
from bench.samples import Labels
from bench.stages import run_stage
from bench.store import Store

COUNT = 40


def write(root: Path, background: Background | None) -> None:
    random = np.random.default_rng(1)
    writer = ImageSetWriter(
        root, domain="refined", kind="rendered", class_names=["a"],
        labels=["depth", "semantic", "instances", "foreground"], background=background,
    )  # fmt: skip
    image = np.zeros((12, 16, 3), np.uint8)
    for number in range(COUNT):
        image[:] = random.integers(0, 255, image.shape, np.uint8)  # the same memory again, as a refiner may do
        mask = random.random((12, 16)) < 0.5
        labels = Labels(
            depth=random.random((12, 16)), semantic=mask.astype(np.uint8), instances=mask.astype(np.uint16),
            foreground=mask,
        )  # fmt: skip
        writer.add(f"{number}", image, labels)
    writer.add_background(image)
    writer.add_background(image)
    writer.close()


def test_the_folder_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    write(tmp_path / "now", None)
    with Background(3) as background:
        write(tmp_path / "later", background)
    found = {
        name: {file.relative_to(tmp_path / name): file.read_bytes() for file in (tmp_path / name).rglob("*.*")}
        for name in ("now", "later")
    }
    assert found["now"] == found["later"] and len(found["now"]) == COUNT * 5 + 4
    assert len(open_image_set(tmp_path / "later")) == COUNT


def test_a_full_disk_is_heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with Background(1) as background, pytest.raises(OSError, match="No space left"):
        write(tmp_path, background)
    assert not (tmp_path / "manifest.json").exists()


def test_after_an_error_what_waits_is_dropped_and_what_runs_has_ended() -> None:
    begun, done = threading.Event(), []

    def slow() -> None:
        begun.set()
        time.sleep(0.2)
        done.append(1)

    with pytest.raises(ValueError, match="the refiner failed"), Background(1) as background:
        for _ in range(10):
            background.submit(slow)
        begun.wait(10)
        raise ValueError("the refiner failed")
    assert len(done) == 1, "the one at hand has ended before the block did"
    time.sleep(0.5)
    assert len(done) == 1


def test_no_more_than_so_many_wait() -> None:
    gate = threading.Event()
    with Background(1) as background:
        for _ in range(MOST_WAITING):
            background.submit(lambda: gate.wait(10) and None)
        threading.Timer(0.3, gate.set).start()
        begin = time.monotonic()
        background.submit(lambda: None)
        assert time.monotonic() - begin > 0.2, "one more has to wait until the first is done"
        background.finish()


def test_a_refine_stage_leaves_the_same_files(
    toy_plan: Callable[..., Plan], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As beside a GPU, where files are written in the background."""
    plan = toy_plan("replicates=1", "counts.synthetic_train=40")
    for stage in plan.stages.values():
        if stage.kind in ("render", "fit"):
            assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    stage = next(stage for stage in plan.stages.values() if stage.label == "refine with toy-brighten #0")
    found = []
    for how in (nullcontext, lambda: Background(2)):
        monkeypatch.setattr(stages, "nullcontext", how)
        folder = tmp_path / f"refined{len(found)}"
        folder.mkdir()
        run_stage(stage, store, Context(seed=stage.spec["seed"], directory=folder))
        found.append({file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()})
    assert found[0] == found[1] and len(found[0]) > 40
