"""What a Ray worker does with one stage. Nothing here imports Ray, so that it can be tried without it.

A stage computes in a thread of its own on one CPU thread, as in `bench.engines.local`; the worker's main thread passes
on what it tells. Nothing but messages travels through Ray: artifacts go into the store, which every node must see.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench import __version__, plugins
from bench.contracts import Progress
from bench.durable import write_whole
from bench.engines.execution import Outcome, execute, thinned
from bench.graph import Stage
from bench.store import Store

VISIBLE_SECONDS = 60.0
"""How long a file that another node has written may stay unseen: network file systems keep what they last saw."""


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has begun with a stage."""

    host: str
    pid: int


@dataclass(frozen=True)
class Job:
    """What every stage of one run needs to know, wherever it runs.

    Attributes:
        store: absolute path of the store, the same on every node.
        sign: a file that the driver keeps in the store, relative to it: a node that does not find it has another store.
        files: ``--plugin`` files: path on the driver, and content for a node that has no such file.
        ranks: processes that share a fit (`bench.distributed`), on one node.
        sources: digest of the driver's program (`plugins.source_digest`); a node with another one must not take part.
    """

    store: Path
    sign: str
    files: tuple[tuple[Path, bytes], ...]
    sources: str
    ranks: int = 1

    @classmethod
    def of(cls, store: Store, sign: Path, ranks: int = 1) -> Job:
        """The job of this process: its store, its plug-in files and its sources."""
        files = tuple((path, path.read_bytes()) for path in plugins.extra_files())
        root = store.root.absolute()
        return cls(root, str(sign.absolute().relative_to(root)), files, own_sources(), ranks)


@cache
def own_sources() -> str:
    """Digest of the program on this node, without ``--plugin`` files."""
    return f"{__version__} {plugins.source_digest(extra=False)}"


def perform(job: Job, stage: Stage, device: str) -> Iterator[Started | Progress | Outcome]:
    """Run one stage; yields `Started`, then reports, and an `Outcome` at the end, whatever happens."""
    yield Started(socket.gethostname(), os.getpid())
    wrong = _unfit(job)
    if wrong:
        yield Outcome("failed", reason=wrong, fatal=True)
        return
    messages: queue.SimpleQueue[Progress | Outcome] = queue.SimpleQueue()
    thread = threading.Thread(target=_work, args=(job, stage, device, messages), daemon=True)
    thread.start()
    while True:
        message = messages.get()
        yield message
        if isinstance(message, Outcome):
            return


def _work(job: Job, stage: Stage, device: str, messages: queue.SimpleQueue[Progress | Outcome]) -> None:
    try:
        import torch

        torch.set_num_threads(1)  # the number belongs to the thread that sets it
        for file in _plugin_files(job.files, job.store):
            plugins.add_file(file)
        store = Store(job.store)
        wait_until_visible(store, stage.inputs.values())
        messages.put(execute(stage, store, device=device, ranks=job.ranks, progress=thinned(messages.put)))
    except BaseException as error:  # the other thread waits for an outcome, whatever came
        messages.put(Outcome("failed", reason=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))


def _unfit(job: Job) -> str:
    """Why this node cannot take part in a run, or ""."""
    host = socket.gethostname()
    if not _appears(job.store / job.sign):
        return f"node {host} does not see the store {job.store}; put it on a file system that all nodes share (--store)"
    if own_sources() != job.sources:
        return f"node {host} has another refiner-bench ({own_sources()[:16]}); install the driver's on every node"
    return ""


def _appears(path: Path, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        _look_again([path.parent])
        time.sleep(0.2)
    return True


def wait_until_visible(store: Store, keys: Iterable[str], seconds: float = VISIBLE_SECONDS) -> list[str]:
    """Wait for artifacts that other nodes have committed; returns the keys that did not appear in time."""
    missing = [key for key in keys if not store.has(key)]
    deadline = time.monotonic() + seconds
    while missing and time.monotonic() < deadline:
        for key in missing:
            _look_again([store.root / "objects", store.path(key).parent, store.path(key)])
        missing = [key for key in missing if not store.has(key)]
        if missing:
            time.sleep(0.2)
    return missing


def _look_again(folders: Sequence[Path]) -> None:
    """List folders: that makes a network file system ask its server what is in them."""
    for folder in folders:
        with contextlib.suppress(OSError):
            os.listdir(folder)  # noqa: PTH208


@cache
def _plugin_files(files: tuple[tuple[Path, bytes], ...], store: Path) -> list[Path]:
    """The run's plug-in files on this node: those at the same path with the same bytes, and copies of the others.

    Copies lie in the store, which every node sees, by their content: a folder of this process would stay when it is
    killed, as Ray ends its workers.
    """
    found = []
    for path, content in files:
        try:
            here = path if path.read_bytes() == content else None
        except OSError:
            here = None
        if here is None:
            here = store / "plugins" / hashlib.sha256(content).hexdigest()[:16] / path.name
            write_whole(here, content)
        found.append(here)
    return found
