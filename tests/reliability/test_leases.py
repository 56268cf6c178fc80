"""Leases: silent and sleeping holders, other machines, clocks that are wrong, and files that are no leases."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import lease as lease_module
from bench.contracts import Progress
from bench.engines.execution import Outcome, execute
from bench.engines.sharing import Elsewhere
from bench.graph import Plan
from bench.lease import Lease
from bench.store import Store

HOUR = 3600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute becomes a second."""
    monkeypatch.setattr(lease_module, "STALE_SECONDS", 1.0)
    monkeypatch.setattr(lease_module, "WATCH_SECONDS", 0.4)
    monkeypatch.setattr(lease_module, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(lease_module, "POLL_SECONDS", 0.02)


def of_elsewhere(path: Path, nonce: str = "x") -> None:
    path.write_text(json.dumps({"host": "elsewhere", "machine": "another boot", "pid": 1, "nonce": nonce}))


def seconds_until_acquired(path: Path, most: float = 10.0) -> float:
    lease, started = Lease(path), time.monotonic()
    while not lease.acquire():
        assert time.monotonic() - started < most, "never taken over"
        time.sleep(0.01)
    lease.release()
    return time.monotonic() - started


@contextmanager
def touched_by(path: Path, offset: float) -> Iterator[None]:
    """A living holder whose clock is ``offset`` seconds off, on a file system that believes it."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.05):
            now = time.time() + offset
            os.utime(path, (now, now))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("offset", [-HOUR, 0.0, HOUR], ids=["behind", "right", "ahead"])
def test_a_living_holder_keeps_its_lease_whatever_its_clock_says_and_a_dead_one_loses_it(
    tmp_path: Path, offset: float
) -> None:
    path = tmp_path / "k"
    of_elsewhere(path)
    mine = Lease(path)
    with touched_by(path, offset):
        until = time.monotonic() + 2.0  # twice as long as a silent one would have
        while time.monotonic() < until:
            assert not mine.acquire()
            time.sleep(0.01)
    assert 0.3 < seconds_until_acquired(path) < 5


@pytest.mark.parametrize("offset", [-HOUR, HOUR], ids=["old", "from the future"])
def test_what_a_dead_holder_left_is_taken_over_whatever_time_its_file_has(tmp_path: Path, offset: float) -> None:
    path = tmp_path / "k"
    of_elsewhere(path)
    os.utime(path, (time.time() + offset, time.time() + offset))
    assert seconds_until_acquired(path) > 0.3, "not before it was watched: its holder's clock may be wrong"


def test_the_same_process_number_on_another_machine_says_nothing(tmp_path: Path) -> None:
    """A host name that two machines share, and a number that no process has here."""
    path = tmp_path / "k"
    body = json.loads(Lease(path).body) | {"machine": "another boot", "pid": 2**22 + 1}
    path.write_text(json.dumps(body))
    assert not Lease(path).acquire()
    path.write_text(json.dumps(body | {"machine": lease_module.machine()}))
    mine = Lease(path)
    assert mine.acquire()
    mine.release()


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"null", b"7", b"\0" * 200, b"\xff\xfe", b'{"pid": "x"}'])
def test_a_torn_lease_is_taken_over_like_any_silent_one(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "k").write_bytes(text)
    assert seconds_until_acquired(tmp_path / "k") > 0.3


def test_a_zombie_holds_nothing(tmp_path: Path) -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    deadline = time.monotonic() + 20
    while "Z" not in Path(f"/proc/{child}/stat").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    path = tmp_path / "k"
    path.write_text(json.dumps({"machine": lease_module.machine(), "pid": child}))
    mine = Lease(path)
    assert mine.acquire()
    mine.release()
    os.waitpid(child, 0)


def test_of_many_that_find_a_dead_lease_one_gets_it(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number)
        path.write_text(json.dumps({"machine": lease_module.machine(), "pid": 2**22 + 1}))
        leases, won = [Lease(path) for _ in range(8)], []
        barrier = threading.Barrier(8)

        def go(lease: Lease, barrier: threading.Barrier = barrier, won: list[Lease] = won) -> None:
            barrier.wait()
            if lease.acquire():
                won.append(lease)

        threads = [threading.Thread(target=go, args=(lease,)) for lease in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([lease for lease in won if lease.held()]) == len(won) == 1
        won[0].release()


def test_one_try_waits_for_a_lease_that_looks_dead_and_not_for_a_living_one(tmp_path: Path) -> None:
    path = tmp_path / "k"
    of_elsewhere(path)
    started = time.monotonic()
    assert not Lease(path).acquire_or_see(), "touched a moment ago"
    assert time.monotonic() - started < 0.3
    os.utime(path, (1e9, 1e9))
    mine = Lease(path)
    assert mine.acquire_or_see()
    mine.release()


def test_a_run_leaves_a_living_holder_its_stage_and_takes_that_of_a_dead_one(store: Store) -> None:
    """What the engine watched until it was dead must be free for the worker, which would watch from the beginning."""
    lease = store.lease("k")
    lease.path.parent.mkdir()
    of_elsewhere(lease.path)
    elsewhere = Elsewhere(store)
    with touched_by(lease.path, -HOUR):
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            assert elsewhere.holds("k")
            time.sleep(0.01)
    started = time.monotonic()
    while elsewhere.holds("k"):
        assert time.monotonic() - started < 20
        time.sleep(0.01)
    assert store.lease("k").acquire()


def test_a_holder_that_slept_commits_nothing_over_the_one_that_took_over(
    toy_plan: Callable[..., Plan], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops in the middle of its files, another process makes the artifact, and then it goes on."""
    plan = toy_plan("replicates=1", "counts.synthetic_train=40")
    for stage in plan.stages.values():
        if stage.kind in ("render", "fit"):
            assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    stage = next(stage for stage in plan.stages.values() if stage.label == "refine with toy-brighten #0")
    asleep, wake, outcomes = threading.Event(), threading.Event(), list[Outcome]()

    def sleep(progress: Progress) -> None:
        if not asleep.is_set():
            asleep.set()
            assert wake.wait(60)

    with monkeypatch.context() as patch:
        patch.setattr(lease_module, "machine", lambda: "another boot")
        patch.setattr(Lease, "_beat", lambda self: None)
        sleeper = threading.Thread(
            target=lambda: outcomes.append(execute(stage, store, device="cpu", progress=sleep))
        )  # fmt: skip
        sleeper.start()
        assert asleep.wait(60)
    until = time.monotonic() + 60
    while not (there := list((store.root / "work").glob("*/out/images/*"))):  # written in the background
        assert time.monotonic() < until
        time.sleep(0.01)
    assert len(there) < 40
    assert execute(stage, store, device="cpu", progress=lambda _: None, wait_seconds=0.02).status == "done"
    files = store.meta(stage.key)["files"]
    wake.set()
    sleeper.join(60)
    assert [outcome.status for outcome in outcomes] == ["shared"]
    assert Store(store.root).verify(stage.key) is None
    assert store.meta(stage.key)["files"] == files
    assert len([name for name in files if name.startswith("images/")]) == 40
    assert not list((store.root / "work").glob("*"))
