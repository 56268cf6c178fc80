"""Digests of files by content, read once as long as a file's size and time stay the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


def stamp(path: Path) -> tuple[str, int, int]:
    """Name, size in bytes and time of change in nanoseconds: what tells that a file is to be read again."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, as hex; raises `OSError`."""
    return _digest(*stamp(path))


@cache
def _digest(path: str, size: int, time: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
