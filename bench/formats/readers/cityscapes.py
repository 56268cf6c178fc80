"""Cityscapes: leftImg8bit/SPLIT/CITY and the label ids of gtFine, as the 19 evaluated classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.formats.label_lists import CITYSCAPES_IDS, cityscapes_values
from bench.formats.semantic import Codes, mask_items
from bench.formats.source import Option, Problems, Source, folder

OPTIONS = (
    Option("split", "train, val, test or train_extra ('all': every one)", metavar="NAME"),
    Option("labels", "gtFine (default) or gtCoarse", metavar="NAME", default="gtFine"),
)
_IMAGES = "leftImg8bit"


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read the folder that has leftImg8bit and gtFine; an image's group is its city and sequence.

    Raises:
        DataError: no such folders, or no images.
        UsageError: several splits and ``--split`` says not which.
    """
    kind, split = options["labels"], options["split"]
    if kind not in ("gtFine", "gtCoarse"):
        raise UsageError(f"--labels {kind}: gtFine or gtCoarse")
    images = folder(source, None, [_IMAGES, f"{_IMAGES}_trainvaltest/{_IMAGES}"], "images", "another SRC")
    masks = folder(source, None, [kind, f"{kind}_trainvaltest/{kind}"], "label ids", "another SRC")
    present = sorted(path.name for path in images.iterdir() if path.is_dir())
    if split is None and len(present) > 1:
        raise UsageError(f"{images} has {', '.join(present)}: choose one with --split, or all")
    if split not in (None, "all"):
        images = folder(images, split, [], "images", "--split")
        masks = folder(masks, split, [], "label ids", "--split")

    def mask_names(image: Path) -> Sequence[Path]:
        return [image.with_name(f"{_scene(image)}_{kind}_labelIds.png")]

    items = mask_items(
        images, masks, Codes(cityscapes_values()), mask_names, problems,
        group=lambda image: _scene(image).rsplit("_", 1)[0],
        keep=lambda image: image.stem.endswith(f"_{_IMAGES}"), extra=f"*_{kind}_labelIds.png",
    )
    return Source(items, tuple(CITYSCAPES_IDS.values()), frozenset({"semantic"}), "real", "photographs")


def _scene(image: Path) -> str:
    """``aachen_000000_000019`` of ``aachen/aachen_000000_000019_leftImg8bit.png``."""
    return image.stem.removesuffix(f"_{_IMAGES}")
