"""Virtual KITTI 1.3.1 (vkitti_1.3.1_rgb beside vkitti_1.3.1_depthgt) and 2 (Scene01/clone/frames/rgb/Camera_0)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.formats.depths import ScaledPng, chosen, depth_items
from bench.formats.source import Item, Option, Problems, Source

OPTIONS = (
    Option("world", "a world or scene to take (default: all), such as 0001 or Scene01; again for more", kind="list",
           metavar="NAME"),
    Option("variation", "a variation to take (default: all), such as clone or fog; again for more", kind="list",
           metavar="NAME"),
    Option("camera", "version 2: which of the two cameras (default: 0)", metavar="N", default="0"),
)
_RGB, _DEPTH = "vkitti_1.3.1_rgb", "vkitti_1.3.1_depthgt"
_CODES = ScaledPng(100.0, "these are not Virtual KITTI's centimetres; is it --format depth?", void=65535)


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read either version; depth is in 16-bit centimetres, the sky (655.35 m) and what is beyond 65 m is unknown.

    A frame's group is its world: the variations show the same places.

    Raises:
        DataError: neither version's folders are there, or they have no images.
        UsageError: a world or variation that is not there.
    """
    first = (source / _RGB).is_dir()
    root = source / _RGB if first else source
    worlds = sorted(path.name for path in root.iterdir() if path.is_dir() and (first or path.name.startswith("Scene")))
    if not worlds:
        raise DataError(f"{source}: no {_RGB} (version 1.3.1) and no Scene01 (version 2); give the folder with them")
    items: list[Item] = []
    for world in chosen(worlds, options["world"], "--world"):
        variations = sorted(path.name for path in (root / world).iterdir() if path.is_dir())
        for variation in chosen(variations, options["variation"], "--variation"):
            at = root / world / variation
            images = at if first else at / "frames" / "rgb" / f"Camera_{options['camera']}"
            depths = source / _DEPTH / world / variation if first else images.parents[1] / "depth" / images.name

            def depth_of(path: Path, depths: Path = depths) -> Path:
                return depths / f"{path.stem if first else path.stem.replace('rgb_', 'depth_')}.png"

            items += depth_items(images, depth_of, _CODES, root=root, group=lambda _, world=world: world)  # type: ignore[misc]
    return Source(tuple(items), tuple(options["classes"] or ()), frozenset({"depth"}), "synthetic", "rendered")
