"""Our image-set layout on disk: COCO JSON, images, PNG label maps and a manifest with sha256.

::

    annotations.json      COCO: images (+ group, vectors), annotations (boxes, area, RLE masks), categories from 1
    images/<id>.png|jpg
    instances/<id>.png    16 bit, 0 = background, k = the image's k-th annotation
    foreground/<id>.png   8 bit, 0 or 255
    depth/<id>.png        16 bit, millimetres, 0 = unknown
    semantic/<id>.png     8 bit, 255 = void
    backgrounds/<nn>.png  empty-scene templates
    manifest.json         domain, kind, classes, labels, provenance, sha256 of every file
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.errors import DataError
from bench.formats.background import Background
from bench.formats.names import check_class_names
from bench.picture_files import check_pixels
from bench.reading import finite, outward_links, read_json
from bench.samples import LABELS, ImageSet, Labels, Record

LAYOUT = 1
MAPS = ("instances", "foreground", "depth", "semantic")
"""Kinds of labels that are one PNG an image."""


def encode_png(array: NDArray[Any]) -> bytes:
    """PNG bytes at compression level 1 (fast; the size hardly differs on rendered images)."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def rle_counts(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed run lengths of a mask, column by column, starting with background."""
    flat = np.asarray(mask, np.bool_).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return ([0] if flat.size and flat[0] else []) + [int(run) for run in runs]


class ImageSetWriter:
    """Write an image set sample by sample; `close` writes the annotations and the manifest.

    The caller commits the folder atomically (the store does), so nothing half-written is ever taken for a set.
    """

    def __init__(
        self,
        root: Path,
        *,
        domain: str,
        kind: str,
        class_names: Collection[str],
        labels: Collection[str],
        provenance: Mapping[str, Any] | None = None,
        background: Background | None = None,
    ) -> None:
        """``background`` encodes and writes the files beside the caller's work; their bytes are the same."""
        unknown = set(labels) - set(LABELS)
        if unknown:
            raise DataError(f"unknown kind of label: {', '.join(sorted(unknown))} (known: {', '.join(LABELS)})")
        self.root = root
        self.domain, self.kind = domain, kind
        self.class_names = tuple(class_names)
        self.labels = frozenset(labels)
        self.provenance = dict(provenance or {})
        self.background = background
        self._files: dict[str, str] = {}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._ids: set[str] = set()
        root.mkdir(parents=True, exist_ok=True)

    def _write(self, relative: str, content: bytes | NDArray[Any]) -> None:
        """Write bytes, or a picture as PNG; now, or in the background."""
        self._files[relative] = ""  # its digest follows
        if self.background is None:
            self._put(relative, content)
        else:
            kept = content if isinstance(content, bytes) else content.copy()  # the caller may go on to change it
            self.background.submit(partial(self._put, relative, kept))

    def _put(self, relative: str, content: bytes | NDArray[Any]) -> None:
        data = content if isinstance(content, bytes) else encode_png(content)
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._files[relative] = hashlib.sha256(data).hexdigest()

    def add(
        self,
        id: str,
        image: NDArray[np.uint8] | bytes,
        labels: Labels,
        *,
        group: str | None = None,
        suffix: str = ".png",
    ) -> None:
        """Add one sample; ``image`` is an (H, W, 3) uint8 array, or encoded bytes with their ``suffix``."""
        if not id or id in {".", ".."} or "/" in id or "\\" in id:
            raise DataError(f"image id {id!r} is no plain file name; leave folders out of it")
        if id in self._ids:
            raise DataError(f"image id {id!r} occurs twice")
        self._ids.add(id)
        if isinstance(image, bytes):
            with Image.open(io.BytesIO(image)) as opened:
                width, height = opened.size
        else:
            suffix = ".png"
            height, width = image.shape[:2]
        file = f"images/{id}{suffix}"
        self._write(file, image)
        number = len(self._images) + 1
        entry: dict[str, Any] = {
            "id": number, "file_name": file, "width": width, "height": height,
            "group": group if group is not None else id,
        }
        if "vectors" in self.labels:
            entry["vectors"] = {name: [float(x) for x in np.ravel(v)] for name, v in labels.vectors.items()}
        self._images.append(entry)
        self._write_maps(id, labels)
        self._annotate(number, labels)

    def _write_maps(self, id: str, labels: Labels) -> None:
        if "instances" in self.labels:
            instances = _present(labels.instances, id, "instances").astype(np.uint16)
            self._write(f"instances/{id}.png", instances)
        if "foreground" in self.labels:
            mask = _present(labels.foreground, id, "foreground").astype(np.uint8) * np.uint8(255)
            self._write(f"foreground/{id}.png", mask)
        if "depth" in self.labels:
            metres = _present(labels.depth, id, "depth")
            if not np.isfinite(metres).all():
                raise DataError(f"image {id!r}: depth is NaN or infinite somewhere; write 0 where it is unknown")
            depth = np.clip(np.rint(metres * 1000), 0, 65535).astype(np.uint16)
            self._write(f"depth/{id}.png", depth)
        if "semantic" in self.labels:
            self._write(f"semantic/{id}.png", _present(labels.semantic, id, "semantic").astype(np.uint8))

    def _annotate(self, number: int, labels: Labels) -> None:
        if "boxes" not in self.labels:
            return
        boxes = _present(labels.boxes, str(number), "boxes").reshape(-1, 4)
        classes = _present(labels.classes, str(number), "classes")
        for k, (box, cls) in enumerate(zip(boxes.tolist(), classes.tolist(), strict=True)):
            x0, y0, x1, y1 = box
            annotation: dict[str, Any] = {
                "id": len(self._annotations) + 1, "image_id": number, "category_id": int(cls) + 1, "iscrowd": 0,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0),
            }
            if labels.instances is not None:
                mask = labels.instances == k + 1
                annotation["segmentation"] = {"size": list(mask.shape), "counts": rle_counts(mask)}
                annotation["area"] = int(mask.sum())
            self._annotations.append(annotation)

    def add_file(self, name: str, data: bytes) -> None:
        """Add a file of another kind, such as a data card, so that the manifest knows it."""
        self._write(name, data)

    def add_background(self, image: NDArray[np.uint8]) -> None:
        """Add one empty-scene template, (H, W, 3) uint8."""
        number = sum(name.startswith("backgrounds/") for name in self._files)
        self._write(f"backgrounds/{number:02d}.png", image)

    def close(self) -> None:
        """Write annotations and manifest; raises `DataError` when the set is empty."""
        if not self._images:
            raise DataError(f"{self.root}: the image set would be empty")
        coco = {
            "info": {"description": f"{self.domain} images ({self.kind})"},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(self.class_names)],
        }
        self._put("annotations.json", json.dumps(coco, separators=(",", ":")).encode())
        if self.background is not None:
            self.background.finish()
        manifest = {
            "layout": LAYOUT, "domain": self.domain, "kind": self.kind, "classes": list(self.class_names),
            "labels": sorted(self.labels), "count": len(self._images), "provenance": self.provenance,
            "files": dict(sorted(self._files.items())),
        }
        (self.root / "manifest.json").write_text(json.dumps(manifest, indent=1))


def _present(array: NDArray[Any] | None, id: str, kind: str) -> NDArray[Any]:
    if array is None:
        raise DataError(f"image {id!r} has no {kind}, which the set promises")
    return array


def open_image_set(root: Path) -> ImageSet:
    """Open an image set in our layout; raises `DataError` that names what is missing or makes no sense."""
    try:
        manifest, coco = read_json(root / "manifest.json"), read_json(root / "annotations.json")
    except FileNotFoundError as error:
        hint = f"is {root} an image set? (`bench data import` makes one)"
        raise DataError(f"{error.filename}: no such file; {hint}") from None
    except ValueError as error:
        raise DataError(f"{root}: broken JSON ({error}); render or import the set again") from None
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}; is {root} an image set?") from None
    for link in outward_links(root):
        raise DataError(f"{link}: a link that leads out of the set; put the file itself there, or import the set again")
    if not isinstance(manifest, dict) or manifest.get("layout") != LAYOUT:
        found = manifest.get("layout") if isinstance(manifest, dict) else None
        raise DataError(f"{root / 'manifest.json'}: layout {found!r}, this version reads {LAYOUT}")
    try:
        _check_manifest(manifest)
        digest = hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()
        return ImageSet(
            records=_records(root, coco, len(manifest["classes"])), class_names=tuple(manifest["classes"]),
            has=frozenset(manifest["labels"]), domain=manifest["domain"], kind=manifest["kind"], digest=digest,
            background_files=tuple(sorted((root / "backgrounds").glob("*.png"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        mend = "`bench data verify` says more; render or import the set again"
        raise DataError(f"{root}: manifest and annotations do not fit this layout ({what}); {mend}") from None


def _records(root: Path, coco: Mapping[str, Any], classes: int) -> tuple[Record, ...]:
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in coco["annotations"]:
        if not 1 <= annotation["category_id"] <= classes:
            raise ValueError(f"annotation {annotation['id']}: category_id {annotation['category_id']} of {classes}")
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    records = []
    for image in coco["images"]:
        file = PurePosixPath(image["file_name"])
        # The set may come from somebody else: it must not make us read files outside its own folder.
        if file.is_absolute() or ".." in file.parts or "\\" in str(file):
            raise ValueError(f"file name {image['file_name']!r} leads outside the set")
        if b"\0" in os.fsencode(file) or not file.stem:
            raise ValueError(f"file name {image['file_name']!r} is none")
        _check_size(image)
        annotations = by_image.get(image["id"], [])
        if not all(map(finite, (number for a in annotations for number in a["bbox"]))):
            raise ValueError(f"image {image['id']}: a box is not finite")
        vectors = {str(name): tuple(value) for name, value in image.get("vectors", {}).items()}
        if not all(map(finite, (number for value in vectors.values() for number in value))):
            raise ValueError(f"image {image['id']}: a vector is not of finite numbers")
        boxes = tuple((x, y, x + w, y + h) for x, y, w, h in (a["bbox"] for a in annotations))
        records.append(
            Record(
                root=root, id=file.stem, file=image["file_name"], width=image["width"], height=image["height"],
                group=str(image.get("group", image["id"])), boxes=boxes,
                classes=tuple(a["category_id"] - 1 for a in annotations),
                vectors=vectors,
            )
        )
    return tuple(records)


def _check_size(image: Mapping[str, Any]) -> None:
    """Memory is taken by the stated size, so it must be one that is read."""
    width, height = image["width"], image["height"]
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise ValueError(f"image {image['id']!r}: {width!r} x {height!r} is no size in pixels")
    check_pixels(width, height)


def _check_manifest(manifest: Mapping[str, Any]) -> None:
    for key in ("classes", "labels", "files"):
        if not isinstance(manifest[key], (list, dict)) or not all(isinstance(name, str) for name in manifest[key]):
            raise ValueError(f"'{key}' are no names")
    check_class_names(manifest["classes"])
    if unknown := set(manifest["labels"]) - set(LABELS):
        raise ValueError(f"unknown kind of label {min(unknown)!r}")
    if not all(isinstance(manifest[key], str) for key in ("domain", "kind")):
        raise ValueError("domain or kind is no word")
