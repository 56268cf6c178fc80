"""Leases: one holder computes a key, everybody else waits; a dead holder's lease is taken over.

A lease is a file made with O_EXCL that its holder touches every few seconds. It is dead when its holder is a process of
this machine that is gone, or when nobody touched it while this process watched for long enough by its own steady clock.
Times of different clocks are compared only to choose how long that is, so a clock that is wrong or jumps takes nothing
from anybody. Whoever finds a lease dead renames it away; work of the one who lost it is refused at its commit
(`Lease.held`), and the folder that it worked in is taken away from it (`bench.store.Store.claim_work`).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

STALE_SECONDS = 60.0
"""A lease that nobody touched for so long while it was watched is dead, whatever its file's time says."""
WATCH_SECONDS = 15.0
"""The same for a lease that was old by the store's clock when it was first seen: three heartbeats left out."""
HEARTBEAT_SECONDS = 5.0
POLL_SECONDS = 0.5


class Lease:
    """A lease on ``path``; use `acquire` and `release`, or as a context manager once acquired."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holder = uuid.uuid4().hex
        self.body = json.dumps(
            {"host": socket.gethostname(), "machine": machine(), "pid": os.getpid(), "nonce": self.holder}
        )
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: tuple[tuple[str, int], float, bool] | None = None

    def acquire(self) -> bool:
        """Try once; True when the lease is ours. Watching a silent holder goes on from call to call."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._create():
            dead = self._dead()
            if dead is not None:
                self._set_aside(dead)
            elif self._watched is not None:
                return False
            if not self._create():  # somebody was faster
                return False
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return True

    def acquire_or_see(self) -> bool:
        """As `acquire`, but a lease that looks dead is watched until it is taken over or its holder shows itself."""
        while not self.acquire():
            if self._watched is None or not self._watched[2]:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def taken(self) -> bool:
        """Whether somebody holds it who is not known to be dead; like `acquire`, this watches from call to call."""
        return self.path.exists() and self._dead() is None

    def clear(self) -> bool:
        """Take a dead lease away; whether nobody holds it now. Like `acquire`, this watches from call to call."""
        if self.path.exists() and (dead := self._dead()) is not None:
            self._set_aside(dead)
        return not self.path.exists()

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.body)
        except OSError:  # a full disk; an empty lease would keep everybody waiting
            self.path.unlink(missing_ok=True)
            raise
        return True

    def _dead(self) -> str | None:
        """The text of the lease when its holder is dead; None while it may be alive, and where no lease is left."""
        try:
            text = self.path.read_text(errors="replace")
            touched = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            self._watched = None
            return None
        holder = _holder(text)
        if holder.get("machine") == machine() and not _alive(holder.get("pid")):
            return text
        seen, now = (text, touched), time.monotonic()
        if self._watched is None or self._watched[0] != seen:
            # The lease is new to us, or was touched since; either way its holder gets the whole time.
            first = self._watched is None or self._watched[0][0] != text
            self._watched = (seen, now, first and self.older(touched, STALE_SECONDS))
            return None
        _, since, old = self._watched
        return text if now - since > (WATCH_SECONDS if old else STALE_SECONDS) else None

    def older(self, touched: int, seconds: float) -> bool:
        """Whether a time (ns) lies more than ``seconds`` back by the store's own clock (a file made there now)."""
        probe = self.path.with_name(f".clock-{os.getpid()}-{uuid.uuid4().hex}")
        try:
            probe.touch()
            return probe.stat().st_mtime_ns - touched > seconds * 1e9
        except OSError:  # a full disk or a store that cannot be written; the longer time is right as well
            return False
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)

    def _set_aside(self, dead: str) -> None:
        """Rename a dead lease away; one that is another by now, because somebody was faster, is put back."""
        with self._alone():
            self._rename(dead)

    def _rename(self, dead: str) -> None:
        aside = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            if self.path.read_text(errors="replace") != dead:
                return
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if aside.read_text(errors="replace") != dead:
            # A link fails where somebody made a lease in between: then the one that we moved is lost, and its holder
            # finds out at its commit.
            with contextlib.suppress(OSError):
                os.link(aside, self.path)
        aside.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time: of many that find one dead lease, none takes away the one that a faster one has just made.

        The system frees the lock with its process. Where a disk has no locks, `_rename` alone has to do.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError, ImportError):
                import fcntl  # not on every system

                file = stack.enter_context(self.path.with_name(".takeover").open("a"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            # An error may pass (a network that comes back); a lease that somebody took over is not ours to touch.
            with contextlib.suppress(OSError):
                if self.path.read_text(errors="replace") != self.body:
                    return
                os.utime(self.path)

    def held(self) -> bool:
        """Whether the file still carries our name (nobody took it over)."""
        try:
            return self.path.read_text(errors="replace") == self.body
        except OSError:
            return False

    def release(self) -> None:
        """Stop the heartbeat and remove the file if it is still ours."""
        self._stop.set()
        if self.held():
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@cache
def machine() -> str:
    """Names what a process number means something on: this boot of this machine, and the namespace of its processes.

    A host name does not: containers and cloned machines share theirs.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _holder(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _alive(pid: Any) -> bool:
    """Whether a process of this machine is there and no zombie."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
