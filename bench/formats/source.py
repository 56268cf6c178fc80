"""What every reader yields and every later step takes: images with boxes and class names, as somebody labelled them.

A reader only reads label files; whether images can be opened and boxes lie inside them is checked in one place for all
formats (`bench.formats.convert`).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from bench.errors import DataError
from bench.reading import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


@dataclass(frozen=True, slots=True)
class Box:
    """One labelled object.

    Attributes:
        corners: x0 y0 x1 y1, x1 and y1 exclusive; in pixels of the stored image, or fractions of it (`Item.relative`).
        class_name: its class; a reader that meets an id without a name writes ``id <n>``, which no class list has.
        where: file and line or index, for messages.
        segmentation: polygons or run lengths as COCO has them, or None.
    """

    corners: tuple[float, float, float, float]
    class_name: str
    where: str
    segmentation: Any = None


class SemanticCodes(Protocol):
    """What the values or colours of a semantic mask mean (`bench.formats.semantic.Codes`)."""

    def decode(self, image: Image.Image) -> NDArray[np.uint8]:
        """(H, W) indices into the source's class names, 255 = void; raises `ValueError`."""


class DepthCodes(Protocol):
    """How a depth file is read (`bench.formats.depths`)."""

    def metres(self, path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W) metres, 0 = unknown, for an image of ``size`` (width, height); raises `ValueError`, `DataError`."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image with its objects.

    Attributes:
        name: path relative to the images' folder, with forward slashes; ids and groups come from it.
        path: the image file.
        where: the file (and index) that lists it, for messages.
        boxes: its objects.
        group: scene or sequence, where the format tells it.
        stated_size: (width, height) that the label file claims, or None.
        relative: whether boxes are fractions of the image size.
        maps: PNG label maps by kind (instances, foreground, depth, semantic), in the encoding of our layout.
        codes: what the semantic map's values or colours mean, where that is not our layout's.
        depths: how the depth map is read, where it is not in our layout's millimetres.
        data: gives the image's encoded bytes, where it is no file of its own.
        vectors: named vectors of the image.
        sha256: of the image file, where a manifest tells it.
    """

    name: str
    path: Path
    where: str
    boxes: tuple[Box, ...] = ()
    group: str | None = None
    stated_size: tuple[int, int] | None = None
    relative: bool = False
    maps: Mapping[str, Path] = field(default_factory=dict)
    codes: SemanticCodes | None = None
    depths: DepthCodes | None = None
    data: Callable[[], bytes] | None = None
    vectors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What a reader found: items, class list, and the kinds of labels (`bench.samples.LABELS`) that all items have."""

    items: tuple[Item, ...]
    class_names: tuple[str, ...]
    labels: frozenset[str]
    domain: str | None = None
    kind: str | None = None
    backgrounds: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """A command-line option of a reader, ``--<name>``; ``kind`` is "value", "list" (may be given again) or "flag"."""

    name: str
    help: str
    kind: str = "value"
    metavar: str | None = None
    default: str | None = None

    @property
    def key(self) -> str:
        """Its name in the mapping that `read` takes."""
        return self.name.replace("-", "_")


class Problems:
    """Collects what is broken, one line each, and goes on.

    Attributes:
        lines: ``where: what; mend`` in the order found.
        counts: how many of each kind.
        notes: remarks that are no problems.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.counts: Counter[str] = Counter()
        self._tell = tell

    def add(self, kind: str, where: str, what: str, mend: str) -> None:
        """Note one broken thing; ``kind`` is what it is counted under, such as "missing image"."""
        self._count(kind, f"{where}: {what}; {mend}")

    def left_out(self, kind: str, error: DataError) -> None:
        """Note an image that is left out because of an error that names place and mend already."""
        self._count(kind, f"{error}; image left out")

    def _count(self, kind: str, line: str) -> None:
        line = shown(line)
        self.lines.append(line)
        self.counts[kind] += 1
        if self._tell:
            self._tell(line)

    def note(self, text: str) -> None:
        """Note something that the user should know but need not mend."""
        text = shown(text)
        self.notes.append(text)
        if self._tell:
            self._tell(f"note: {text}")

    def summary(self) -> str:
        """Such as ``3 problems (2 missing image, 1 unknown class)``."""
        total = self.counts.total()
        if not total:
            return "no problems"
        parts = ", ".join(f"{count} {kind}" for kind, count in self.counts.most_common())
        return f"{total} problem{'s' if total > 1 else ''} ({parts})"


def inside(root: Path, name: str, where: str) -> Path:
    """``root / name`` for a name that a label file gives; raises `DataError` when it would leave ``root``.

    Windows separators are read as separators. Absolute names, drive letters, addresses and ``..`` are refused, so a
    label file from somebody else cannot make us read files that are not part of the data (links: `read_source`).
    """
    relative = slashes(name)
    path = PurePosixPath(relative)
    if not relative or path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:|\w+://", relative):
        raise DataError(f"{where}: file name {name!r} leads outside {root}; write it relative to the images' folder")
    try:
        named = os.fsencode(relative)
    except UnicodeEncodeError:
        named = b"\0"
    if b"\0" in named:
        raise DataError(f"{where}: file name {name!r} is none that a file can have; mend it")
    return root / path


def slashes(name: str) -> str:
    """A relative file name with forward slashes and no ``./`` in front."""
    return re.sub(r"^(\./)+", "", str(name).strip().replace("\\", "/"))


def image_files(root: Path) -> list[Path]:
    """Every image below ``root``, sorted; hidden files and folders are left out."""
    return sorted(
        path for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def folder(root: Path, given: str | None, candidates: Sequence[str], what: str, option: str) -> Path:
    """The folder that an option names, or the first candidate under ``root`` that exists."""
    names = [given] if given else list(candidates)
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DataError(f"{root}: no folder {' or '.join(names)} with the {what}; name it with {option}")
