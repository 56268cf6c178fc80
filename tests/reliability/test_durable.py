"""Writing through to the disk: every file, then every folder that names one, and an error is never lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.durable import FEW, TOGETHER, sync_tree


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


@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, 5 * TOGETHER])
def test_every_file_once_then_every_folder_from_below(tmp_path: Path, written: list[Path], count: int) -> None:
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    for number in range(count):
        (root / ("images" if number % 2 else ".") / f"{number}.png").write_bytes(b"x")
    sync_tree(root)
    files, folders = written[:count], written[count:]
    assert sorted(files) == sorted(path for path in root.rglob("*") if path.is_file())
    assert folders == [root / "images", root]


@pytest.mark.parametrize("count", [1, 5 * TOGETHER])
def test_an_error_of_one_file_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for number in range(count):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    real, broken = os.fsync, (tmp_path / f"{count - 1}.png").stat().st_ino

    def fsync(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == broken:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        sync_tree(tmp_path)
