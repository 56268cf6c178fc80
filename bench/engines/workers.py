"""Worker processes of the local engine: each takes one stage after another and answers how it ended.

A worker starts by importing torch, a second or more, and learns which run it belongs to afterwards. So one can start
while the run is still being planned, which takes as long where plug-ins are not known yet.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a new process imports this file before it can leave SIGINT to its parent
    from bench.graph import Stage


@dataclass(frozen=True)
class Setup:
    """What a worker must know of its run: the store, the device, added plug-in files, processes that share a fit."""

    root: Path
    device: str
    files: list[Path]
    ranks: int


@dataclass
class Worker:
    """A process, our end of the pipe to it, and the stage that it is at."""

    process: Any
    pipe: Connection
    stage: Stage | None = None

    def send(self, message: Setup | Stage | None) -> None:
        """Send the setup first, then stages, then None; to a worker that has died, nothing (its sentinel tells)."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)


def start_worker() -> Worker:
    """Start a process, which imports torch and then waits for its `Setup`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # Not a daemon: a stage may have processes of its own (rendering).
    process = context.Process(target=_serve, args=(theirs,))
    # A worker computes on one thread; set before it starts, so that every library in it sees it.
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        process.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    theirs.close()
    return Worker(process, ours)


@contextlib.contextmanager
def early_worker(wanted: bool = True) -> Iterator[list[Worker]]:
    """A worker that starts now, in a list for an engine to take it from; ended where none does."""
    workers = [start_worker()] if wanted else []
    try:
        yield workers
    finally:
        for worker in workers:
            worker.process.terminate()
        end_workers(workers)


def end_workers(workers: list[Worker]) -> None:
    """Let idle workers end, break off the others, and wait for all of them."""
    for worker in workers:
        if worker.stage is None:
            worker.send(None)
        else:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(timeout=5)
        if worker.process.is_alive():
            worker.process.kill()


def death(code: int | None) -> str:
    """Why a worker is gone, in one line."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (the system may have run out of memory)" if -code == signal.SIGKILL else ""
        return f"the worker was killed by {name}{hint}; run again to go on from its checkpoint"
    return f"the worker ended with exit code {code}; run again to go on from its checkpoint"


def _serve(pipe: Connection) -> None:
    """A worker's life; SIGINT is the parent's business, and a parent that is gone ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from bench import plugins
    from bench.engines.execution import execute, thinned
    from bench.store import Store

    torch.set_num_threads(1)
    setup = _received(pipe)
    if setup is None:
        return
    for file in setup.files:
        plugins.add_file(file)
    store = Store(setup.root)
    told = partial(_tell, pipe)
    while (stage := _received(pipe)) is not None:
        outcome = execute(
            stage, store, device=setup.device, ranks=setup.ranks, progress=thinned(told), patient=False
        )
        told(outcome)


def _received(pipe: Connection) -> Any:
    """The next message; None where there is none to come."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None


def _tell(pipe: Connection, message: Any) -> None:
    """Send a message to the run; a worker whose run is gone has nobody to tell and ends without a word."""
    try:
        pipe.send(message)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)
