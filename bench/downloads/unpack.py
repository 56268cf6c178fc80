"""Unpacking what a stranger packed: nothing outside the folder, no links, no devices, no bombs, whole or not at all."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from bench.downloads.catalogue import size_text
from bench.errors import DataError

CHUNK = 1 << 20
FACTOR = 200
"""How many times its own size an archive may unpack to: pictures hardly shrink, tables of numbers some twenty times."""
ALWAYS = 100 << 20
"""Bytes that any archive may unpack to, since small ones may shrink more."""
MOST_FILES = 5_000_000
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, struct.error, EOFError,
    RuntimeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class _Member:
    """A file of an archive: its cleaned path, declared size and what opens it."""

    path: PurePosixPath
    size: int | None
    open: Callable[[], Any]


def unpack(
    archive: Path, folder: Path, work: Path, *, inside: str | None = None, progress: Callable[[int], None] | None = None
) -> dict[str, int]:
    """Unpack ``archive`` into ``folder``; return size by path, relative to ``folder``, of every file.

    Everything is written to ``work`` first and moved when the whole archive has turned out right, so a broken or
    hostile one leaves ``folder`` as it was. Files of ``folder`` that have a name of the archive's are replaced.

    Args:
        archive: a .zip, .tar, .tar.gz, .tgz, .tar.bz2, or a single file as .gz.
        folder: where its files shall lie.
        work: a folder on the same disk; emptied before, since a killed run may have left it, and removed after.
        inside: take only what lies below this folder of the archive, without it; ``*`` matches within a name.
        progress: called with the number of bytes so far.

    Raises:
        DataError: it is broken, encrypted, too large, or holds a link, a device or a path that leads outside.
    """
    room = shutil.disk_usage(_existing(work)).free
    limit = max(ALWAYS, FACTOR * archive.stat().st_size)
    sizes: dict[str, int] = {}
    written = 0
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        with _members(archive) as members:
            for member in members:
                path = _below(member.path, inside)
                if path is None:
                    continue
                if str(path) in sizes or len(sizes) >= MOST_FILES:
                    what = f"has {path} twice" if str(path) in sizes else f"has more than {MOST_FILES:,} files"
                    raise DataError(f"{archive}: {what}; nothing was unpacked")
                if written + (member.size or 0) > room:
                    raise DataError(f"{archive}: not enough room on the disk to unpack it; free some and run again")
                target = work / path
                target.parent.mkdir(parents=True, exist_ok=True)
                count = _copy(member, target, limit - written, archive)
                written += count
                sizes[str(path)] = count
                if progress:
                    progress(written)
        if not sizes:
            where = f" below '{inside}'" if inside else ""
            raise DataError(f"{archive}: has no file{where}; is it another version of the set?")
        merge(work, folder)
    except _BROKEN as error:
        raise DataError(f"{archive}: broken archive ({_one_line(error)}); remove it and fetch it again") from None
    except OSError as error:
        if error.errno is None:  # what the bz2 reader raises for a broken stream
            raise DataError(f"{archive}: broken archive ({error}); remove it and fetch it again") from None
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "free some space and run again" if full else "nothing was unpacked"
        raise DataError(f"{archive}: cannot be unpacked ({error.strerror or _one_line(error)}); {mend}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return sizes


def merge(source: Path, target: Path) -> None:
    """Move everything below ``source`` to ``target``, folder into folder; each file arrives whole.

    Raises:
        DataError: a folder would take a file's place, or a file a folder's.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        return
    for path in sorted(source.iterdir()):
        other = target / path.name
        if other.exists() and path.is_dir() != other.is_dir():
            raise DataError(f"{other}: is a {'folder' if other.is_dir() else 'file'} already; move it away")
        if path.is_dir() and other.exists():
            merge(path, other)
        else:
            path.replace(other)


def _copy(member: _Member, target: Path, limit: int, archive: Path) -> int:
    """Write one file; count what really comes, since a declared size may lie."""
    count = 0
    with member.open() as source, target.open("xb") as file:
        while data := source.read(CHUNK):
            count += len(data)
            if count > limit:
                size = size_text(archive.stat().st_size)
                raise DataError(f"{archive}: unpacks to far more than its {size}, as bombs do; nothing was unpacked")
            file.write(data)
    if member.size is not None and count != member.size:
        raise EOFError(f"{member.path} ends early")
    return count


def _below(path: PurePosixPath, inside: str | None) -> PurePosixPath | None:
    """The path without the parts that ``inside`` names, or None for one that lies elsewhere."""
    if inside is None:
        return path
    wanted = PurePosixPath(inside).parts
    if len(path.parts) <= len(wanted) or not all(map(fnmatchcase, path.parts, wanted)):
        return None
    return PurePosixPath(*path.parts[len(wanted) :])


def _clean(name: str, archive: Path) -> PurePosixPath:
    """A member's name as a relative path; raises `DataError` when it leads outside."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if not path.parts or path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", plain) or "\0" in plain:
        raise DataError(f"{archive}: {name!r} in it leads outside its folder; nothing was unpacked")
    return path


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    name = archive.name
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            yield _of_zip(opened, archive)
    elif name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2")):
        openers: dict[str, Callable[..., Any]] = {"gz": gzip.open, "tgz": gzip.open, "bz2": bz2.open}
        opener = openers.get(name.rsplit(".", 1)[-1], open)
        with opener(archive, "rb") as stream, tarfile.open(fileobj=stream, mode="r:") as opened:
            yield _of_tar(opened, archive)
            while stream.read(CHUNK):  # to the end, where the sum over all bytes is compared
                pass
    else:
        if not archive.stat().st_size:
            raise EOFError("it is empty")
        yield iter([_Member(_clean(name.removesuffix(".gz"), archive), None, partial(gzip.open, archive))])


def _of_zip(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Member]:
    for info in opened.infolist():
        if info.is_dir():
            continue
        path = _clean(info.filename, archive)
        if info.flag_bits & 1:
            raise DataError(f"{archive}: is encrypted ({info.filename}); unpack it by hand, with its password")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise DataError(f"{archive}: {info.filename!r} in it is a link or a device; nothing was unpacked")
        yield _Member(path, info.file_size, partial(opened.open, info))


def _of_tar(opened: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in opened:
        if info.isdir():
            continue
        path = _clean(info.name, archive)
        if not info.isreg():
            raise DataError(f"{archive}: {info.name!r} in it is a link or a device; nothing was unpacked")
        yield _Member(path, info.size, partial(opened.extractfile, info))


def _existing(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
