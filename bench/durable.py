"""What must still be on the disk after a power cut: files, and the names of files in their folders, written through."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FEW, MANY = 5, 50
"""Of fewer files than the first each is waited for in turn. From the second on their disk is written as a whole, which
writes what others left to be written there, too."""
TOGETHER = 8
"""Files that wait for the disk together otherwise."""
WHOLE = {"ext2", "ext3", "ext4", "xfs", "f2fs", "tmpfs"}
"""File systems that Linux writes as a whole when it is asked once, and waits for it. One by one every file waits for
the disk, which is long for thousands and far longer while the disk is slow to answer (docs/speed.md)."""


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
    elif len(files) < MANY or not _sync_disk(folder):
        with ThreadPoolExecutor(TOGETHER) as threads:
            list(threads.map(sync, files))  # a list, so that the first error is raised
    for each in folders:
        sync(each)


def _sync_disk(folder: Path) -> bool:
    """Write the whole disk of a folder through; False where that is not as good as `fsync` of each of its files.

    Raises:
        OSError: the disk could not be written, now or since somebody asked last.
    """
    if _linux() < (5, 8) or _file_system(folder) not in WHOLE:  # before, errors were not told
        return False
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
    return True


def _linux() -> tuple[int, ...]:
    """The kernel's version, (0,) on other systems."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release) if sys.platform == "linux" else None
    return tuple(map(int, found.groups())) if found else (0,)


def _file_system(folder: Path) -> str:
    """What kind of file system a folder lies on, "" where the system does not tell."""
    device = folder.stat().st_dev
    own = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            # 36 35 98:0 /root /mount options ... - ext4 /dev/vda options
            before, _, after = line.partition(" - ")
            if before.split(" ", 3)[2] == own:
                return after.split(" ", 1)[0]
    return ""


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
