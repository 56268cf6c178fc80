"""Photographs of small objects in the BOP layout as a world: crops with class, pose, mask and depth."""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from bench.contracts import Context, PluginConfig, Progress, SplitRequest, World
from bench.errors import DataError
from bench.formats.layout import ImageSetWriter
from bench.samples import RealKind
from bench.seeds import derive
from bench.worlds.bop_crops import crop
from bench.worlds.bop_files import I64, Instances, read_instances

NAMES = (
    "ape", "benchvise", "bowl", "cam", "can", "cat", "cup", "driller",
    "duck", "eggbox", "glue", "holepuncher", "iron", "lamp", "phone",
)
"""Names of LM's objects 1 to 15."""
SYMMETRIC = frozenset({"bowl", "cup", "eggbox", "glue"})
"""What PixelDA's 11 classes leave out, since a symmetric object's pose has no one answer."""
HELD_OUT = 0.2
"""Share of each object's photographs that is kept for testing (DSN: 2,655 of 13,328)."""
_TAIL = 64


class BopConfig(PluginConfig):
    """Where the data lies, and what is taken of it.

    Attributes:
        root: the data set's folder, such as ``lm``, which holds ``test`` and a folder of renders.
        synthetic: folders of labelled renders in ``root``; by default ``train_pbr``, else ``train``.
        real: folder of labelled photographs in ``root``; it is split into real/train and real/test.
        objects: ids of the objects that are the classes; by default LM's 11 without symmetry, as far as both have them.
        min_visible: objects of which less is seen, as a fraction of the silhouette, are left out; 0 takes all.
        black: whether renders are black outside the object and their depth far, as in PixelDA's source domain.
    """

    root: Path
    synthetic: tuple[str, ...] = ()
    real: str = "test"
    objects: tuple[int, ...] = ()
    min_visible: float = Field(0.6, ge=0, le=1)
    black: bool = True

    @field_validator("synthetic", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _apart(self) -> BopConfig:
        if self.real in self.synthetic:
            raise ValueError(f"'{self.real}' cannot be both world.real and world.synthetic")
        return self

    @field_validator("objects")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError("an object occurs twice")
        return value


class Bop(World):
    """A data set in the BOP layout (LM: true LineMod photographs), cropped around each object as PixelDA's data was.

    A crop shows a square of 20 cm around the object's centre, facing the camera. Depth is metres relative to the
    centre's, clipped to +-0.2, plus 0.2: within (0, 0.4], where 0.4 also stands for what the sensor did not see.
    As in the original crops, the centre is that of the labelled pose, in photographs too.

    Labels: one box, instances, foreground (the visible part), depth and the vector ``quaternion`` (w, x, y, z; w >= 0).
    The quaternion is ``cam_R_m2c`` as labelled: it is not corrected for the angle between the optical axis and the ray
    to the object, so that an object off the image's middle looks turned by that angle, as it does in the paper's data.

    A fifth of each object's photographs is real/test and the rest real/train, drawn by image from the seed: all objects
    of an image are on the same side, and every image is one group. Neighbouring frames of one recording can come to
    lie on both sides, as in the original protocol.
    """

    name = "bop"
    version = 1
    real_kind: ClassVar[RealKind] = "photographs"
    Config = BopConfig
    config: BopConfig

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Write the first ``count`` crops of a seeded shuffle (0: all) of the split.

        Raises:
            DataError: folders, annotations or images are missing or broken, or an object is behind the camera.
        """
        ids, rows = self._objects(), self._chosen(request)
        synthetic = request.domain == "synthetic"
        writer = ImageSetWriter(
            context.directory, domain=request.domain, kind="rendered" if synthetic else self.real_kind,
            class_names=[_class_name(number) for number in ids],
            labels=("boxes", "instances", "foreground", "depth", "vectors"),
            provenance={
                "world": self.name, "version": self.version, "split": f"{request.domain} {request.split}",
                "seed": request.seed, "config": self.config.model_dump(mode="json", exclude={"root"}),
            },
        )
        for row in range(len(rows)):
            image, labels = crop(rows, row, request.size, ids, black=synthetic and self.config.black)
            writer.add(rows.name(row), image, labels, group=rows.picture(row))
            context.progress(Progress(row + 1, len(rows)))
        writer.close()

    def fingerprint(self, request: SplitRequest) -> str:
        """sha256 over the annotations and images of the split; no path and no time is in it.

        Of an image its size and its last bytes are read, not all of it: a PNG ends in a checksum of its pixels, and
        reading the whole data set for every plan would take minutes.
        """
        rows = self._chosen(request)
        digest = hashlib.sha256(repr(self._objects()).encode())
        for row in range(len(rows)):
            digest.update(f"\0{rows.name(row)}".encode())
            for path in rows.files(row):
                stat = path.stat()
                digest.update(path.suffix.encode() + _tail(path, stat.st_size, stat.st_mtime_ns))
        for values in (rows.object_id, rows.rotation, rows.translation, rows.matrix, rows.depth_scale):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def available(self, request: SplitRequest) -> int:
        """How many crops the split will have: ``count``, or all where that is 0 or more than there are."""
        return len(self._chosen(request))

    def _synthetic(self) -> tuple[str, ...]:
        if self.config.synthetic:
            return self.config.synthetic
        found = [name for name in ("train_pbr", "train") if (self.config.root / name).is_dir()]
        if not found and self.config.root.is_dir():
            mend = "unpack the renders there, or name their folder with world.synthetic"
            raise DataError(f"world.root: {self.config.root} has neither train_pbr nor train; {mend}")
        return tuple(found[:1])

    def _read(self, *names: str) -> Instances:
        root = self.config.root
        if not root.is_dir():
            raise DataError(f"world.root: {root}: no such folder; paths are relative to the suite file")
        for name in names:
            if not (root / name).is_dir():
                have = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) or "no folders"
                key = "world.real" if name == self.config.real else "world.synthetic"
                raise DataError(f"{key}: {root / name}: no such folder; unpack it there, or name one of: {have}")
        return read_instances([root / name for name in names])

    def _objects(self) -> tuple[int, ...]:
        """Ids of the classes, in order: those asked for, or LM's 11 that both domains show."""
        real, synthetic = (set(np.unique(self._read(*names).object_id).tolist()) for names in self._folders())
        for id in self.config.objects:
            for name, have in ((self.config.real, real), ("+".join(self._synthetic()), synthetic)):
                if id not in have:
                    known = ", ".join(str(number) for number in sorted(have))
                    raise DataError(f"world.objects: {name} has no object {id}; it has {known or 'none'}")
        if self.config.objects:
            return self.config.objects
        usual = [number for number, name in enumerate(NAMES, 1) if name not in SYMMETRIC]
        both = tuple(number for number in usual if number in real and number in synthetic)
        if not both:
            shared = ", ".join(str(number) for number in sorted(real & synthetic)) or "none"
            mend = f"name some with world.objects (photographs and renders share: {shared})"
            raise DataError(f"world.objects: none of LM's objects {usual} is in both domains; {mend}")
        return both

    def _folders(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (self.config.real,), self._synthetic()

    def _usable(self, domain: str) -> Instances:
        """What is of a class and seen well enough."""
        real, synthetic = self._folders()
        rows = self._read(*(real if domain == "real" else synthetic))
        rows = rows.where(np.isin(rows.object_id, self._objects()))
        if not self.config.min_visible:
            return rows.where(~(rows.visible <= 0))  # where nothing is known, all stay
        unknown = np.flatnonzero(np.isnan(rows.visible))
        if unknown.size:
            folder = rows.folders[rows.scene[unknown[0]]]
            mend = "download it again, or take all objects with world.min_visible = 0"
            raise DataError(f"{folder / 'scene_gt_info.json'}: no such file, so nothing tells what is visible; {mend}")
        return rows.where(rows.visible >= self.config.min_visible)

    def _chosen(self, request: SplitRequest) -> Instances:
        if (request.domain, request.split) == ("synthetic", "test"):
            raise DataError("world 'bop' has no synthetic test split; it has synthetic train, real train and real test")
        rows = self._usable(request.domain)
        if request.domain == "real":
            for_test = held_out(rows, derive(self.name, request.seed, "split"))
            rows = rows.where(for_test == (request.split == "test"))
        order = np.random.default_rng(request.seed).permutation(len(rows))
        return rows.where(order[: request.count] if request.count else order)


def held_out(rows: Instances, seed: int) -> NDArray[np.bool_]:
    """(N,) bool: which rows are for testing, `HELD_OUT` of the images that show the same objects, to within one image.

    Images are drawn, not rows, so that no image is on both sides.
    """
    shown: dict[tuple[int, int], set[int]] = {}
    pictures = list(zip(rows.scene.tolist(), rows.image.tolist(), strict=True))
    for picture, id in zip(pictures, rows.object_id.tolist(), strict=True):
        shown.setdefault(picture, set()).add(id)
    images = sorted(shown)
    rank: I64 = np.random.default_rng(seed).permutation(len(images))
    ranks = dict(zip(images, rank.tolist(), strict=True))
    ordered = sorted(images, key=lambda picture: (sorted(shown[picture]), ranks[picture]))
    steps = [math.floor(k * HELD_OUT) for k in range(len(ordered) + 1)]
    chosen = {picture for k, picture in enumerate(ordered) if steps[k + 1] > steps[k]}
    return np.array([picture in chosen for picture in pictures], np.bool_)


def _class_name(id: int) -> str:
    return NAMES[id - 1] if 1 <= id <= len(NAMES) else f"object-{id}"


@cache
def _tail(path: Path, size: int, time: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL))
        return size.to_bytes(8, "big") + file.read()
