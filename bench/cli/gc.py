"""``bench gc``: free artifacts that the named suites do not reach, and leftovers of stages that ended badly."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options, open_store


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("gc", help="free artifacts that no result of your runs reaches")
    add_store_options(parser)
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder of the results whose artifacts are kept (default: runs)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be freed, and free nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Free what no ``keys.json`` under ``--runs`` names; artifacts under a lease are never touched."""
    from bench.errors import UsageError
    from bench.reading import read_json

    store = open_store(args)
    kept: set[str] = set()
    lists = sorted(args.runs.glob("**/keys.json"))
    if not lists:
        raise UsageError(
            f"{args.runs}: no finished run in it, so nothing says what to keep; name the folder with --runs"
        )
    for path in lists:
        try:
            listed = read_json(path)
        except (OSError, ValueError) as error:
            what = f"cannot be read ({error}), so what to keep is not known"
            raise UsageError(f"{path}: {what}; mend or remove it") from None
        if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
            raise UsageError(f"{path}: no list of keys, so what to keep is not known; mend or remove it")
        kept |= set(listed)
    freed = 0
    for folder in [*(store.path(key) for key in sorted(store.keys())), *_leftovers(store.root)]:
        key = folder.name
        if (key in kept and folder.parent.name != "damaged") or (store.root / "leases" / key).exists():
            continue
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        freed += size
        print(f"{'would free' if args.dry_run else 'freed'} {size / 2**20:8.1f} MiB  {_label(folder)}")
        if not args.dry_run:
            shutil.rmtree(folder)
    print(
        f"{'would free' if args.dry_run else 'freed'} {freed / 2**20:.1f} MiB in all; kept what {len(lists)} runs name"
    )
    return 0


def _leftovers(root: Path) -> list[Path]:
    return [*sorted((root / "damaged").glob("*"))]


def _label(folder: Path) -> str:
    import json

    try:
        return str(json.loads((folder / "artifact.json").read_text())["label"])
    except (OSError, ValueError, KeyError):
        return folder.name
