"""A user's own data as a world: three folders, each an image set of ours (whatever its labels) or plain COCO."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from bench.contracts import Context, PluginConfig, Progress, SplitRequest, World
from bench.errors import DataError
from bench.formats.convert import Converter
from bench.formats.digests import file_digest, stamp
from bench.formats.registry import read_source
from bench.formats.source import Problems, Source, image_files
from bench.formats.write import write_samples
from bench.reading import read_json
from bench.samples import RealKind

_SPLITS = {("synthetic", "train"): "synthetic_train", ("real", "train"): "real_train", ("real", "test"): "real_test"}
_WITH_CLASSES = frozenset({"boxes", "semantic"})
"""Labels that count by the class list, which must then be the same in all folders."""


class CocoConfig(PluginConfig):
    """Where the data lies.

    Attributes:
        synthetic_train: rendered, labelled images.
        real_train: photographs; their labels are read for the ``real`` and ``hybrid`` arms alone. A folder of plain
            images will do where there are no such arms.
        real_test: labelled photographs that everything is scored on; without them refiners are trained and their
            images made, and nothing is scored.
        backgrounds: photographs of the empty scene by the same camera, if there are any.
        fit: "letterbox" keeps shapes and adds grey bars, "stretch" fills the square.
    """

    synthetic_train: Path
    real_train: Path
    real_test: Path | None = None
    backgrounds: Path | None = None
    fit: str = Field(default="letterbox", pattern="^(letterbox|stretch)$")


class Coco(World):
    """Your own renders and photographs: folders made by `bench data import`, or COCO JSON with its images.

    An image set of ours keeps all its labels (boxes, masks, depth, semantic maps, vectors); so a task may be any one
    whose labels the three folders have.
    """

    name = "coco"
    version = 1
    real_kind: ClassVar[RealKind] = "photographs"
    Config = CocoConfig

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Write the first ``count`` images of a seeded shuffle (0: all), fitted into ``size``.

        Raises:
            DataError: a folder is missing, classes differ between the folders, or a chosen image or label is broken.
        """
        split = self._split(request)
        source = self._source(split)
        self._check_classes()
        problems = Problems()
        converter = Converter(
            source, problems, size=request.size, fit=self.config.fit, class_names=self._class_names()
        )
        order = chosen(source, request)
        write_samples(
            converter, context.directory, domain=request.domain,
            kind="rendered" if request.domain == "synthetic" else self.real_kind,
            provenance={"world": self.name, "version": self.version, "split": split, "seed": request.seed},
            order=order, backgrounds=self._backgrounds(request, source),
            progress=lambda done: context.progress(Progress(done, len(order))),
        )
        if converter.left_out:
            more = f" (and {len(converter.left_out) - 1} more)" if len(converter.left_out) > 1 else ""
            hint = "`bench data import` makes a set without broken images"
            raise DataError(f"world.{split}: {converter.left_out[0]}{more}; {hint}")

    def fingerprint(self, request: SplitRequest) -> str:
        """sha256 over annotations, images, class list and empty scenes; no path and no time is in it."""
        split = self._split(request)
        self._source(split)
        parts = [_content(getattr(self.config, split)), *self._class_names()]
        if request.domain == "real" and self.config.backgrounds is not None:
            parts += [file_digest(path) for path in image_files(self.config.backgrounds)]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def available(self, request: SplitRequest) -> int:
        """How many images the split will have: ``count``, or all where that is 0 or more than there are."""
        return len(chosen(self._source(self._split(request)), request))

    def unscored(self) -> str | None:
        """Without ``real_test`` nothing is scored."""
        return None if self.config.real_test else "no labelled photographs to test on; name them as [world] real_test"

    def _split(self, request: SplitRequest) -> str:
        split = _SPLITS.get((request.domain, request.split))
        if split is None:
            known = ", ".join(_SPLITS.values())
            raise DataError(f"world 'coco' has no {request.domain} {request.split} split; it has {known}")
        return split

    def _source(self, split: str) -> Source:
        folder: Path = getattr(self.config, split)
        try:
            source = open_folder(folder)
        except DataError as error:
            raise DataError(f"world.{split}: {error}") from None
        expected = "synthetic" if split == "synthetic_train" else "real"
        if source.domain in {"synthetic", "real"} and source.domain != expected:
            mend = "swap the folders or import it again with --domain"
            raise DataError(f"world.{split}: {folder} was imported as {source.domain}; {mend}")
        if split != "real_train" and not source.labels:
            raise DataError(f"world.{split}: {folder} has no labels; only real_train may come without")
        return source

    def _class_names(self) -> tuple[str, ...]:
        """The renders' class list, which all three sets count by."""
        return self._source("synthetic_train").class_names

    def _check_classes(self) -> None:
        expected = self._class_names()
        for split in ("real_train", *(["real_test"] if self.config.real_test else [])):
            source = self._source(split)
            if source.labels & _WITH_CLASSES and set(source.class_names) != set(expected):
                missing = sorted(set(expected) - set(source.class_names))
                extra = sorted(set(source.class_names) - set(expected))
                parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(extra)}"] * bool(extra)
                mend = "rename them, or import with --classes or --ignore-class"
                odd = " and ".join(parts)
                raise DataError(f"world.{split}: its class list {odd}, unlike synthetic_train's; {mend}")

    def _backgrounds(self, request: SplitRequest, source: Source) -> list[Path]:
        if request.domain != "real":
            return []
        own = self.config.backgrounds
        if own is None:
            return list(source.backgrounds)
        found = image_files(own) if own.is_dir() else []
        if not found:
            mend = "name a folder of empty scenes, or leave it out"
            raise DataError(f"world.backgrounds: {own}: no images in it; {mend}")
        return found


def chosen(source: Source, request: SplitRequest) -> list[int]:
    """Indices of the split's items: a prefix of a shuffle that depends on the seed and the names alone."""
    by_name = sorted(range(len(source.items)), key=lambda index: source.items[index].name)
    shuffled = np.random.default_rng(request.seed).permutation(len(by_name))
    order = [by_name[position] for position in shuffled.tolist()]
    return order[: request.count] if request.count else order


def open_folder(folder: Path) -> Source:
    """An image set of ours, a COCO folder, or a folder of plain images (without labels); broken entries are fatal.

    Raises:
        DataError: no such folder, nothing in it, or something broken; one line that names it.
    """
    stamps = _stamps(folder) if folder.exists() else ()
    if folder.is_dir() and not stamps and image_files(folder):
        return read_source("images", folder)
    return _read(folder, stamps)


@cache
def _read(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> Source:
    """Read a folder once as long as its label files stay as they are; broken entries are fatal here."""
    if (folder / "manifest.json").is_file():
        return read_source("layout", folder)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder; paths are relative to the suite file")
    problems = Problems()
    source = read_source("coco", folder, problems=problems)
    if problems.lines:
        raise DataError(f"{problems.lines[0]} ({problems.summary()}; `bench data import` leaves broken ones out)")
    return source


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of the label files, so that a changed one is read again."""
    files = [folder] if folder.is_file() else sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    return tuple(stamp(path) for path in files if path.is_file())


def _content(folder: Path) -> str:
    """Digest of a folder: of the manifest's file list where there is one, else of the files themselves."""
    stamps = _stamps(folder)
    manifest = folder / "manifest.json"
    if manifest.is_file():
        files = read_json(manifest)["files"]
        return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    source = open_folder(folder)
    parts = [file_digest(Path(path)) for path, _, _ in stamps]
    for item in source.items:
        parts += [item.name, file_digest(item.path) if item.path.is_file() else ""]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
