"""``bench data show``: a contact sheet of image sets with boxes and class names drawn."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data_render import add_set_options, render_plan, split_name
from bench.cli.options import open_store

if TYPE_CHECKING:
    from bench.drawing import U8
    from bench.samples import ImageSet

TILE = 288
"""Long side of a tile in pixels; small images are magnified by the whole factor that comes nearest."""


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "show", help="contact sheet with boxes and class names",
        description="Draw a contact sheet of an image set, of every image set in a folder, or of a suite's sets.",
    )
    add_set_options(parser)
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), metavar="FILE", help="default: sheet.png")
    parser.add_argument("--images", type=int, default=12, metavar="N", help="images of each set (default: 12)")
    parser.add_argument("--columns", type=int, default=6, metavar="N", help="images in a row (default: 6)")
    parser.set_defaults(run_data=run)


def run(args: argparse.Namespace) -> int:
    """Write the sheet and say what is in the sets."""
    from PIL import Image

    from bench.cli.data_import import describe_set
    from bench.errors import UsageError

    if args.images < 1 or args.columns < 1:
        raise UsageError(f"--images {args.images} --columns {args.columns}: both must be 1 or more")
    if args.out.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp"}:
        raise UsageError(f"--out {args.out}: a picture file, such as sheet.png")
    sets = find_sets(args)
    sheet = draw_sets(sets, args.images, args.columns)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.out)
    for name, images in sets.items():
        print(describe_set(name, images))
    print(f"written: {args.out}")
    return 0


def find_sets(args: argparse.Namespace) -> dict[str, ImageSet]:
    """The image sets that the argument means, by name.

    Raises:
        UsageError: a folder without any, or a suite whose sets have not been made.
    """
    from bench.errors import UsageError
    from bench.formats.layout import open_image_set

    folder = Path(args.world)
    if folder.is_dir():
        roots = [folder] if (folder / "manifest.json").is_file() else sorted(
            path.parent for path in folder.glob("*/manifest.json")
        )
        if not roots:
            raise UsageError(f"{folder}: no image set in it; `bench data import` makes one")
        return {str(root): open_image_set(root) for root in roots}
    store = open_store(args)
    plan = render_plan(args, store)
    made = {split_name(stage): store.path(key) for key, stage in plan.stages.items() if store.has(key)}
    if not made:
        profile = f" --profile {args.profile}" if args.profile else ""
        raise UsageError(f"{args.world}: nothing made yet; `python -m bench data render {args.world}{profile}` does it")
    return {name: open_image_set(root) for name, root in made.items()}


def draw_sets(sets: Mapping[str, ImageSet], count: int, columns: int) -> U8:
    """One sheet a set, under each other: ``count`` images spread evenly over it, then a row of its empty scenes."""
    import numpy as np

    from bench.drawing import PAPER, contact_sheet

    sheets = []
    for name, images in sets.items():
        chosen = sorted(set(np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int).tolist()))
        tiles, titles = draw_tiles(images, chosen)
        for number, background in enumerate(images.backgrounds()[:columns]):
            tiles.append(_tile(background, [], [], []))
            titles.append(f"empty scene {number}")
        heading = f"{name}: {images.domain} ({images.kind}), {len(chosen)} of {len(images)} images"
        sheets.append(contact_sheet(tiles, min(columns, len(tiles)), titles, heading=heading))
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [
        np.pad(sheet, ((0, 12), (0, width - sheet.shape[1]), (0, 0)), constant_values=PAPER[0]) for sheet in sheets
    ]
    return np.concatenate(padded)


def draw_tiles(images: ImageSet, indices: Sequence[int]) -> tuple[list[U8], list[str]]:
    """Images with their boxes drawn, or tinted by class where there are semantic maps and no boxes, and their ids."""
    from bench.drawing import draw_semantic

    tiles, titles = [], []
    for index in indices:
        record = images.records[index]
        boxes, classes = (record.boxes, record.classes) if "boxes" in images.has else ((), ())
        image = images.image(index)
        semantic = images.labels(index).semantic if "semantic" in images.has and "boxes" not in images.has else None
        if semantic is not None:
            image = draw_semantic(image, semantic)
        tiles.append(_tile(image, boxes, [images.class_names[cls] for cls in classes], classes))
        titles.append(record.id)
    return tiles, titles


def _tile(image: U8, boxes: Any, names: Sequence[str], classes: Sequence[int]) -> U8:
    from bench.drawing import draw_boxes, magnification

    height, width = image.shape[:2]
    scale: float = magnification(height, width, TILE)
    if max(height, width) > TILE * 1.5:
        scale = TILE / max(height, width)
    return draw_boxes(image, boxes, names, scale, classes)
