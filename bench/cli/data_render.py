"""``bench data render``: make a suite's image sets and nothing else; a later run finds them in the store."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options, choose_device, open_store


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("render", help="make a suite's image sets: render them, or read a user's folders")
    add_set_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="copy the sets there (they stay in the store too)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="replace image sets in --out")
    parser.set_defaults(run_data=run)


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """The suite whose sets are meant, and where they are kept."""
    parser.add_argument("world", metavar="WORLD", help="a built-in suite, such as vending, or a suite file of your own")
    parser.add_argument("--profile", metavar="P", help="size of the suite: smoke, quick (default), standard, full")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
                        help="change a value of the suite file, such as counts.real_test=20")
    add_store_options(parser)


def render_plan(args: argparse.Namespace, store: Any) -> Any:
    """The suite's plan with its render stages alone."""
    from bench import plugins
    from bench.plan import build_plan
    from bench.suite import load_suite

    for file in args.plugin:
        plugins.add_file(file)
    plan = build_plan(load_suite(args.world, args.profile, args.settings), None, store.root / "descriptions")
    plan.cells.clear()
    plan.stages = {key: stage for key, stage in plan.stages.items() if stage.kind == "render"}
    return plan


def split_name(stage: Any) -> str:
    """Such as ``real-test``."""
    request = stage.spec["request"]
    return f"{request['domain']}-{request['split']}"


def run(args: argparse.Namespace) -> int:
    """Render what is not in the store yet; exit code 3 when a set could not be made."""
    from bench.cli.data_import import describe_set
    from bench.errors import IncompleteError, UsageError
    from bench.formats.layout import open_image_set
    from bench.formats.write import fresh_folder
    from bench.store import ARTIFACT

    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}: must be 1 or more")
    store = open_store(args)
    plan = render_plan(args, store)
    failed = _make_missing(args, plan, store)
    for key, stage in plan.stages.items():
        if key in failed:
            continue
        where = store.path(key)
        if args.out:
            where = args.out / split_name(stage)
            with fresh_folder(where, args.overwrite) as folder:
                shutil.copytree(store.path(key), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(ARTIFACT))
        print(describe_set(where, open_image_set(where)))
    if failed:
        labels = ", ".join(f"{plan.stages[key].label}: {reason}" for key, reason in failed.items())
        raise IncompleteError(f"not made: {labels}")
    return 0


def _make_missing(args: argparse.Namespace, plan: Any, store: Any) -> dict[str, str]:
    missing = [stage for key, stage in plan.stages.items() if not store.has(key)]
    if not missing:
        return {}
    if plan.world.skip:
        return {stage.key: plan.world.skip for stage in missing}
    from bench.console import Console
    from bench.engines.local import default_workers, run_plan
    from bench.estimates import estimate

    device = choose_device("cpu")
    workers = args.workers or min(default_workers(device), len(missing))
    store.root.mkdir(parents=True, exist_ok=True)
    expected = {key: seconds for key, (seconds, _) in estimate(plan, missing, store.history()).items()}
    with Console(missing, workers, expected) as console:
        console.say(f"{len(missing)} image sets to make with {workers} workers")
        failures = run_plan(plan, store, device=device, workers=workers, listen=console)
    if getattr(args, "traceback", False):
        for text in failures.tracebacks.values():
            print(text, file=sys.stderr)
    return failures.reasons
