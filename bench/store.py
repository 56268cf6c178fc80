"""Artifacts by key: written aside, hashed, synced and renamed, so one is either whole or not there.

::

    objects/<kk>/<key>/          the files of an artifact + artifact.json (spec, sha256 of each file, cost)
    work/<key>.<holder>/         a stage in progress: out, checkpoint.pt; a killed stage goes on from here
    damaged/<key>-<n>/           artifacts whose bytes no longer match their sha256, set aside
    leases/<key>                 who computes what
    running/<run>.json           what a run in progress may still need (`bench.running`)
    failures/<key>.json          trainings that diverged, and would again
    plugins/<sha256>/            ``--plugin`` files that nodes of a cluster do not have (`bench.engines.ray_stage`)
    descriptions/  history.jsonl what planning remembers
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.durable import make_folder, sync, sync_tree, write_whole
from bench.errors import DiskError, StoreError
from bench.lease import Lease
from bench.reading import leads_out, read_json

ARTIFACT = "artifact.json"
CHECKPOINT = "checkpoint.pt"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space, no quota, or no file may grow so far: with any of them the next stage fails as well."""


class LeaseLost(Exception):
    """Another process took a key over while this one was computing it; nothing was committed."""


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, as hex."""
    with open(path, "rb") as file:  # noqa: PTH123  an artifact has thousands of files, which are quickly opened
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """A folder of artifacts that several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root, self._objects = root, str(root / "objects")
        self._verified: set[str] = set()
        self._distrusted: set[str] = set()

    def path(self, key: str) -> Path:
        """Where the artifact of ``key`` lies, or would lie."""
        return self.root / "objects" / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether the artifact was committed (and is not one of those that `distrust` named)."""
        # As text: a large plan asks a hundred thousand times, and paths are slow to join.
        return key not in self._distrusted and os.path.exists(f"{self._objects}/{key[:2]}/{key}/{ARTIFACT}")  # noqa: PTH110

    def meta(self, key: str) -> dict[str, Any]:
        """``artifact.json``: spec, files, seconds, peak_mib, device, versions.

        Raises:
            StoreError: unreadable, changed since it was written, or of another key.
        """
        path = self.path(key) / ARTIFACT
        try:
            data = read_json(path)
            if not isinstance(data, dict) or not isinstance(data.get("files", {}), dict):
                raise ValueError("no table of an artifact")
            if data.get("digest", "") not in ("", _digest(data)):
                raise ValueError("bytes do not match their sha256")
            if data.get("key", key) != key:
                raise ValueError(f"it is the artifact {str(data['key'])[:12]}..., swapped with this one")
            return data
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: unreadable ({error}); run again and it is computed anew") from None

    def work(self, key: str) -> Path:
        """The folder of a stage in progress that nobody else can take (tests, tools of one process)."""
        return self.root / "work" / key

    def claim_work(self, key: str, holder: str) -> Path:
        """The folder of a stage in progress, for the one who holds its lease; what a dead holder left there is kept.

        It is taken by a rename, so a holder that was only asleep finds its folder gone and can commit nothing.
        """
        mine = self.root / "work" / f"{key}.{holder}"
        left = sorted([self.work(key), *mine.parent.glob(f"{key}.*")], key=_checkpointed, reverse=True)
        make_folder(mine.parent)
        for path in left:
            try:
                path.rename(mine)
            except OSError:  # the first one is there already: this one has no checkpoint, or an older one
                shutil.rmtree(path, ignore_errors=True)
        mine.mkdir(exist_ok=True)
        sync(mine.parent)
        return mine

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
        folder = self.path(key)
        own: dict[str, bool] = {}
        for name, digest in meta.get("files", {}).items():
            file = folder / name
            if not _lies_within(file, folder, own):
                return f"{file}: missing"
            try:
                found = file_sha256(file)
            except OSError as error:  # a bad sector
                return f"{file}: unreadable ({error.strerror or error})"
            if found != digest:
                return f"{file}: bytes do not match their sha256"
        self._verified.add(key)
        return None

    def distrust(self, key: str) -> None:
        """Treat a damaged artifact as missing where it cannot be set aside: in a report, or a read-only store."""
        self._distrusted.add(key)

    def set_aside(self, key: str) -> Path | None:
        """Move a damaged artifact out of the way; whoever needs it computes it again.

        None where there is nothing to move: another process is at it, or has replaced it already.
        """
        lease = self.lease(key)
        if not lease.acquire():
            return None
        with lease:
            if not self.path(key).exists() or Store(self.root).verify(key) is None:
                return None
            return self._move_aside(key)

    def _move_aside(self, key: str) -> Path:
        target = self.root / "damaged" / key
        number = 0
        while target.exists():
            number += 1
            target = self.root / "damaged" / f"{key}-{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path(key).rename(target)
        return target

    def commit(
        self, key: str, source: Path, meta: dict[str, Any], held: Callable[[], bool] = lambda: True
    ) -> int:
        """Make the folder ``source`` the artifact of ``key``, atomically. If somebody was faster, theirs stays.

        Everything is on the disk before the rename, so a power cut leaves the whole artifact or none.

        Returns:
            How many bytes its files have.

        Raises:
            LeaseLost: ``held`` says, after everything else is done, that the key is another process's by now.
            DiskError: the disk is full, or the store cannot be written.
        """
        files = {name: source / name for name in _files_below(source)}
        meta = {**meta, "key": key, "files": {name: file_sha256(path) for name, path in files.items()}}
        meta["bytes"] = size = sum(path.stat().st_size for path in files.values())
        meta["digest"] = _digest(meta)
        target = self.path(key)
        try:
            (source / ARTIFACT).write_text(json.dumps(meta, indent=1, sort_keys=True))
            sync_tree(source)
            make_folder(target.parent)
            if not held():
                raise LeaseLost(key)
            if target.exists() and not (target / ARTIFACT).exists():
                self._move_aside(key)  # what is left of an artifact that was being removed
            source.rename(target)
            sync(target.parent)
            self._verified.add(key)  # each file was read a moment ago, for its sha256
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                shutil.rmtree(source, ignore_errors=True)
                return size
            raise DiskError(disk_message(error, self.root)) from None
        return size

    def remember_failure(self, key: str, reason: str) -> None:
        """Note that a stage fails for a reason that lies in its key, so that later runs need not find out again."""
        write_whole(self.root / "failures" / f"{key}.json", json.dumps({"reason": reason}))

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
        # One write a line, so that lines of several processes do not mix; a line that a power cut tore is ended first.
        line = json.dumps(entry, sort_keys=True).encode() + b"\n"
        with (self.root / "history.jsonl").open("ab+", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                line = b"\n" + line
            file.write(line)

    def history(self) -> list[dict[str, Any]]:
        """All lines of ``history.jsonl`` that can be read; half-written ones are passed over."""
        entries = []
        try:
            lines = (self.root / "history.jsonl").read_text(errors="replace").splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                entries.append(entry)
        return entries


def _checkpointed(work: Path) -> float:
    """When a stage in progress saved its last checkpoint; 0 where it has none."""
    try:
        return (work / CHECKPOINT).stat().st_mtime
    except OSError:
        return 0.0


def _files_below(folder: Path) -> list[str]:
    """Names of all files below a folder but artifact tables, relative to it, in order; links to files count."""
    found, pending = [], [""]
    while pending:
        below = pending.pop()
        with os.scandir(folder / below) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{below}{entry.name}/")
                elif entry.name != ARTIFACT and entry.is_file():
                    found.append(below + entry.name)
    return sorted(found, key=lambda name: name.split("/"))


def _lies_within(file: Path, folder: Path, own: dict[str, bool]) -> bool:
    """Whether a file is there and no link on the way to it leads out of the artifact's folder.

    ``own`` remembers the folders on the way: paths are slow to resolve, and thousands of files share one.
    """
    try:
        mode = os.lstat(file).st_mode
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(mode):
        return file.is_file() and not leads_out(file, [folder])
    parent = os.path.dirname(file)  # noqa: PTH120
    if parent not in own:
        own[parent] = not leads_out(Path(parent), [folder])
    return own[parent]


def _digest(meta: dict[str, Any]) -> str:
    """sha256 of an artifact's table itself, without this digest."""
    text = json.dumps({name: value for name, value in meta.items() if name != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def disk_message(error: OSError, root: Path) -> str:
    """One line for a write that failed: a full disk, a read-only store, or anything else."""
    if error.errno == errno.EFBIG:
        return f"{root}: a file may not grow so far here (`ulimit -f`); raise the limit and run again"
    if error.errno in FULL:
        return f"{root}: the disk is full; free some space (`bench gc` helps) and run again, finished work is kept"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{root}: the store cannot be written; name another with --store DIR"
    return f"{root}: {error.strerror or error} ({error.filename})"
