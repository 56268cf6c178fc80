"""KITTI raw data with depth from the laser scanner, as the Eigen split and its kin list it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.formats.depths import listed
from bench.formats.laser import LaserScan
from bench.formats.source import Item, Option, Problems, Source, inside

OPTIONS = (
    Option("list", "text file of the images: 'date/drive/image_02/data/0000000005.png' or 'date/drive 5 l' a line; "
           "relative to SRC", metavar="FILE"),
)
_CAMERAS = {"l": "image_02", "r": "image_03"}


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read the folder with the dates; without ``--list``, every image of the left colour camera.

    The scan of an image is projected into it with the date's calib files: sparse depth along the camera's axis, 0 where
    no point falls. Frames without a scan are named and left out. A frame's group is its drive.

    Raises:
        DataError: the list or every image is missing, or a line is no image.
    """
    if options["list"]:
        where = source / options["list"]
        names = [_name(words, f"{where}:{number}") for number, words in enumerate(listed(where), 1)]
    else:
        where = source
        names = [
            path.relative_to(source).as_posix()
            for ending in ("png", "jpg") for path in sorted(source.glob(f"*/*/image_02/data/*.{ending}"))
        ]
    if not names:
        raise DataError(f"{source}: no date/drive/image_02/data/*.png below; give the folder that has the dates")
    items = []
    for number, name in enumerate(names, 1):
        at = f"{where}:{number}"
        path = inside(source, name, at)
        if not path.is_file() and path.with_suffix(".jpg").is_file():
            path = path.with_suffix(".jpg")
        drive, camera = path.parents[2], path.parents[1].name
        scan = drive / "velodyne_points" / "data" / f"{path.stem}.bin"
        items.append(
            Item(name, path, at, group=drive.name, maps={"depth": scan}, depths=LaserScan(drive.parent, camera[-2:]))
        )
    return Source(tuple(items), tuple(options["classes"] or ()), frozenset({"depth"}), "real", "photographs")


def _name(words: list[str], where: str) -> str:
    """The image's path below the folder with the dates."""
    parts = words[0].replace("\\", "/").strip("/").split("/")
    if len(words) >= 3 and len(parts) == 2 and words[1].isdecimal() and len(words[1]) <= 10 and words[2] in _CAMERAS:
        return f"{words[0].strip('/')}/{_CAMERAS[words[2]]}/data/{int(words[1]):010d}.png"
    if len(parts) == 5 and parts[2] in _CAMERAS.values() and parts[3] == "data":
        return "/".join(parts)
    mend = "write 'date/drive/image_02/data/0000000005.png' or 'date/drive 5 l'"
    raise DataError(f"{where}: {' '.join(words)[:60]!r} is no image of KITTI raw; {mend}")
