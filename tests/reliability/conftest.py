"""Disks for the tests: a small one, and one that cannot be written. Both need a mount, which a root may make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def _mount(*arguments: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    done = subprocess.run([*sudo, "mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


def _unmount(path: Path) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, "umount", "--lazy", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 600 kB."""
    path = tmp_path / "disk"
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size=600k,uid={os.getuid()}", "tmpfs", str(path))
    yield path
    _unmount(path)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Makes of a folder another path to it through which nothing can be written, by root neither."""
    mounted: list[Path] = []

    def make(folder: Path) -> Path:
        path = tmp_path / "read-only"
        path.mkdir()
        _mount("--bind", "-o", "ro", str(folder), str(path))
        mounted.append(path)
        return path

    yield make
    for path in mounted:
        _unmount(path)
