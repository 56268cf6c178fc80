"""One stage from lease to commit, in whatever process an engine chose for it."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import platform
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench import __version__
from bench.contracts import Context, Progress
from bench.durable import write_whole
from bench.engines.ranks import together
from bench.errors import BenchError, DiskError, DivergedError
from bench.graph import Stage
from bench.lease import HEARTBEAT_SECONDS, Lease
from bench.spool import spooling
from bench.stages import run_stage
from bench.store import CHECKPOINT, FULL, LeaseLost, Store, disk_message

Status = Literal["done", "shared", "busy", "failed", "damaged"]
CHECKPOINTED = ("fit", "train")
PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage ended.

    Attributes:
        status: done here; shared (another process did it); busy (another process is at it, and nobody waited); failed
            (``reason``); damaged (an input's bytes are wrong: ``reason`` says which file, ``damaged`` is its key, and
            it was set aside).
        fatal: the whole run must stop (a full disk).
    """

    status: Status
    seconds: float = 0.0
    reason: str = ""
    traceback: str = ""
    damaged: str = ""
    fatal: bool = False


def execute(
    stage: Stage,
    store: Store,
    *,
    device: str,
    progress: Callable[[Progress], None],
    ranks: int = 1,
    wait_seconds: float = 1.0,
    patient: bool = True,
) -> Outcome:
    """Take the lease, check the inputs, run the stage, commit.

    Where another process holds the lease: wait for it, or, if not ``patient``, say that the stage is busy. Where the
    lease is lost on the way (this process slept for a minute, and another took over): the same again.
    ``ranks`` processes share the stage, a GPU each on CUDA, where it is a fit of a refiner that can be shared.
    """
    while True:
        try:
            lease = store.lease(stage.key)
            while not lease.acquire():
                if store.has(stage.key):
                    return Outcome("shared")
                if not patient:
                    return Outcome("busy")
                time.sleep(wait_seconds)
        except OSError as error:
            return Outcome("failed", reason=disk_message(error, store.root), fatal=True)
        with lease:
            if store.has(stage.key):
                return Outcome("shared")
            for key in dict.fromkeys(stage.inputs.values()):
                wrong = store.verify(key)
                if wrong:
                    return _damaged(store, key, wrong)
            try:
                return _compute(stage, store, device, progress, ranks, lease)
            except LeaseLost:
                continue


def _damaged(store: Store, key: str, wrong: str) -> Outcome:
    try:
        aside = store.set_aside(key)
    except OSError as error:
        return Outcome("failed", reason=f"{wrong}; {disk_message(error, store.root)}", fatal=True)
    if aside is None:
        time.sleep(1.0)  # another process is at it
    where = f"set aside as {aside}, " if aside else ""
    return Outcome("damaged", reason=f"{wrong}; {where}computing it again", damaged=key)


def _compute(
    stage: Stage, store: Store, device: str, progress: Callable[[Progress], None], ranks: int, lease: Lease
) -> Outcome:
    started, work = time.monotonic(), Path()
    try:
        work = store.claim_work(stage.key, lease.holder)
        before = _prepare(work, stage)
        clock = _Clock(work / "elapsed", before, progress)
        reset_peak_memory(device)
        context = Context(
            seed=int(stage.spec.get("seed", 0)),
            directory=work / "out",
            device=device,
            checkpoint=work / CHECKPOINT if stage.kind in CHECKPOINTED else None,
            precision=stage.spec.get("precision", "fp32"),
            progress=clock,
        )
        with spooling(work), together(stage, store, context, ranks) as of_first:
            facts = run_stage(stage, store, of_first)
        seconds = before + time.monotonic() - started
        meta = {
            **facts,
            "stage": stage.kind,
            "label": stage.label,
            "spec": stage.spec,
            "seconds": round(seconds, 3),
            "peak_mib": peak_memory_mib(device),
            "device": device,
            "ranks": of_first.ranks,
            "source": stage.run.get("source", ""),
            "versions": versions(),
            "hardware": hardware(device),
        }
        size = store.commit(stage.key, work / "out", meta, lease.held)
        shutil.rmtree(work, ignore_errors=True)
        store.remember(
            {
                "label": stage.label,
                "key": stage.key,
                "stage": stage.kind,
                "spec": stage.spec,
                "seconds": meta["seconds"],
                "bytes": size,
                "device": device,
            }
        )
        return Outcome("done", seconds)
    except LeaseLost:
        shutil.rmtree(work, ignore_errors=True)
        raise
    except MemoryError:
        return Outcome("failed", time.monotonic() - started, "out of memory; use a smaller batch or image size")
    except Exception as error:  # A plug-in may raise anything; the cell fails and everything else goes on.
        if not lease.held():  # the folder was taken away under us, which may look like any error
            shutil.rmtree(work, ignore_errors=True)
            raise LeaseLost(stage.key) from error
        return _failed(error, stage, store, work, time.monotonic() - started)


def _failed(error: Exception, stage: Stage, store: Store, work: Path, seconds: float) -> Outcome:
    full = _full(error)
    if full is not None or isinstance(error, DiskError):
        # What was half-written makes room; a checkpoint, and the log that belongs to it, is days of work and stays.
        if not (work / CHECKPOINT).exists():
            shutil.rmtree(work, ignore_errors=True)
        return Outcome("failed", seconds, disk_message(full, store.root) if full else str(error), fatal=True)
    if isinstance(error, DivergedError):
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):
            store.remember_failure(stage.key, str(error))
    reason = str(error) if isinstance(error, BenchError) else _one_line(error)
    return Outcome("failed", seconds, reason, traceback.format_exc())


def _full(error: BaseException) -> OSError | None:
    """The disk's complaint behind an error: itself, what it was raised from, or the same in the words of a library."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (*FULL, errno.EROFS):
            return seen
        seen = seen.__cause__ or seen.__context__
    # safetensors writes from Rust and tells the system's number in its message alone.
    for number in FULL:
        if f"(os error {number})" in str(error) or os.strerror(number) in str(error):
            return OSError(number, os.strerror(number))
    return None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "out of memory" in text.lower():
        return "out of memory on the device; use a smaller batch or image size"
    return f"{type(error).__name__}: {text[:300]}"


def _prepare(work: Path, stage: Stage) -> float:
    """Make the work folder; without a checkpoint it starts empty. Returns seconds spent by earlier attempts."""
    out = work / "out"
    if not (work / CHECKPOINT).exists():
        for left in work.iterdir():  # the folder itself stays: its name is on the disk already
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    out.mkdir(parents=True, exist_ok=True)
    (work / "stage.json").write_text(json.dumps({"label": stage.label, "spec": stage.spec}))
    try:
        return float((work / "elapsed").read_text())
    except (OSError, ValueError):
        return 0.0


def thinned(tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Pass on a report every half second, and the last one."""
    last = 0.0

    def progress(report: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > PROGRESS_SECONDS or report.step == report.total:
            last = now
            tell(report)

    return progress


class _Clock:
    """Passes progress on and notes the time spent, so that an interrupted stage's cost is not forgotten."""

    def __init__(self, path: Path, before: float, progress: Callable[[Progress], None]) -> None:
        self.path, self.before, self.progress = path, before, progress
        self.started = self.noted = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        self.progress(progress)
        now = time.monotonic()
        if now - self.noted > HEARTBEAT_SECONDS:
            write_whole(self.path, f"{self.before + now - self.started:.3f}", durable=False)
            self.noted = now


def versions() -> dict[str, str]:
    """Versions that a result may depend on: our own, Python, numpy, torch (where it is loaded)."""
    import sys

    import numpy

    found = {"refiner-bench": __version__, "python": platform.python_version(), "numpy": numpy.__version__}
    for name in ("torch", "torchvision", "mitsuba", "ultralytics"):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "__version__"):
            found[name] = str(module.__version__)
    return found


def hardware(device: str) -> str:
    """The GPU's name, or the processor's and how many cores this process may use."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name())
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def reset_peak_memory(device: str) -> None:
    """Start counting peak memory afresh, where the system can (Linux), so that a stage's figure is its own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if device.startswith("cuda"):
        import torch

        gc.collect()  # a captured step (`bench.graphs`) of the stage before holds on to the device's memory until then
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory_mib(device: str) -> int:
    """Peak memory of this process (of the device, on CUDA) since `reset_peak_memory`, in MiB."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated() / 2**20)
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024
