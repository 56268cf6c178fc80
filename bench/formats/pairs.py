"""Images that another program has refined, paired by name with the synthetic images that they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.formats.digests import file_digest
from bench.formats.geometry import place
from bench.formats.names import ids_of
from bench.formats.registration import inner, shift_between
from bench.formats.source import image_files
from bench.picture_files import open_picture
from bench.reading import leads_out
from bench.samples import ImageSet

KINDS = ("missing", "extra", "broken", "resized", "shifted")
SHOWN = 8
"""So many names of a kind stand in a one-line message."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One image that cannot stand for its synthetic one: ``kind`` of `KINDS`, its name, and what is wrong."""

    kind: str
    name: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.what})" if self.what else self.name


def files_by_id(folder: Path) -> dict[str, Path]:
    """Every image below a folder, by the id that an import would give it: its stem, where that is unique.

    Raises:
        DataError: no folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; a path in a suite file is relative to that file")
    files = image_files(folder)
    if not files:
        raise DataError(f"{folder}: no images in it; name the folder of the refined images")
    for path in files:
        if leads_out(path, [folder]):
            raise DataError(f"{path}: a link that leads out of {folder}; put the file itself there")
    return dict(zip(ids_of([path.relative_to(folder).as_posix() for path in files]), files, strict=True))


def content(folder: Path) -> str:
    """sha256 over ids and bytes of a folder's images: no path, suffix or time is in it."""
    parts = [f"{id}\0{file_digest(path)}" for id, path in sorted(files_by_id(folder).items())]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def read_refined(path: Path, height: int, width: int, fit: str) -> NDArray[np.uint8]:
    """A refined image as (height, width, 3) uint8; raises `ValueError` that says what is wrong with it.

    ``fit`` is "none" (it must have that size), or "letterbox" or "stretch" for an image of the render's own size,
    which is then fitted into the square as the render was.
    """
    try:
        opened = open_picture(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"not a readable image: {error}") from None
    if opened.mode.startswith(("I", "F")):
        raise ValueError(f"{opened.mode} pixels, expected 8 bit")
    image = opened.convert("RGB")
    if fit == "none" or image.size == (width, height):
        return np.asarray(image)
    if width != height:
        raise ValueError(f"fit = '{fit}' needs square renders, they are {width}x{height}")
    return place(*image.size, width, fit).image(image)


def faults(
    synthetic: ImageSet, folder: Path, *, fit: str = "none", max_shift: int = 1, extras: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Fault]:
    """Everything that is wrong with a folder of refined images, as a list that is empty when nothing is.

    Args:
        synthetic: the images that were refined; pairs have one id.
        folder: where the refined ones lie, in any image format.
        fit: as `read_refined` takes it.
        max_shift: pixels that a refined image may be off by.
        extras: whether images without a synthetic one are allowed.
        progress: called with the number of images looked at.
    """
    files = files_by_id(folder)
    known = {record.id for record in synthetic.records}
    found = [] if extras else [Fault("extra", path.name) for id, path in files.items() if id not in known]
    for number, record in enumerate(synthetic.records):
        if record.id not in files:
            found.append(Fault("missing", record.id))
        else:
            found += _compared(synthetic.image(number), files[record.id], fit, max_shift)
        if progress:
            progress(number + 1)
    return sorted(found, key=lambda fault: KINDS.index(fault.kind))


def _compared(before: NDArray[np.uint8], path: Path, fit: str, max_shift: int) -> list[Fault]:
    height, width = before.shape[:2]
    try:
        after = read_refined(path, height, width, fit)
    except ValueError as error:
        return [Fault("broken", path.name, str(error))]
    if after.shape != before.shape:
        return [Fault("resized", path.name, f"{after.shape[1]}x{after.shape[0]}, not {width}x{height}")]
    if fit == "letterbox" and np.abs(np.subtract(inner(after), inner(before))).max() > 1 and _barred(before):
        return [Fault("resized", path.name, "its shape is not the render's: the bars lie elsewhere")]
    shift = shift_between(before, after, max_shift)
    return [Fault("shifted", path.name, f"by {_words(*shift)}")] if shift else []


def _barred(image: NDArray[np.uint8]) -> bool:
    return inner(image) != (0, 0, *image.shape[:2])


def _words(across: int, down: int) -> str:
    parts = [f"{abs(across)} px {'right' if across > 0 else 'left'}"] * bool(across)
    return " and ".join(parts + [f"{abs(down)} px {'down' if down > 0 else 'up'}"] * bool(down))


def one_line(found: Sequence[Fault]) -> str:
    """Such as ``2 missing: 004, 007; 1 shifted: 011.png (by 3 px right)``."""
    parts = []
    for kind in KINDS:
        names = [str(fault) for fault in found if fault.kind == kind]
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            parts.append(f"{len(names)} {kind}: {', '.join(names[:SHOWN])}{more}")
    return "; ".join(parts)
