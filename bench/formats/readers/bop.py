"""The BOP layout (LineMod and others), whole images: boxes of what is visible, depth (crops: see docs/bop.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.formats.depths import ScaledPng
from bench.formats.semantic import read_names
from bench.formats.source import Box, Item, Option, Problems, Source
from bench.reading import read_json

OPTIONS = (
    Option("split", "folder of the scenes, such as test or train_pbr (default: SRC holds the scenes)", metavar="NAME"),
    Option("min-visible", "objects of which a smaller fraction is visible get no box (default: 0.1)", metavar="F",
           default="0.1"),
    Option("names", "text file with the name of object 1, 2, ... a line, relative to SRC (default: object-1, ...)",
           metavar="FILE"),
)
_AGAIN = "download or unpack the scene again"


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read every scene; ``scene_gt_info.json`` gives the boxes (``bbox_visib``), ``scene_camera.json`` depth's scale.

    Classes are the objects that occur, in the order of their ids. The scene is the group. Depth is taken where every
    image has it.

    Raises:
        DataError: no scenes, or annotations that cannot be read.
        UsageError: a fraction or a split that makes no sense.
    """
    least = _fraction(options["min_visible"])
    root = source / options["split"] if options["split"] else source
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; --split names one below SRC")
    scenes = sorted(path for path in root.iterdir() if path.is_dir() and path.name.isdecimal())
    if not scenes:
        have = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) or "no folders"
        raise DataError(f"{root}: no scene folders such as 000001 (it has: {have}); name their folder with --split")
    names = read_names(source / options["names"]) if options["names"] else ()
    found = [entry for scene in scenes for entry in _images(scene, problems)]
    ids = sorted({number for _, _, boxes in found for number, _, _, _ in boxes})
    classes = {number: names[number - 1] if 0 < number <= len(names) else f"object-{number}" for number in ids}
    deep = all(item.maps for item, _, _ in found)
    items = []
    hidden = 0
    for item, where, boxes in found:
        kept = [Box(corners, classes[number], f"{where}[{k}]") for number, corners, seen, k in boxes if seen >= least]
        hidden += len(boxes) - len(kept)
        maps = item.maps if deep else {}
        items.append(
            Item(item.name, item.path, where, tuple(kept), item.group, maps=maps, depths=item.depths if deep else None)
        )
    if hidden:
        problems.note(f"{root}: {hidden} objects of which less than {least:g} is visible have no box")
    if not items:
        raise DataError(f"{root}: no annotated images; {_AGAIN}")
    return Source(tuple(items), tuple(classes.values()), frozenset({"boxes"} | ({"depth"} if deep else set())))


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"--min-visible {text}: a fraction from 0 to 1")
    return value


Seen = list[tuple[int, tuple[float, float, float, float], float, int]]
"""Object id, corners in pixels, visible fraction, and which annotation of the image."""


def _images(scene: Path, problems: Problems) -> Iterator[tuple[Item, str, Seen]]:
    truth, infos, cameras = (_load(scene / f"scene_{name}.json") for name in ("gt", "gt_info", "camera"))
    for key in sorted(truth, key=lambda text: (len(text), text)):
        where = f"{scene / 'scene_gt.json'}: image {key}"
        try:
            boxes = [_seen(entry, info, k) for k, (entry, info) in enumerate(zip(truth[key], infos[key], strict=True))]
            step = float(cameras[key]["depth_scale"])
            if not 1e-6 < step < 1e6:
                raise ValueError(f"depth_scale is {step:g}")
            scale = 1000 / step
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            reason = f"{type(error).__name__}: {error}"
            what = f"its entries in scene_gt, scene_gt_info and scene_camera do not fit ({reason})"
            problems.add("broken label", where, what, f"image left out; {_AGAIN}")
            continue
        stem = key.zfill(6)
        candidates = [scene / folder / f"{stem}{end}" for folder in ("rgb", "gray") for end in (".png", ".jpg", ".tif")]
        path = next((candidate for candidate in candidates if candidate.is_file()), candidates[0])
        depth = scene / "depth" / f"{stem}.png"
        yield (
            Item(
                f"{scene.parent.name}/{scene.name}/{path.name}", path, where, group=f"{scene.parent.name}-{scene.name}",
                maps={"depth": depth} if depth.is_file() else {},
                depths=ScaledPng(scale, mend="mend depth_scale in scene_camera.json"),
            ),
            where,
            [box for box in boxes if box[1][2] > box[1][0] and box[1][3] > box[1][1]],
        )


def _seen(
    entry: Mapping[str, Any], info: Mapping[str, Any], number: int
) -> tuple[int, tuple[float, float, float, float], float, int]:
    """One annotation; an object that is not visible at all has a box of -1 and is dropped by the caller."""
    x, y, width, height = (float(value) for value in info["bbox_visib"])
    return int(entry["obj_id"]), (x, y, x + width, y + height), float(info["visib_fract"]), number


def _load(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {_AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: broken JSON ({error}); {_AGAIN}") from None
    if not isinstance(data, dict):
        raise DataError(f"{path}: not a table of image ids; {_AGAIN}")
    return data
