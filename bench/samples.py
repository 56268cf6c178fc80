"""What flows through the house: a sample, and an image set as a view over samples on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError, LabelsHiddenError
from bench.picture_files import open_picture

Domain = Literal["synthetic", "real"]
RealKind = Literal["stand-in", "photographs"]
U8 = NDArray[np.uint8]

LABELS = ("boxes", "instances", "foreground", "depth", "semantic", "vectors")
"""Every kind of label that an image set may carry; `Refiner.needs` and manifests speak these words."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one image; ``None`` where the set does not have that kind.

    Attributes:
        boxes: (N, 4) float32, x0 y0 x1 y1 in pixels, x1 and y1 exclusive.
        classes: (N,) int64, index into the set's class list, 0-based.
        instances: (H, W) uint16, 0 = background, k = the k-th box (1-based).
        foreground: (H, W) bool.
        depth: (H, W) float32, metres along the optical axis, 0 = unknown.
        semantic: (H, W) uint8, 255 = void.
        vectors: named per-image vectors (a quaternion, free distances, a class index as one number).
    """

    boxes: NDArray[np.float32] | None = None
    classes: NDArray[np.int64] | None = None
    instances: NDArray[np.uint16] | None = None
    foreground: NDArray[np.bool_] | None = None
    depth: NDArray[np.float32] | None = None
    semantic: U8 | None = None
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its labels.

    Attributes:
        id: file stem, unique in its set.
        image: (H, W, 3) uint8, sRGB.
        group: scene or sequence id, the unit that statistics resample.
    """

    id: str
    image: U8
    group: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Record:
    """Where one sample lies on disk; paths are relative to `root`, label folders hold ``<id>.png``."""

    root: Path
    id: str
    file: str
    width: int
    height: int
    group: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    classes: tuple[int, ...] = ()
    vectors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The image file."""
        return self.root / self.file

    def label_path(self, kind: str) -> Path:
        """The PNG of label ``kind`` (instances, foreground, depth or semantic)."""
        return self.root / kind / f"{self.id}.png"


def read_png(path: Path) -> NDArray[Any]:
    """Read an image file into an array; raises `DataError` that names the file when it is missing or broken."""
    try:
        return np.asarray(open_picture(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; render or import the set again") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove it") from None


def sized(image: U8, images: ImageSet, index: int) -> U8:
    """An image of a set; raises `DataError` where it has another size than the annotations say."""
    record = images.records[index]
    if image.shape[:2] != (record.height, record.width):
        has, said = f"{image.shape[1]}x{image.shape[0]}", f"{record.width}x{record.height}"
        raise DataError(f"{record.path}: is {has}, but its annotations say {said}; render or import the set again")
    return image


@dataclass(frozen=True)
class ImageSet:
    """A view over samples: open one with `bench.formats.layout.open_image_set`, then slice, join or hide it.

    Attributes:
        records: one per sample.
        class_names: names of the classes that label indices refer to.
        has: the kinds of labels that may be read here, a subset of `LABELS`.
        domain, kind: as in the manifest (``kind`` is "stand-in" or "photographs" for real sets, else "rendered").
        background_files: empty-scene templates of the real camera, where the world has them.
        digest: sha256 of the manifest's file list; for a view, of the digests that it was made from.
        hidden: whether labels were taken away (`unlabelled`).
        sensors: kinds of labels that the camera at work measures too (a depth sensor), each with the span in its unit
            that becomes the network's [-1, 1]. They are inputs, not answers: `unlabelled` leaves them readable.
    """

    records: tuple[Record, ...]
    class_names: tuple[str, ...]
    has: frozenset[str]
    domain: str
    kind: str
    digest: str
    background_files: tuple[Path, ...] = ()
    hidden: bool = False
    sensors: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        record = self.records[index]
        labels = Labels() if self.hidden and not self.has else self.labels(index)
        return Sample(record.id, self.image(index), record.group, labels)

    @property
    def ids(self) -> list[str]:
        """File stems, in order."""
        return [record.id for record in self.records]

    @property
    def groups(self) -> list[str]:
        """Scene or sequence ids, in order."""
        return [record.group for record in self.records]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) shared by every image; raises `DataError` naming the first that differs."""
        if not self.records:
            raise DataError("the image set is empty")
        first = self.records[0]
        for record in self.records:
            if (record.height, record.width) != (first.height, first.width):
                raise DataError(
                    f"{record.path}: {record.width}x{record.height}, but {first.path} is {first.width}x{first.height}; "
                    "import the set with one --size"
                )
        return first.height, first.width

    def image(self, index: int) -> U8:
        """(H, W, 3) uint8."""
        path = self.records[index].path
        try:
            return np.asarray(open_picture(path).convert("RGB"))
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; render or import the set again") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not a readable image ({error}); replace or remove it") from None

    def images(self) -> U8:
        """(N, H, W, 3) uint8, all images at once, in memory; they must share one size. See `bench.spool` for many."""
        height, width = self.size
        out = np.empty((len(self), height, width, 3), np.uint8)
        for index in range(len(self)):
            out[index] = sized(self.image(index), self, index)
        return out

    def labels(self, index: int) -> Labels:
        """Every label that the set has for one image; raises `LabelsHiddenError` on an unlabelled view."""
        if self.hidden and not self.has:
            raise LabelsHiddenError(f"{self.records[index].id}: labels are hidden here (rule 1: no real label is read)")
        record, has = self.records[index], self.has
        boxes = np.asarray(record.boxes, np.float32).reshape(-1, 4) if "boxes" in has else None
        return Labels(
            boxes=boxes,
            classes=np.asarray(record.classes, np.int64) if "boxes" in has else None,
            instances=read_png(record.label_path("instances")).astype(np.uint16) if "instances" in has else None,
            foreground=read_png(record.label_path("foreground")) > 127 if "foreground" in has else None,
            depth=read_png(record.label_path("depth")).astype(np.float32) / np.float32(1000)
            if "depth" in has
            else None,
            semantic=read_png(record.label_path("semantic")).astype(np.uint8) if "semantic" in has else None,
            vectors={name: np.asarray(value, np.float32) for name, value in record.vectors.items()}
            if "vectors" in has
            else {},
        )

    def backgrounds(self) -> list[U8]:
        """Empty-scene templates of the camera, each (H, W, 3) uint8; empty where the world has none."""
        return [np.asarray(read_png(path))[..., :3].astype(np.uint8) for path in self.background_files]

    def unlabelled(self) -> ImageSet:
        """The same images with every label taken away; what `sensors` measures stays."""
        records = tuple(replace(record, boxes=(), classes=(), vectors={}) for record in self.records)
        return replace(self, records=records, has=self.has & frozenset(self.sensors), hidden=True)

    def sensed(self, sensors: Mapping[str, float]) -> ImageSet:
        """The same set, seen by a camera that measures ``sensors`` too; raises `DataError` where the set lacks one."""
        missing = frozenset(sensors) - self.has
        if missing:
            raise DataError(f"sensors: the {self.domain} images have no {', '.join(sorted(missing))}")
        return replace(self, sensors=dict(sensors))

    def subset(self, indices: Sequence[int]) -> ImageSet:
        """A view over some of the samples, in the given order."""
        return replace(self, records=tuple(self.records[index] for index in indices))

    def joined(self, other: ImageSet) -> ImageSet:
        """A view over both sets' samples; the classes must agree, and only labels that both have stay."""
        if self.class_names != other.class_names:
            raise DataError(
                f"classes differ: {list(self.class_names)} and {list(other.class_names)}; import both alike"
            )
        return replace(
            self,
            records=self.records + other.records,
            has=self.has & other.has,
            domain="hybrid",
            digest=f"{self.digest}+{other.digest}",
        )
