"""A whole public set: what is here already, what has to come, what is unpacked, and a record of it all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.downloads.catalogue import Download, PublicSet, size_text
from bench.downloads.download import Digests, Expected, Policy, download
from bench.downloads.unpack import unpack
from bench.errors import DataError, UsageError
from bench.lease import Lease

RECORDS = ".fetched"
"""Folder below a set's root with a JSON file for each file that came."""
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Record:
    """What is known of a file that came: its digest and size, and size by path of what it became here.

    ``files`` is empty between its arrival and the end of its unpacking.
    """

    sha256: str
    bytes: int
    files: dict[str, int] = field(default_factory=dict)


def record_path(root: Path, file: Download) -> Path:
    """Where the record of a file lies."""
    return root / RECORDS / f"{file.kept.replace('/', '__')}.json"


def read_record(root: Path, file: Download) -> Record | None:
    """The record of a file, or None; a broken one counts as none."""
    try:
        data: Any = json.loads(record_path(root, file).read_text(encoding="utf-8"))
        files = {str(path): int(size) for path, size in data["files"].items()}
        return Record(str(data["sha256"]), int(data["bytes"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(root: Path, file: Download, record: Record) -> None:
    """Write it, whole or not at all."""
    path = record_path(root, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.new")
    text = json.dumps({"sha256": record.sha256, "bytes": record.bytes, "files": record.files}, indent=0)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def is_here(root: Path, file: Download) -> bool:
    """Whether a file came and what it became is here still, by names and sizes."""
    record = read_record(root, file)
    if record is None or not record.files or (file.sha256 and file.sha256 != record.sha256):
        return False
    return all(_size(root / path) == size for path, size in record.files.items())


def missing(root: Path, files: Sequence[Download]) -> list[Download]:
    """Those that are neither here nor lie in the folder as they would arrive."""
    return [file for file in files if not is_here(root, file) and not (root / file.kept).is_file()]


def fetch(
    chosen: PublicSet,
    files: Sequence[Download],
    root: Path,
    *,
    policy: Policy,
    tell: Callable[[str], None],
    keep: bool = False,
) -> int:
    """Bring ``files`` of a set to ``root``, check and unpack them; return how many were not here before.

    A file that somebody put into ``root`` is checked and unpacked like one that was fetched, and left there.

    Args:
        chosen: the set.
        files: those of its files that are wanted.
        root: the set's folder; made if need be.
        policy: time-outs and tries.
        tell: takes one line a fault, remark or progress.
        keep: leave fetched archives there after unpacking.

    Raises:
        DataError: a file could not be had, is not what it should be, or cannot be unpacked.
        UsageError: another fetch is at work in ``root``.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root}: is a file; name a folder with --root")
    lease = Lease(root / RECORDS / "lock")
    if not lease.acquire_or_see():
        raise UsageError(f"{root}: another fetch is at work there; wait for it")
    with lease:
        return sum(_bring(chosen, file, root, policy, tell, keep) for file in files)


def _bring(
    chosen: PublicSet, file: Download, root: Path, policy: Policy, tell: Callable[[str], None], keep: bool
) -> bool:
    """One file; whether anything was done."""
    record, path = read_record(root, file), root / file.kept
    if is_here(root, file):
        if file.unpack is None:
            _checked(path, Expected.of(file, record.sha256 if record else None), root, file)
        return False
    came = False
    if path.is_file():
        sha256 = _checked(path, Expected.of(file, record.sha256 if record else None), root, file)
        came = record is not None and not record.files and record.sha256 == sha256
    else:
        sha256 = _download(chosen, file, root, record, policy, tell)
        came = True
    size = path.stat().st_size
    if file.unpack is None:
        write_record(root, file, Record(sha256, size, {file.kept: size}))
        return True
    write_record(root, file, Record(sha256, size))
    progress = Pace(f"{file.name}: unpacking", tell)
    folder = root / file.unpack
    work = root / RECORDS / f"{file.name}.unpacked"
    sizes = unpack(path, folder, work, inside=file.inside, progress=lambda count: progress(count, None))
    prefix = Path(file.unpack)
    write_record(root, file, Record(sha256, size, {str(prefix / name): count for name, count in sizes.items()}))
    if came and not keep:
        path.unlink()
    return True


def _download(
    chosen: PublicSet, file: Download, root: Path, record: Record | None, policy: Policy, tell: Callable[[str], None]
) -> str:
    path, expected = root / file.kept, Expected.of(file, record.sha256 if record else None)
    path.parent.mkdir(parents=True, exist_ok=True)
    progress = Pace(file.name, tell)
    try:
        sha256 = download(
            chosen.addresses(file), path, expected, policy=policy, tell=tell, progress=progress
        )  # fmt: skip
    except DataError as error:
        if record and not file.sha256:
            where = record_path(root, file)
            raise DataError(f"{error}; if its publisher replaced it since the first time, remove {where}") from None
        raise
    if file.sha256 is None and record is None:
        so = "its md5 is right" if file.md5 else "nobody published a digest"
        tell(f"{file.name}: {so}; its sha256 is recorded in {record_path(root, file)}, to be compared from now on")
    return sha256


def _checked(path: Path, expected: Expected, root: Path, file: Download) -> str:
    """The sha256 of a file that is here; raises `DataError` when it is not the one that it should be."""
    digests = Digests.of(path)
    fault = expected.fault(path.stat().st_size, digests)
    if fault:
        whose = "" if file.sha256 or not expected.sha256 else f", or {record_path(root, file)} if it was replaced"
        raise DataError(f"{path}: {fault}; remove it{whose}, and run the same command again")
    return digests.hex("sha256")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


class Pace:
    """Tells how far something is, every ten seconds; nothing when it is done before."""

    def __init__(self, what: str, tell: Callable[[str], None]) -> None:
        self.what, self.tell = what, tell
        self.spoken = time.monotonic()
        self.before: int | None = None

    def __call__(self, count: int, total: int | None) -> None:
        """``count`` bytes of ``total`` are done."""
        now = time.monotonic()
        if self.before is None:
            self.before = count
        if now - self.spoken < PROGRESS_SECONDS:
            return
        speed = (count - self.before) / (now - self.spoken)
        self.spoken, self.before = now, count
        of = f" of {size_text(total)}" if total else ""
        self.tell(f"{self.what}: {size_text(count)}{of}, {size_text(max(round(speed), 0))}/s")
