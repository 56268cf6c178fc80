"""Checking an image set of ours file by file: everything that is broken is named, and the check goes on to the end."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.errors import DataError
from bench.formats.convert import EDGE
from bench.formats.duplicates import Fingerprint, fingerprint
from bench.formats.layout import LAYOUT, MAPS
from bench.formats.semantic import VOID
from bench.formats.source import Problems, inside
from bench.picture_files import open_picture
from bench.reading import finite, outward_links, read_bytes, read_json

SATURATED = 65535
"""The largest depth that a 16-bit millimetre PNG holds: 65.5 m, where farther things end up."""
Entry = Mapping[str, Any]
_MANIFEST = {"files": dict, "classes": list, "labels": list}
_AGAIN = "render or import the set again"
_RESTORE = "restore it or import the set again"


@dataclass(frozen=True, slots=True)
class Checked:
    """What other sets are compared with: domain, fingerprints of the readable images, and groups of several images."""

    domain: str = ""
    prints: tuple[Fingerprint, ...] = ()
    groups: frozenset[str] = frozenset()


def verify_set(root: Path, problems: Problems) -> Checked:
    """Check an image set to its end.

    Checked are the manifest's sha256 of every file, files that it does not know, each image (opens, size), each box
    (inside, known class), each mask (opens, size, instance numbers), depth (not all unknown or saturated), vectors
    (finite), and images that occur twice.
    """
    checker = _Checker(root, problems)
    manifest, coco = checker.load("manifest.json"), checker.load("annotations.json")
    if manifest is None or coco is None:
        return Checked()
    if manifest.get("layout") != LAYOUT or not all(isinstance(manifest.get(k), t) for k, t in _MANIFEST.items()):
        what = f"not a manifest of layout {LAYOUT}, which this version reads"
        problems.add("broken manifest", str(root / "manifest.json"), what, _AGAIN)
        return Checked()
    checker.files(manifest["files"])
    prints = checker.images(coco, manifest)
    groups = Counter(str(image.get("group")) for image in _entries(coco, "images"))
    return Checked(str(manifest.get("domain")), tuple(prints), frozenset(name for name, n in groups.items() if n > 1))


class _Checker:
    def __init__(self, root: Path, problems: Problems) -> None:
        self.root, self.problems = root, problems
        self.annotations = str(root / "annotations.json")

    def load(self, name: str) -> dict[str, Any] | None:
        path = self.root / name
        try:
            data = read_json(path)
            if not isinstance(data, dict):
                raise ValueError("no object")
            return data
        except FileNotFoundError:
            self.problems.add("missing file", str(path), "no such file", _AGAIN)
        except (OSError, ValueError) as error:
            self.problems.add("broken manifest", str(path), f"not valid JSON ({error})", _AGAIN)
        return None

    def files(self, files: Mapping[str, Any]) -> None:
        """sha256 of every file in the manifest, and files that it does not know."""
        for name, digest in files.items():
            path = self.root / name
            try:
                found = read_bytes(inside(self.root, name, str(self.root / "manifest.json")))
            except DataError as error:
                self.problems.left_out("broken manifest", error)
            except (OSError, ValueError) as error:
                what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self.problems.add("missing file", str(path), what, _RESTORE)
            else:
                if hashlib.sha256(found).hexdigest() != digest:
                    what = "its bytes are not those of the manifest (sha256)"
                    self.problems.add("changed file", str(path), what, _RESTORE)
        for link in outward_links(self.root):
            self.problems.add("link", str(link), "a link that leads out of the set", "put the file itself there")
        present = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}
        for name in sorted(present - files.keys() - {"manifest.json", "artifact.json"}):
            self.problems.add("unknown file", str(self.root / name), "the manifest does not list it", "remove it")

    def images(self, coco: Entry, manifest: Entry) -> list[Fingerprint]:
        by_image = self._by_image(coco, len(manifest["classes"]))
        prints: list[Fingerprint] = []
        names: set[str] = set()
        pixels: dict[str, str] = {}
        known: set[Any] = set()
        for index, image in enumerate(_entries(coco, "images")):
            where = f"{self.annotations}: images[{index}]"
            name, key = image.get("file_name"), image.get("id")
            twice = isinstance(key, (int, str)) and key in known
            known.add(key if isinstance(key, (int, str)) else None)
            if not isinstance(name, str) or not isinstance(key, (int, str)):
                self.problems.add("broken label", where, "no file_name or no id", "mend or remove the entry")
                continue
            if twice or name in names:
                what = f"{name} or its id {key!r} occurs before"
                self.problems.add("duplicate", where, what, "remove one of the two")
            names.add(name)
            found = self._image(name, image, by_image.get(key, []), manifest, f"{where} ({name})")
            if found is None:
                continue
            first = pixels.setdefault(found.pixels, name)
            if first != name:
                self.problems.add("duplicate", f"{where} ({name})", f"same pixels as {first}", "remove one of the two")
            prints.append(found)
        for key in by_image.keys() - known:
            where = by_image[key][0][0]
            self.problems.add("broken label", where, f"image_id {key!r} is none of the images", "mend or remove it")
        return prints

    def _by_image(self, coco: Entry, classes: int) -> dict[Any, list[tuple[str, Entry]]]:
        by_image: dict[Any, list[tuple[str, Entry]]] = {}
        for number, annotation in enumerate(_entries(coco, "annotations")):
            where = f"{self.annotations}: annotations[{number}]"
            key, category = annotation.get("image_id"), annotation.get("category_id")
            if not isinstance(category, int) or not 1 <= category <= classes:
                what = f"category_id {category!r} is none of 1 to {classes}"
                self.problems.add("unknown class", where, what, "mend it or add the class")
            by_image.setdefault(key if isinstance(key, (int, str)) else None, []).append((where, annotation))
        return by_image

    def _image(
        self, name: str, entry: Entry, annotations: list[tuple[str, Entry]], manifest: Entry, where: str
    ) -> Fingerprint | None:
        try:
            path = inside(self.root, name, where)
        except DataError as error:
            self.problems.left_out("unsafe file name", error)
            return None
        image = self._open(path, "image", where)
        if image is None:
            return None
        width, height = image.size
        stated = entry.get("width"), entry.get("height")
        if stated != (width, height):
            what = f"annotated as {stated[0]}x{stated[1]}, the file is {width}x{height}"
            self.problems.add("size differs", where, what, "mend the size or the file")
        for box_where, annotation in annotations:
            self._box(annotation, f"{box_where} ({name})", width, height)
        for kind in MAPS:
            if kind in manifest["labels"]:
                counts = len(annotations), len(manifest["classes"])
                self._map(self.root / kind / f"{path.stem}.png", kind, (width, height), *counts)
        vectors = entry.get("vectors")
        for label, vector in (vectors if isinstance(vectors, dict) else {}).items():
            if not _finite(vector):
                self.problems.add("broken vector", where, f"{label} is {vector!r}", "mend it: finite numbers only")
        return fingerprint(name, image.convert("RGB"))

    def _open(self, path: Path, what: str, where: str) -> Image.Image | None:
        try:
            return open_picture(path)
        except FileNotFoundError:
            self.problems.add(f"missing {what}", where, f"no file {path}", "restore it or remove its entry")
        except (OSError, ValueError) as error:
            self.problems.add(f"broken {what}", where, f"{path}: {error}", "replace or remove it")
        return None

    def _box(self, annotation: Entry, where: str, width: int, height: int) -> None:
        bbox = annotation.get("bbox")
        if not isinstance(bbox, list) or len(bbox) != 4 or not _finite(bbox):
            self.problems.add("broken box", where, f"bbox {bbox!r} is not four finite numbers", "mend or remove it")
            return
        x, y, w, h = bbox
        if w <= 0 or h <= 0:
            self.problems.add("broken box", where, f"bbox {bbox} has no area", "mend or remove it")
        elif max(-x, -y, x + w - width, y + h - height) > EDGE:
            what = f"bbox {bbox} leaves the {width}x{height} image"
            self.problems.add("box outside the image", where, what, "mend or remove it")

    def _map(self, path: Path, kind: str, size: tuple[int, int], boxes: int, classes: int) -> None:
        image = self._open(path, "mask", str(path))
        if image is None:
            return
        array: NDArray[Any] = np.asarray(image)
        if array.shape != (size[1], size[0]):
            what = f"shape {'x'.join(map(str, array.shape[::-1]))}, the image is {size[0]}x{size[1]}"
            self.problems.add("mask of another size", str(path), what, "render or export it again")
            return
        what, mend = _map_complaint(array, kind, boxes, classes)
        if what:
            self.problems.add(f"broken {kind}", str(path), what, mend)


def _map_complaint(array: NDArray[Any], kind: str, boxes: int, classes: int) -> tuple[str, str]:
    """What is wrong with a label map's values and the mend; empty when nothing is."""
    if kind == "instances" and int(array.max(initial=0)) > boxes:
        return f"instance {array.max()}, but the image has {boxes} boxes", "add the box or mend the mask"
    if kind == "foreground" and not np.isin(array, (0, 255)).all():
        return "values other than 0 and 255", "write 255 for foreground"
    if kind == "semantic" and (strange := array[(array >= classes) & (array != VOID)]).size:
        return f"value {strange[0]}, but there are {classes} classes (void is {VOID})", "mend the mask or classes"
    if kind == "depth" and not array.any():
        return "no pixel has a depth (NaN or infinite when it was written?)", "render it again"
    if kind == "depth" and float((array == SATURATED).mean()) > 0.5:
        return f"most of it is {SATURATED / 1000:.1f} m or more", "check its unit: millimetres are expected"
    return "", ""


def _entries(coco: Entry, key: str) -> list[Entry]:
    values = coco.get(key)
    return [entry for entry in (values if isinstance(values, list) else []) if isinstance(entry, dict)]


def _finite(values: Any) -> bool:
    return isinstance(values, list) and all(map(finite, values))
