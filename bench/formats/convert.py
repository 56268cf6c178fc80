"""From any reader's items to samples of one size: each image is opened, each box checked, and what is broken is named.

An image whose label cannot be used is left out whole: an object without its box would count against a model that finds
it. A box that only reaches over the edge is clipped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import UsageError, did_you_mean
from bench.formats.geometry import MAP_PADDING, Placement, place
from bench.formats.loading import Broken, decode, drawn_instances, read_bytes, read_map
from bench.formats.names import check_class_names, ids_of
from bench.formats.semantic import VOID
from bench.formats.source import Box, Item, Problems, Source
from bench.samples import Labels

EDGE = 1.0
"""A box may reach over the edge by so many pixels (rounding) and is clipped without a word."""
SMALLEST = 1.0
"""Boxes with a side below so many pixels after resizing are left out: nothing of the object is to be seen."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A sample to be written: ``image`` is (H, W, 3) uint8, or the file's own bytes if nothing changed."""

    id: str
    image: NDArray[np.uint8] | bytes
    suffix: str
    labels: Labels
    group: str | None


class Converter:
    """Turns the items of a source into samples.

    Args:
        source: what a reader found.
        size: side of the square that every image is fitted into, or None to keep sizes.
        fit: "letterbox" or "stretch" (`bench.formats.geometry.place`).
        class_names: names in the order that labels should count them; the source's own list by default.
        ignore: classes whose boxes are dropped on purpose, by their names after ``rename``.
        rename: new names of the source's classes; several that get one name become one class.
        group: a regular expression that finds the scene or sequence in an image's name (its first bracketed part).
        problems: where broken things are noted; ``left_out`` has the lines of images that were left out.
    """

    def __init__(
        self,
        source: Source,
        problems: Problems,
        *,
        size: int | None = None,
        fit: str = "letterbox",
        class_names: Sequence[str] | None = None,
        ignore: Collection[str] = (),
        rename: Mapping[str, str] | None = None,
        group: str | None = None,
    ) -> None:
        self.source, self.problems, self.size, self.fit = source, problems, size, fit
        self.ignore, self._rename = frozenset(ignore), dict(rename or {})
        for name in set(self._rename) - set(source.class_names):
            raise UsageError(f"--rename {name}=...: no such class{did_you_mean(name, source.class_names)}")
        self._names = [self._rename.get(name, name) for name in source.class_names]
        check_class_names([*self._names, *(class_names or ())])
        for name in self.ignore - set(self._names):
            raise UsageError(f"--ignore-class {name}: no such class{did_you_mean(name, self._names)}")
        listed = class_names or dict.fromkeys(self._names)
        self.class_names = tuple(name for name in listed if name not in self.ignore)
        if len(set(self.class_names)) != len(self.class_names):
            raise UsageError(f"classes {', '.join(self.class_names)}: a name occurs twice")
        self._index = {name: number for number, name in enumerate(self.class_names)}
        try:
            self._group = re.compile(group) if group else None
        except re.error as error:
            raise UsageError(f"--group {group}: not a regular expression ({error})") from None
        self._ids = ids_of([item.name for item in source.items])
        self._digests: dict[str, str] = {}
        self.tiny = self.ignored = 0
        self.left_out: list[str] = []

    def samples(self, order: Sequence[int] | None = None) -> Iterator[Ready]:
        """Yield the usable items in order (of indices into the source's items); broken ones are noted and left out."""
        for index in range(len(self.source.items)) if order is None else order:
            item = self.source.items[index]
            try:
                yield self._ready(item, self._ids[index])
            except Broken as broken:
                kind, where, what, mend = broken.args
                self.problems.add(kind, where, what, f"image left out; {mend}")
                self.left_out.append(self.problems.lines[-1])
        if self.tiny:
            self.problems.note(f"{self.tiny} boxes under {SMALLEST:g} pixel at this size left out")
        if self.ignored:
            self.problems.note(f"{self.ignored} boxes of ignored classes dropped")

    def _ready(self, item: Item, id: str) -> Ready:
        data = read_bytes(item)
        digest = hashlib.sha256(data).hexdigest()
        if item.sha256 and digest != item.sha256:
            raise Broken("changed", item.where, f"{item.path} is not what the manifest says", "render or import again")
        image, same = decode(data, item)
        first = self._digests.setdefault(digest, item.name)
        if first != item.name:
            what = f"{item.path} has the same bytes as {first}"
            raise Broken("duplicate", item.where, what, "remove one of the two")
        placement = place(*image.size, self.size, self.fit)
        kept, corners = self._boxes(item, placement)
        maps = self._maps(item, placement, kept)
        labels = Labels(
            boxes=corners.astype(np.float32),
            classes=np.array([self._index[self._class(item.boxes[k])] for k in kept], np.int64),
            instances=maps.get("instances"), foreground=maps.get("foreground"), depth=maps.get("depth"),
            semantic=maps.get("semantic"),
            vectors={name: np.asarray(value, np.float32) for name, value in item.vectors.items()},
        )
        suffix = {"JPEG": ".jpg", "PNG": ".png"}.get(same or "", "")
        if placement.unchanged and suffix:
            return Ready(id, data, suffix, labels, self._group_of(item))
        fitted = placement.image(image)
        # Frames of a video may differ in bytes and be one picture at this size; a world would refuse the set then.
        pixels = hashlib.sha256(fitted.tobytes()).hexdigest()
        twin = self._digests.setdefault(pixels, item.name)
        if twin != item.name:
            what = f"{item.path} is the same picture as {twin} at this size"
            raise Broken("duplicate", item.where, what, "remove one of the two")
        return Ready(id, fitted, ".png", labels, self._group_of(item))

    def _group_of(self, item: Item) -> str | None:
        if self._group is None:
            return item.group
        found = self._group.search(item.name)
        if not found:
            raise Broken("no group", item.where, f"--group finds nothing in {item.name}", "widen the expression")
        return found.group(1) if found.re.groups else found.group(0)

    def _boxes(self, item: Item, placement: Placement) -> tuple[list[int], NDArray[np.float64]]:
        """Indices of the boxes that stay, and their corners in the target's pixels."""
        width, height = placement.source
        kept, inside = [], []
        for number, box in enumerate(item.boxes):
            name = self._class(box)
            if name in self.ignore:
                self.ignored += 1
                continue
            if name not in self._index:
                what = f"unknown class {name!r}{did_you_mean(name, self.class_names)}"
                raise Broken("unknown class", box.where, what, "mend it, or see --classes and --ignore-class")
            inside.append(self._clipped(box, item, width, height))
            kept.append(number)
        moved = placement.boxes(np.array(inside))
        sides = moved[:, 2:] - moved[:, :2]
        large: NDArray[np.bool_] = np.asarray((sides >= SMALLEST).all(axis=1) | placement.unchanged)
        self.tiny += int((~large).sum())
        return [k for k, fits in zip(kept, large, strict=True) if fits], moved[large]

    def _class(self, box: Box) -> str:
        return self._rename.get(box.class_name, box.class_name)

    def _clipped(self, box: Box, item: Item, width: int, height: int) -> tuple[float, float, float, float]:
        factor = np.array([width, height] * 2 if item.relative else [1.0] * 4)
        x0, y0, x1, y1 = corners = (np.array(box.corners) * factor).tolist()
        shown = f"box {', '.join(f'{value:g}' for value in corners)}"
        if not np.isfinite(corners).all() or x1 <= x0 or y1 <= y0:
            raise Broken("broken box", box.where, f"{shown} has no area", "mend or remove it")
        clipped = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
        if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
            what = f"{shown} lies outside the {width}x{height} image"
            raise Broken("box outside the image", box.where, f"{what} {item.path.name}", "mend or remove it")
        if max(-x0, -y0, x1 - width, y1 - height) > EDGE:
            what = f"{shown} reaches out of the {width}x{height} image {item.path.name}"
            self.problems.add("box outside the image", box.where, what, "clipped; mend it if that is not right")
        return clipped

    def _semantic(self, array: NDArray[np.uint8], item: Item) -> NDArray[np.uint8]:
        """Class indices of the source to those that are asked for; ignored classes become void."""
        names, path = self._names, item.maps["semantic"]
        table = np.full(256, VOID, np.uint8)
        for value in np.flatnonzero(np.bincount(array.ravel(), minlength=256)).tolist():
            if value == VOID:
                continue
            if value >= len(names):
                what = f"{path}: value {value}, but there are {len(names)} classes"
                raise Broken("broken mask", item.where, what, "mend the mask or the class list")
            if names[value] in self.ignore:
                continue
            if names[value] not in self._index:
                what = f"{path}: unknown class {names[value]!r}{did_you_mean(names[value], self.class_names)}"
                raise Broken("unknown class", item.where, what, "see --classes and --ignore-class")
            table[value] = self._index[names[value]]
        return table[array]

    def _maps(self, item: Item, placement: Placement, kept: list[int]) -> dict[str, Any]:
        """Label maps in the target's pixels; instances are numbered by the boxes that stay."""
        maps = {kind: read_map(path, kind, placement.source, item) for kind, path in item.maps.items()}
        if "semantic" in maps:
            maps["semantic"] = self._semantic(maps["semantic"], item)
        promised = self.source.labels
        if "instances" in promised and "instances" not in maps:
            maps["instances"] = drawn_instances(item, placement.source)
        if "instances" in maps:
            instances = np.zeros_like(maps["instances"])
            for new, old in enumerate(kept, 1):
                instances[maps["instances"] == old + 1] = new
            maps["instances"] = instances
            if "foreground" in promised and "foreground" not in maps:
                maps["foreground"] = instances > 0
        return {kind: placement.map(array, MAP_PADDING[kind]) for kind, array in maps.items()}


def provenance(
    format: str, options: Mapping[str, Any], size: int | None, fit: str, rename: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the manifest remembers of an import; no folder of the user's machine is in it."""
    kept = {key: value for key, value in options.items() if value not in (None, False, [])}
    renamed = {"rename": dict(rename)} if rename else {}
    made = {"made by": "import", "format": format, "options": kept, "size": size, "fit": fit if size else None}
    return made | renamed
