"""Leases: one holder computes a key, everybody else waits; a dead holder's lease is taken over.

A lease is a file made with O_EXCL. Its holder touches it every few seconds; whoever finds it untouched for longer
than ``STALE_SECONDS`` by the store's own clock (a file touched there now), or held by a process of this host that is
gone, takes it over by renaming it away. Clocks of different machines are never compared.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from pathlib import Path

STALE_SECONDS = 60.0
HEARTBEAT_SECONDS = 5.0


class Lease:
    """A lease on ``path``; use `acquire` and `release`, or as a context manager once acquired."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.body = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "nonce": uuid.uuid4().hex})
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Try once; True when the lease is ours."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._create():
            if not self._stale():
                return False
            self._set_aside()
            if not self._create():
                return False
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return True

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(self.body)
        return True

    def _stale(self) -> bool:
        try:
            body = json.loads(self.path.read_text() or "{}")
            touched = self.path.stat().st_mtime
        except FileNotFoundError:
            return True
        except ValueError:
            body, touched = {}, self.path.stat().st_mtime
        if body.get("host") == socket.gethostname() and not _alive(int(body.get("pid", 0))):
            return True
        probe = self.path.with_name(f".clock-{os.getpid()}-{uuid.uuid4().hex}")
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        return now - touched > STALE_SECONDS

    def _set_aside(self) -> None:
        """Rename the stale lease away; put it back if somebody renewed it in between."""
        aside = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        try:
            before = self.path.read_text()
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if aside.read_text() != before:
            aside.rename(self.path)
            return
        aside.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                os.utime(self.path)
            except OSError:
                return

    def held(self) -> bool:
        """Whether the file still carries our name (nobody took it over)."""
        try:
            return self.path.read_text() == self.body
        except OSError:
            return False

    def release(self) -> None:
        """Stop the heartbeat and remove the file if it is still ours."""
        self._stop.set()
        if self.held():
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
