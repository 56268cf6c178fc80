"""Where ``bench refine`` writes: a folder like the one it was given, that a second run goes on with.

Each image is written aside and renamed; a journal beside them says which input each came from. So a run that was
killed leaves whole images only, and the next one refines what is missing or has changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.contracts import Refined
from bench.errors import DataError, UsageError
from bench.formats.card import CARD, data_card, describe_contents
from bench.formats.digests import file_digest
from bench.formats.layout import ImageSetWriter, encode_png
from bench.formats.names import ids_of
from bench.formats.source import image_files
from bench.picture_files import open_picture
from bench.preservation import not_measured
from bench.reading import leads_out, read_json
from bench.samples import ImageSet, Labels, Sample

if TYPE_CHECKING:
    from bench.refining import Done, Trained

LONGEST_NAME = 255
"""Bytes of a file name on every usual file system."""
JOURNAL = ".refine.jsonl"
LABEL_FOLDERS = frozenset({
    "masks", "mask", "labels", "annotations", "depth", "depths", "instances", "foreground", "semantic",
})  # fmt: skip
"""Pictures in folders of these names are labels: copied, never refined."""

SAVING: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
"""How to save in formats that lose something by default."""

NOT_MEASURED = not_measured(
    "these images were refined outside of a run, and no model trained on real images has looked at them; what a run "
    "measured of its own refined sets stands in its quality.csv, and in the card of `bench data export RUN --set NAME`"
)


class Journal:
    """What was made of what: a first line that says by whom, then a line an image."""

    def __init__(self, target: Path, maker: Mapping[str, Any]) -> None:
        self.path = target / JOURNAL
        self.head = json.dumps(maker, sort_keys=True)
        self.known: dict[str, str] = {}
        if target.is_dir() and any(target.iterdir()):
            self._read(target)
        else:
            target.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.head + "\n", encoding="utf-8")

    def _read(self, target: Path) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        if not lines or lines[0] != self.head:
            what = "was made by another refiner, seed or input" if lines else "exists and was not made by this command"
            raise UsageError(f"--output {target}: {what}; choose another folder")
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                self.known[entry["file"]] = entry["input"]
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut off when the run was killed: its image is made again

    def add(self, file: str, digest: str) -> None:
        """Note that ``file`` was made of an input with this sha256."""
        with self.path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"file": file, "input": digest}) + "\n")

    def has(self, target: Path, file: str, digest: str) -> bool:
        """Whether ``file`` is there and was made of an input with this sha256."""
        return self.known.get(file) == digest and (target / file).is_file()


def _maker(trained: Trained, seed: int, kind: str) -> dict[str, Any]:
    return {"refiner": trained.name, "key": trained.facts.get("Key"), "seed": seed, "kind": kind}


def _provenance(manifest: Path) -> Any:
    try:
        return dict(read_json(manifest)).get("provenance")
    except (OSError, ValueError, TypeError):
        return None  # not of this command's making


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f".{path.name}.part"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.part"
    part = path.with_name(name)
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: {error.strerror}; free some space or choose another folder") from None


class PlainFolder:
    """A folder of images, in any arrangement: images keep name and place, every other file is copied as it is.

    Where there is a folder ``images``, what lies in it is refined and nothing else.
    """

    def __init__(self, trained: Trained, source: Path, target: Path, seed: int) -> None:
        self.trained, self.source, self.target, self.seed = trained, source, target, seed
        self.files = [path for path in image_files(source) if self._is_picture(path.relative_to(source))]
        self.count = len(self.files)
        if not self.files:
            raise UsageError(f"--input {source}: no images in it")
        self.journal = Journal(target, _maker(trained, seed, "folder"))
        self._digests: dict[str, tuple[str, str]] = {}

    def _is_picture(self, path: Path) -> bool:
        folders = [part.lower() for part in path.parts[:-1]]
        if (self.source / "images").is_dir():
            return "images" in folders
        return not LABEL_FOLDERS & set(folders)

    def samples(self, done: Done, tell: Callable[[str], None]) -> Iterator[Sample]:
        """Each image that is still to be made; broken ones are told and left out."""
        # Ids as an import would give them, so that a refiner draws the same for a folder and for its image set.
        ids = ids_of([path.relative_to(self.source).as_posix() for path in self.files])
        for id, path in zip(ids, self.files, strict=True):
            relative = path.relative_to(self.source)
            if leads_out(path, [self.source]):
                tell(f"{path}: a link that leads out of {self.source}; left out: put the file itself there")
                done.left_out += 1
                continue
            name = self._name(relative).as_posix()
            digest = file_digest(path)
            if self.journal.has(self.target, name, digest):
                done.kept += 1
                continue
            try:
                opened = open_picture(path)
                if opened.mode.startswith(("I", "F")):
                    raise ValueError(f"{opened.mode} pixels, expected 8 bit")
                pixels = np.asarray(opened.convert("RGB"))
            except (OSError, ValueError) as error:
                tell(f"{path}: not a readable image ({error}); left out")
                done.left_out += 1
                continue
            self._digests[id] = (name, digest)
            yield Sample(id, pixels, id, Labels())

    @staticmethod
    def _name(relative: Path) -> Path:
        """The output's name: the input's, so that label files go on to fit; a grey format cannot hold colours."""
        return relative.with_suffix(".png") if relative.suffix.lower() == ".pgm" else relative

    def put(self, sample: Sample, refined: Refined) -> None:
        """Write one image in the format of its name."""
        name, digest = self._digests.pop(sample.id)
        buffer = io.BytesIO()
        suffix = Path(name).suffix.lower()
        format = Image.registered_extensions()[suffix]
        options = SAVING.get(format, {})
        Image.fromarray(refined.image).save(buffer, format, **options)
        _write(self.target / name, buffer.getvalue())
        self.journal.add(name, digest)

    def close(self, done: Done) -> None:
        """Copy every other file, and write the card."""
        pictures = {path.relative_to(self.source) for path in self.files}
        for path in sorted(self.source.rglob("*")):
            relative = path.relative_to(self.source)
            hidden = any(part.startswith(".") for part in relative.parts)
            plain = path.is_file() and not leads_out(path, [self.source])
            if plain and relative not in pictures and not hidden and relative.as_posix() != CARD:
                copy = self.target / relative
                if not copy.is_file() or copy.read_bytes() != path.read_bytes():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)
                    done.copied += 1
        contents = f"{done.made + done.kept} refined images; {done.left_out} of the input could not be refined"
        facts = {"Refined by": self.trained.name, "Refining seed": self.seed, **self.trained.facts}
        _write(self.target / CARD, data_card("Refined images", contents, facts, NOT_MEASURED).encode())


class SetFolder:
    """An image set of ours: the output is one too, with the same labels."""

    def __init__(self, trained: Trained, images: ImageSet, target: Path, seed: int) -> None:
        self.trained, self.target, self.seed = trained, target, seed
        self.images = images.sensed(trained.sensors) if trained.sensors else images
        self.count = len(images)
        self.provenance = {**_maker(trained, seed, "set"), "input": images.digest}
        self.finished = (target / "manifest.json").is_file()
        if self.finished:
            made = _provenance(target / "manifest.json")
            if made != self.provenance:
                what = "was made by another refiner, seed or input"
                raise UsageError(f"--output {target}: {what}; choose another folder")
            return
        self.journal = Journal(target, self.provenance)
        self._labels: dict[str, Labels] = {}
        self._paths = {record.id: record.path for record in images.records}

    def samples(self, done: Done, tell: Callable[[str], None]) -> Iterator[Sample]:
        """Each image that is still to be made."""
        if self.finished:
            done.kept = self.count
            return
        for index, record in enumerate(self.images.records):
            try:
                digest = file_digest(record.path)
                # Refined sensor readings are not in the journal, so those images are made again.
                if not self.trained.sensors and self.journal.has(self.target, f"images/{record.id}.png", digest):
                    done.kept += 1
                    continue
                sample = self.images[index]
            except (DataError, OSError) as error:
                tell(f"{record.id}: {error}; left out")
                done.left_out += 1
                continue
            yield sample

    def put(self, sample: Sample, refined: Refined) -> None:
        """Write one image; its labels follow at the end."""
        _write(self.target / "images" / f"{sample.id}.png", encode_png(refined.image))
        self.journal.add(f"images/{sample.id}.png", file_digest(self._paths[sample.id]))
        if refined.depth is not None and "depth" in self.trained.sensors:
            self._labels[sample.id] = replace(sample.labels, depth=refined.depth)

    def close(self, done: Done) -> None:
        """Write labels, manifest and card around the images: from here on it is an image set."""
        if self.finished:
            return
        writer = ImageSetWriter(
            self.target, domain="refined", kind="rendered", class_names=self.images.class_names, labels=self.images.has,
            provenance=self.provenance,
        )
        for index, record in enumerate(self.images.records):
            path = self.target / "images" / f"{record.id}.png"
            if path.is_file():
                labels = self._labels.get(record.id) or self.images.labels(index)
                writer.add(record.id, path.read_bytes(), labels, group=record.group)
        facts = {
            "Refined by": self.trained.name, "Refining seed": self.seed,
            "Input": f"{self.images.domain} images, digest {self.images.digest[:12]}",
            **self.trained.facts,
        }  # fmt: skip
        contents = describe_contents(replace(self.images, domain="refined"))
        writer.add_file(CARD, data_card("Refined images", contents, facts, NOT_MEASURED).encode())
        writer.close()
        (self.target / JOURNAL).unlink()
