"""Writing through to the disk: every file, then every folder that names one, and an error is never lost."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

import pytest

from bench import durable
from bench.durable import FEW, MANY, TOGETHER, sync_tree


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that were written through, in order."""
    found: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    return found


@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, MANY - 1, MANY])
def test_every_file_once_then_every_folder_from_below(
    tmp_path: Path, written: list[Path], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "WHOLE", set())
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    for number in range(count):
        (root / ("images" if number % 2 else ".") / f"{number}.png").write_bytes(b"x")
    sync_tree(root)
    files, folders = written[:count], written[count:]
    assert sorted(files) == sorted(path for path in root.rglob("*") if path.is_file())
    assert folders == [root / "images", root]


@pytest.mark.parametrize("kind", [*sorted(durable.WHOLE), "nfs4", "fuse.sshfs", "overlay", ""])
@pytest.mark.parametrize("linux", [(5, 7), (5, 8), (6, 18), (0,)])
def test_the_disk_is_written_as_a_whole_where_that_is_as_good(
    tmp_path: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch, kind: str, linux: tuple[int, ...]
) -> None:
    for number in range(MANY):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    monkeypatch.setattr(durable, "_file_system", lambda folder: kind)
    monkeypatch.setattr(durable, "_linux", lambda: linux)
    sync_tree(tmp_path)
    whole = kind in durable.WHOLE and linux >= (5, 8)
    assert len(written) == (1 if whole else MANY + 1)
    assert written[-1] == tmp_path


def test_a_disk_that_fails_as_a_whole_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def syncfs(self, _: int) -> int:
            ctypes.set_errno(errno.EIO)
            return -1

    for number in range(MANY):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    monkeypatch.setattr(durable, "_file_system", lambda folder: "ext4")
    monkeypatch.setattr(durable, "_linux", lambda: (6, 1))
    monkeypatch.setattr(ctypes, "CDLL", Broken)
    with pytest.raises(OSError, match=str(tmp_path)) as caught:
        sync_tree(tmp_path)
    assert caught.value.errno == errno.EIO


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell in other ways")
def test_kernel_and_file_system_are_known(tmp_path: Path) -> None:
    assert durable._linux() > (2, 6)
    assert durable._file_system(Path("/proc")) == "proc"


@pytest.mark.parametrize("count", [1, 5 * TOGETHER])
def test_an_error_of_one_file_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for number in range(count):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    monkeypatch.setattr(durable, "WHOLE", set())
    real, broken = os.fsync, (tmp_path / f"{count - 1}.png").stat().st_ino

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == broken:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        sync_tree(tmp_path)
