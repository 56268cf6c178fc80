"""What must still be on the disk after a power cut: files, and the names of files in their folders, written through."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FEW = 5
"""Of fewer files each is waited for in turn."""
TOGETHER = 16
"""Files that wait for the disk at a time, which then writes them in one go: 2,000 pictures in 0.22 s, not in 7.9 s."""


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Write everything below a folder through to the disk: the files first, then the folders that name them."""
    folders, files = list[Path](), list[Path]()
    for below, _, names in os.walk(folder, topdown=False):
        folders.append(Path(below))
        files += [Path(below) / name for name in names]
    if len(files) < FEW:
        for file in files:
            sync(file)
    else:
        with ThreadPoolExecutor(TOGETHER) as threads:
            list(threads.map(sync, files))  # a list, so that the first error is raised
    for each in folders:
        sync(each)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they are there after a power cut."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def write_whole(path: Path, data: bytes | str, *, durable: bool = True) -> None:
    """Write a file so that readers, and whoever comes after a kill, see the old bytes or the new ones, never a mixture.

    ``durable``: after a power cut too; False for what is cheap to make again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
