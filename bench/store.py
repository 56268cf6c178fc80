"""Artifacts by key: written aside, hashed, synced and renamed, so one is either whole or not there.

::

    objects/<kk>/<key>/          the files of an artifact + artifact.json (spec, sha256 of each file, cost)
    work/<key>/out, checkpoint   a stage in progress; a killed stage goes on from here
    damaged/<key>-<n>/           artifacts whose bytes no longer match their sha256, set aside
    leases/<key>                 who computes what
    failures/<key>.json          trainings that diverged, and would again
    descriptions/  history.jsonl what planning remembers
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.lease import Lease
from bench.reading import leads_out, read_json

ARTIFACT = "artifact.json"


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """A folder of artifacts that several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root, self._objects = root, str(root / "objects")
        self._verified: set[str] = set()

    def path(self, key: str) -> Path:
        """Where the artifact of ``key`` lies, or would lie."""
        return self.root / "objects" / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether the artifact was committed."""
        # As text: a large plan asks a hundred thousand times, and paths are slow to join.
        return os.path.exists(f"{self._objects}/{key[:2]}/{key}/{ARTIFACT}")  # noqa: PTH110

    def meta(self, key: str) -> dict[str, Any]:
        """``artifact.json``: spec, files, seconds, peak_mib, device, versions."""
        path = self.path(key) / ARTIFACT
        try:
            data = read_json(path)
            if not isinstance(data, dict) or not isinstance(data.get("files", {}), dict):
                raise ValueError("no table of an artifact")
            return data
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: unreadable ({error}); run again and it is computed anew") from None

    def work(self, key: str) -> Path:
        """The folder of a stage in progress."""
        return self.root / "work" / key

    def lease(self, key: str) -> Lease:
        """A lease on a key, not yet acquired."""
        return Lease(self.root / "leases" / key)

    def verify(self, key: str) -> str | None:
        """Check every file of an artifact once per process; return what is wrong, or None."""
        if key in self._verified:
            return None
        try:
            meta = self.meta(key)
        except StoreError as error:
            return str(error)
        for name, digest in meta.get("files", {}).items():
            file = self.path(key) / name
            if not file.is_file() or leads_out(file, [self.path(key)]):
                return f"{file}: missing"
            if file_sha256(file) != digest:
                return f"{file}: bytes do not match their sha256"
        self._verified.add(key)
        return None

    def set_aside(self, key: str) -> Path:
        """Move a damaged artifact out of the way; the next run computes it again."""
        target = self.root / "damaged" / key
        number = 0
        while target.exists():
            number += 1
            target = self.root / "damaged" / f"{key}-{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path(key).rename(target)
        return target

    def commit(self, key: str, source: Path, meta: dict[str, Any]) -> None:
        """Make the folder ``source`` the artifact of ``key``, atomically. If somebody was faster, theirs stays."""
        files = sorted(path for path in source.rglob("*") if path.is_file() and path.name != ARTIFACT)
        meta = {**meta, "key": key, "files": {str(path.relative_to(source)): file_sha256(path) for path in files}}
        meta["bytes"] = sum(path.stat().st_size for path in files)
        try:
            with (source / ARTIFACT).open("w") as file:
                json.dump(meta, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            for path in files:
                _sync(path)
            target = self.path(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            _sync(target.parent)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                shutil.rmtree(source, ignore_errors=True)
                return
            raise StoreError(disk_message(error, self.root)) from None

    def remember_failure(self, key: str, reason: str) -> None:
        """Note that a stage fails for a reason that lies in its key, so that later runs need not find out again."""
        path = self.root / "failures" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"reason": reason}))
        temporary.replace(path)

    def failure(self, key: str) -> str:
        """The reason noted for a key, or ""."""
        try:
            return str(json.loads((self.root / "failures" / f"{key}.json").read_text())["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def forget_failure(self, key: str) -> None:
        """Let the next run try a key again."""
        (self.root / "failures" / f"{key}.json").unlink(missing_ok=True)

    def keys(self) -> Iterator[str]:
        """Keys of all committed artifacts."""
        for folder in sorted((self.root / "objects").glob("*/*")):
            if (folder / ARTIFACT).exists():
                yield folder.name

    def remember(self, entry: dict[str, Any]) -> None:
        """Append to ``history.jsonl``: costs of finished stages, for estimates and for saying what changed."""
        with (self.root / "history.jsonl").open("a") as file:
            file.write(json.dumps(entry, sort_keys=True) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """All lines of ``history.jsonl`` that can be read; half-written ones are passed over."""
        entries = []
        try:
            lines = (self.root / "history.jsonl").read_text().splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
        return entries


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_message(error: OSError, root: Path) -> str:
    """One line for a write that failed: a full disk, a read-only store, or anything else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{root}: the disk is full; free some space (`bench gc` helps) and run again, finished work is kept"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{root}: the store cannot be written; name another with --store DIR"
    return f"{root}: {error.strerror or error} ({error.filename})"
