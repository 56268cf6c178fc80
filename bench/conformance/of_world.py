"""What is asked of a world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from bench.conformance.common import check_class
from bench.conformance.run import Check, Failed
from bench.contracts import Context, SplitRequest, World
from bench.describe import construct
from bench.formats.duplicates import twins
from bench.formats.layout import open_image_set
from bench.formats.source import Problems
from bench.formats.verify import verify_set
from bench.samples import ImageSet, RealKind

COUNT, SIZE = 8, 32
Split = tuple[Literal["synthetic", "real"], Literal["train", "test"]]
SPLITS: tuple[Split, ...] = (("synthetic", "train"), ("real", "train"), ("real", "test"))


def checks(name: str, config: dict[str, Any], folder: Path) -> list[Check]:
    """The checks in order."""
    asked = _Asked(name, config, folder)
    return [
        ("contract: name, version, Config, real_kind", asked.contract),
        ("every split has its number of images, at the size asked for", asked.splits),
        ("its image sets are whole (`bench data verify`)", asked.verified),
        ("made twice, a split has the same bytes", asked.twice),
        ("another seed makes other images, or the fingerprint tells of files", asked.seeds),
        ("classes agree, and no picture is in training and test", asked.apart),
    ]


class _Asked:
    def __init__(self, name: str, config: dict[str, Any], folder: Path) -> None:
        self.name, self.config, self.folder = name, config, folder

    def world(self) -> World:
        world: World = construct("world", self.name, self.config)
        return world

    def request(self, domain: Literal["synthetic", "real"], split: Literal["train", "test"]) -> SplitRequest:
        request = SplitRequest(domain, split, COUNT, SIZE, 7)
        return replace(request, count=self.world().available(request))

    def made(self, request: SplitRequest, name: str) -> ImageSet:
        root = self.folder / name
        if not root.exists():
            self.world().image_set(request, Context(request.seed, root))
        return open_image_set(root)

    def sets(self) -> dict[Split, ImageSet]:
        return {split: self.made(self.request(*split), "-".join(split)) for split in SPLITS}

    def contract(self) -> str | None:
        cls: Any = check_class("world", self.name, World)
        if cls.real_kind not in get_args(RealKind):
            raise Failed(f"real_kind is {cls.real_kind!r}, not {' or '.join(get_args(RealKind))}")
        return None

    def splits(self) -> str | None:
        for split, images in self.sets().items():
            count = self.request(*split).count
            if len(images) != count:
                raise Failed(f"{'-'.join(split)}: {len(images)} images, but available() says {count}")
            if images.size != (SIZE, SIZE):
                raise Failed(f"{'-'.join(split)}: images are {images.size[1]}x{images.size[0]}, not {SIZE}x{SIZE}")
        return None

    def verified(self) -> str | None:
        problems = Problems()
        for split in self.sets():
            verify_set(self.folder / "-".join(split), problems)
        if problems.lines:
            raise Failed(f"{problems.lines[0]} ({problems.summary()})")
        return None

    def twice(self) -> str | None:
        for split, images in self.sets().items():
            again = self.made(self.request(*split), f"{'-'.join(split)}-again")
            if images.digest != again.digest:
                raise Failed(f"{'-'.join(split)} differs; draw everything from request.seed")
        return None

    def seeds(self) -> str | None:
        request = self.request("synthetic", "train")
        world = self.world()
        if world.fingerprint(request) != self.world().fingerprint(request):
            raise Failed("two instances give two fingerprints")
        if world.fingerprint(request):
            return "reads files, and has a fingerprint of them"
        other = self.made(replace(request, seed=8), "other-seed")
        if other.digest == self.sets()["synthetic", "train"].digest:
            raise Failed("no fingerprint, and request.seed changes nothing")
        return None

    def apart(self) -> str | None:
        sets = self.sets()
        names = {split: images.class_names for split, images in sets.items()}
        if len(set(names.values())) > 1:
            raise Failed(f"class lists differ between splits: {names}")
        train, test = (
            verify_set(self.folder / f"real-{split}", Problems()).prints for split in ("train", "test")
        )
        for one, other, exact in twins(train, test):
            if exact:
                raise Failed(f"{other.name} of real-test is {one.name} of real-train: every score would be a lie")
        return None
