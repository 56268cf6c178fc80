"""What runs in progress may still need, so that ``bench gc`` leaves it alone, and what of their results is damaged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from bench.durable import write_whole
from bench.errors import BenchError, DiskError, StoreError
from bench.graph import Plan
from bench.keys import is_key
from bench.lease import Lease
from bench.reading import read_json
from bench.store import Store, disk_message

FORGOTTEN_SECONDS = 86_400.0
"""A run of another machine that nobody heard of for a day, by the store's clock, is over."""


@contextlib.contextmanager
def in_use(store: Store, keys: Collection[str]) -> Iterator[None]:
    """Say, for as long as the block runs and its process lives, that these artifacts are in use."""
    lease = Lease(store.root / "leases" / "run")
    lease.path = store.root / "leases" / f"run-{lease.holder}"
    note = store.root / "running" / f"{lease.holder}.json"
    try:
        lease.acquire()
        write_whole(note, json.dumps(sorted(keys)), durable=False)
    except OSError as error:
        lease.release()
        raise DiskError(disk_message(error, store.root)) from None
    with lease:
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)


def keep_keys(out: Path, keys: Collection[str]) -> None:
    """Name a run's artifacts in its folder before they are made: ``gc`` keeps those of a run that was killed."""
    path = out / "keys.json"
    named: set[str] = set()
    with contextlib.suppress(OSError, ValueError, TypeError):
        named = {key for key in read_json(path) if isinstance(key, str)}
    write_whole(path, json.dumps(sorted(named | set(keys))))


def used(store: Store) -> set[str]:
    """Keys that runs in progress may need; notes of runs that are over are passed over."""
    found: set[str] = set()
    for note in (store.root / "running").glob("*.json"):
        if _goes_on(store, note):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found |= {key for key in read_json(note) if isinstance(key, str) and is_key(key)}
    return found


def over(store: Store) -> Iterator[Path]:
    """Notes of runs that were killed, and their leases."""
    for note in (store.root / "running").glob("*"):
        if not _goes_on(store, note):
            yield note
            lease = store.root / "leases" / f"run-{note.stem}"
            if lease.exists():
                yield lease


def _goes_on(store: Store, note: Path) -> bool:
    lease = store.lease(f"run-{note.stem}")
    if not lease.taken():
        return False
    with contextlib.suppress(OSError):
        return not lease.older(lease.path.stat().st_mtime_ns, FORGOTTEN_SECONDS)
    return False


def damaged_results(plan: Plan, store: Store) -> dict[str, str]:
    """What is damaged of a plan's artifacts that nothing else checks: key -> what is wrong, in one line.

    Results are read by nothing but the report, so their bytes are compared here; of all others, only whether their
    ``artifact.json`` is whole (stages that use their bytes compare them).
    """
    results = {cell.score_key for cell in plan.cells} | {key for one in plan.quality for key in one.keys}
    found = {}
    for key in plan.stages:
        if not store.has(key):
            continue
        wrong = store.verify(key) if key in results else _table(store, key)
        if wrong:
            found[key] = wrong
    return found


def _table(store: Store, key: str) -> str | None:
    try:
        store.meta(key)
    except StoreError as error:
        return str(error)
    return None


def put_aside(store: Store, damaged: Iterable[str]) -> list[str]:
    """Set damaged artifacts aside, or distrust them where the store cannot be written; say where each went."""
    told = []
    for key in damaged:
        aside: Path | None = None
        with contextlib.suppress(OSError, BenchError):
            aside = store.set_aside(key)
        if aside is None and store.has(key):
            store.distrust(key)
        told.append(f"set aside as {aside}" if aside else "not counted")
    return told
