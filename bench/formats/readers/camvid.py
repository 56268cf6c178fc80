"""CamVid: street scenes with 11 grouped classes or all 32, from colour masks (x_L.png) or SegNet's index masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.formats.label_lists import CAMVID_COLOURS, CAMVID_GROUPS
from bench.formats.semantic import VOID, Codes, listed_names, mask_items
from bench.formats.source import Option, Problems, Source, folder, image_files

OPTIONS = (
    Option("split", "folder to take, such as train beside trainannot", metavar="NAME"),
    Option("images", "folder of the images, relative to SRC (default: 701_StillsRaw_full, images)", metavar="DIR"),
    Option("masks", "folder of the masks, relative to SRC (default: LabeledApproved_full, labels, masks)",
           metavar="DIR"),
    Option("scheme", "11 grouped classes (default), or 32: all of them, from colour masks", metavar="N", default="11"),
    Option("list", "text file of the images to take, one name a line, relative to SRC", metavar="FILE"),
)
_SPLITS = ("train", "val", "test")


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read a folder; an image's group is its video sequence, the name up to the last underscore.

    Raises:
        DataError: no folder of images or of masks.
        UsageError: several splits and ``--split`` says not which, or a scheme that the masks do not have.
    """
    if options["scheme"] not in ("11", "32"):
        raise UsageError(f"--scheme {options['scheme']}: 11 or 32")
    images, masks = _folders(source, options)
    coloured = _coloured(masks)
    if not coloured and options["scheme"] == "32":
        raise UsageError(f"--scheme 32: the masks in {masks} are indices of the 11 groups; only colour masks have all")
    names, codes = _codes(options["scheme"], coloured)
    listed = listed_names(source / options["list"]) if options["list"] else None
    items = mask_items(
        images, masks, codes,
        lambda image: [image.with_name(f"{image.stem}_L.png"), image.with_suffix(".png")][:: 1 if coloured else -1],
        problems,
        group=lambda image: image.stem.rsplit("_", 1)[0],
        keep=lambda image: listed is None or image.stem in listed,
    )
    return Source(items, names, frozenset({"semantic"}), "real", "photographs")


def _folders(source: Path, options: Mapping[str, Any]) -> tuple[Path, Path]:
    split = options["split"]
    present = [name for name in _SPLITS if (source / f"{name}annot").is_dir()]
    if split is None and present and not options["images"]:
        if len(present) > 1:
            raise UsageError(f"{source} has {', '.join(present)}: choose one with --split")
        split = present[0]
    usual_images = [split] if split else ["701_StillsRaw_full", "images"]
    usual_masks = [f"{split}annot"] if split else ["LabeledApproved_full", "labels", "masks"]
    return (
        folder(source, options["images"], usual_images, "images", "--images or --split"),
        folder(source, options["masks"], usual_masks, "masks", "--masks or --split"),
    )


def _coloured(masks: Path) -> bool:
    """Whether the first readable mask is a picture in colours."""
    from bench.picture_files import open_picture

    for path in image_files(masks):
        try:
            return open_picture(path).mode not in ("L", "P", "I", "I;16")
        except (OSError, ValueError):
            continue
    return False


def _codes(scheme: str, coloured: bool) -> tuple[tuple[str, ...], Codes]:
    groups = CAMVID_GROUPS if scheme == "11" else {name: (name,) for name in CAMVID_COLOURS if name != "Void"}
    names = tuple(groups)
    if not coloured:
        return names, Codes({**{index: index for index in range(len(names))}, len(names): VOID})
    member = {part: index for index, parts in enumerate(groups.values()) for part in parts}
    return names, Codes(colours={colour: member.get(name, VOID) for name, colour in CAMVID_COLOURS.items()})
