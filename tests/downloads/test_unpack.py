"""Archives, good, broken and hostile: what lies where afterwards, and the one line that is said."""

from __future__ import annotations

import bz2
import gzip
import os
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from bench.downloads import unpack as unpacking
from bench.downloads.unpack import unpack
from bench.errors import DataError
from tests.downloads.archives import packed_tar, packed_zip

FILES = {"top/": b"", "top/a.txt": b"one", "top/deep/b.txt": b"two" * 1000}


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def attempt(archive: Path, inside: str | None = None) -> dict[str, int]:
    return unpack(archive, archive.parent / "root", archive.parent / "work", inside=inside)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2"])
def test_every_kind_unpacks(tmp_path: Path, name: str) -> None:
    archive = (packed_zip if name.endswith("zip") else packed_tar)(tmp_path / name, {"./": b""} | FILES)
    assert attempt(archive) == {"top/a.txt": 3, "top/deep/b.txt": 3000}
    assert everything(tmp_path / "root") == {"top/a.txt": b"one", "top/deep/b.txt": b"two" * 1000}
    assert not (tmp_path / "work").exists()


def test_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "idx3-ubyte.gz").write_bytes(gzip.compress(b"digits"))
    assert attempt(tmp_path / "idx3-ubyte.gz") == {"idx3-ubyte": 6}
    assert everything(tmp_path / "root") == {"idx3-ubyte": b"digits"}


def test_only_what_lies_inside_of_a_folder(tmp_path: Path) -> None:
    files = {"set-1a2b/CamVid/train/a": b"1", "set-1a2b/readme": b"2", "other/c": b"3"}
    archive = packed_zip(tmp_path / "x.zip", files)
    assert attempt(archive, "set-*/CamVid") == {"train/a": 1}
    assert everything(tmp_path / "root") == {"train/a": b"1"}
    with pytest.raises(DataError, match=r"x\.zip: has no file below 'absent'; is it another version"):
        attempt(archive, "absent")


def test_two_archives_share_folders(tmp_path: Path) -> None:
    attempt(packed_tar(tmp_path / "a.tar", {"Scene01/rgb/1": b"rgb", "Scene01/2": b"old"}))
    attempt(packed_tar(tmp_path / "b.tar", {"Scene01/depth/1": b"depth", "Scene01/2": b"new"}))
    assert everything(tmp_path / "root") == {
        "Scene01/2": b"new", "Scene01/depth/1": b"depth", "Scene01/rgb/1": b"rgb",
    }  # fmt: skip
    with pytest.raises(DataError, match="Scene01/2: is a file already; move it away"):
        attempt(packed_tar(tmp_path / "c.tar", {"Scene01/2/x": b""}))
    with pytest.raises(DataError, match="Scene01/rgb: is a folder already; move it away"):
        attempt(packed_tar(tmp_path / "d.tar", {"Scene01/rgb": b""}))
    assert not (tmp_path / "work").exists()


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "C:/evil", "C:evil", "..\\evil", "a\\..\\..\\evil", "\\\\host\\evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_lead_outside(tmp_path: Path, kind: str, name: str) -> None:
    archive = (packed_zip if kind == "zip" else packed_tar)(tmp_path / f"x.{kind}", {"good": b"1", name: b"2"})
    with pytest.raises(DataError, match=r"in it leads outside its folder; nothing was unpacked$"):
        attempt(archive)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"]
)
def test_links_and_devices_of_tars(tmp_path: Path, kind: bytes) -> None:
    """A link first, then a file through it: the classic way out."""

    def spoil(info: tarfile.TarInfo) -> None:
        if info.name == "link":
            info.type, info.linkname, info.size = kind, "/etc", 0

    archive = packed_tar(tmp_path / "x.tar", {"good": b"1", "link": b"", "link/passwd": b"2"}, spoil)
    with pytest.raises(DataError) as caught:
        attempt(archive)
    expected = "'link' in it is a link or a device; nothing was unpacked"
    # An unknown type is read as a plain file, which cannot be a folder too.
    assert expected in str(caught.value) or (kind == b"Z" and "cannot be unpacked" in str(caught.value))
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_of_zips(tmp_path: Path, mode: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc")
    with pytest.raises(DataError, match="'link' in it is a link or a device"):
        attempt(tmp_path / "x.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_neither_devices_nor_modes_are_taken_over(tmp_path: Path) -> None:
    def spoil(info: tarfile.TarInfo) -> None:
        info.mode, info.uid = 0o6777, 0

    attempt(packed_tar(tmp_path / "x.tar", {"program": b"#!/bin/sh"}, spoil))
    assert not os.access(tmp_path / "root" / "program", os.X_OK)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.bz2", "x.gz"])
def test_bombs(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "ALWAYS", 100_000)
    zeros = bytes(30_000_000)
    if name == "x.gz":
        (tmp_path / name).write_bytes(gzip.compress(zeros))
    else:
        (packed_zip if name.endswith("zip") else packed_tar)(tmp_path / name, {"good": b"1", "zeros": zeros})
    with pytest.raises(DataError, match=r"unpacks to far more than its [\d.]+ k?B, as bombs do; nothing was unpacked"):
        attempt(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_too_many_files_twice_the_same_and_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed_tar(tmp_path / "x.tar", {"a": b"1", "./a": b"2"})
    with pytest.raises(DataError, match="has a twice; nothing was unpacked"):
        attempt(archive)
    monkeypatch.setattr(unpacking, "MOST_FILES", 1)
    with pytest.raises(DataError, match="has more than 1 files"):
        attempt(packed_tar(tmp_path / "x.tar", {"a": b"1", "b": b"2"}))
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: namedtuple("usage", "free")(5))
    with pytest.raises(DataError, match="not enough room on the disk to unpack it"):
        attempt(packed_tar(tmp_path / "x.tar", {"a": b"123456"}))
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


NOISE = np.random.default_rng(1).bytes(50_000)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.gz"])
@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "page", "zeros"])
def test_broken_archives(tmp_path: Path, name: str, damage: str) -> None:
    """Cut off, a byte changed, or no archive at all, such as a web page that says "please log in"."""
    path = tmp_path / name
    if name == "x.gz":
        path.write_bytes(gzip.compress(NOISE))
    else:
        (packed_zip if name.endswith("zip") else packed_tar)(path, {"noise": NOISE})
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes({
        "cut": data[:middle], "changed": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "empty": b"", "page": b"<html>please log in</html>" * 50, "zeros": bytes(20_000),
    }[damage])  # fmt: skip
    if name == "x.tar" and damage == "changed":
        assert attempt(path) == {"noise": len(NOISE)}, "a plain tar has no sums; digests of files are for that"
        return
    with pytest.raises(DataError, match=r"^[^\n]*x\.[^\n]+: (broken archive \([^\n]+\); remove it|has no file)[^\n]*$"):
        attempt(path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = packed_zip(tmp_path / "x.zip", {"secret.png": b"1"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"is encrypted \(secret\.png\); unpack it by hand, with its password"):
        attempt(path)


def test_names_that_the_disk_refuses(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be unpacked \(File name too long\); nothing was unpacked"):
        attempt(packed_tar(tmp_path / "x.tar", {"good": b"", "n" * 300: b""}))
    with pytest.raises(DataError, match="cannot be unpacked"):
        attempt(packed_tar(tmp_path / "x.tar", {"a": b"", "a/b": b""}))
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_what_lies_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "mine").write_text("mine")
    (tmp_path / "x.tar.bz2").write_bytes(bz2.compress(b"no tar"))
    with pytest.raises(DataError):
        attempt(tmp_path / "x.tar.bz2")
    assert everything(tmp_path / "root") == {"mine": b"mine"}
