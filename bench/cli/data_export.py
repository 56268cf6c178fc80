"""``bench data export``: write an image set, a refined one above all, as a folder in the format that others read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options, open_store


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    from bench.formats.exporting import exporter_names

    parser = verbs.add_parser(
        "export", help="write an image set as COCO, YOLO, image folders, masks or depth, with a data card",
        description="Write SRC as a folder in a format that other programs read. SRC is an image set, or the folder "
                    "of a finished run, of which --set names one set.",
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="an image set, or the folder of a run")
    parser.add_argument("target", type=Path, metavar="DST", help="folder to write; must not exist, or be empty")
    parser.add_argument("--format", required=True, metavar="F", help=f"one of {', '.join(exporter_names())}")
    parser.add_argument("--set", metavar="NAME", dest="which",
                        help="of a run: a refiner's name, or synthetic-train, real-train, real-test")
    parser.add_argument("--replicate", type=int, default=0, metavar="R", help="of a refiner's sets (default: 0)")
    add_store_options(parser)
    parser.set_defaults(run_data=run)


def run(args: argparse.Namespace) -> int:
    """Export; whatever fails, nothing is left at DST."""
    from bench.errors import UsageError
    from bench.formats.card import CARD, data_card, describe_contents
    from bench.formats.exporting import export, import_options
    from bench.formats.layout import open_image_set
    from bench.formats.write import fresh_folder

    if not args.source.exists():
        raise UsageError(f"{args.source}: no such folder")
    root, facts, preservation = _source(args)
    images = open_image_set(root)
    with fresh_folder(args.target) as folder:
        left_out = export(images, args.format, folder)
        title = f"{images.domain.capitalize()} images, exported as {args.format}"
        card = data_card(title, describe_contents(images), facts, preservation, ", ".join(left_out))
        (folder / CARD).write_text(card, encoding="utf-8")
    print(f"{args.target}: {describe_contents(images)}")
    if left_out:
        print(f"not in this format: {', '.join(left_out)}")
    options = f"{import_options(args.format)} --domain {'real' if images.domain == 'real' else 'synthetic'}"
    print(f"read it back: python -m bench data import {args.target} SET {options}")
    return 0


def _meta(path: Path) -> dict[str, Any]:
    from bench.errors import DataError
    from bench.reading import read_json

    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not what a run writes ({error}); export the run's set again") from None


def _source(args: argparse.Namespace) -> tuple[Path, dict[str, Any], str]:
    """The image set's folder, how it was made, and what was measured of its labels (or why nothing was)."""
    from bench.formats.card import artifact_facts
    from bench.preservation import measured, not_measured
    from bench.reading import read_json
    from bench.runs import choose, is_run, made
    from bench.store import ARTIFACT

    if is_run(args.source):
        store = open_store(args)
        sets = [item for item in made(args.source, store) if item.kind != "fit"]
        item = choose(sets, args.which, args.replicate, "--set", "set")
        real = not_measured("these are the real images, with the labels that they came with")
        told = measured(args.source, item.arm, args.replicate) if item.arm else real
        return store.path(item.key), artifact_facts(item.meta), told
    how = "`bench data export RUN --set NAME` tells what a run measured"
    alone = not_measured(f"this set was exported by itself; {how}")
    if (args.source / ARTIFACT).is_file():
        return args.source, artifact_facts(_meta(args.source / ARTIFACT)), alone
    try:
        provenance = dict(read_json(args.source / "manifest.json")["provenance"])
    except (OSError, ValueError, KeyError, TypeError):
        provenance = {}  # opening the set will say what is wrong
    return args.source, {str(key).capitalize(): value for key, value in provenance.items()}, alone
