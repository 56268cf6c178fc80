"""Archives for tests, good and hostile."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path


def packed_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name) if name.endswith("/") else name, data)
    return path


def packed_tar(path: Path, files: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> Path:
    """Compressed as its name says; ``change`` may spoil each member's head."""
    kind = path.name.rsplit(".", 1)[-1]
    with tarfile.open(path, {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2"}.get(kind, "w")) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(data)
            if change:
                change(info)
            archive.addfile(info, io.BytesIO(data))
    return path
