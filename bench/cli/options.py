"""Options that several verbs share, and what they stand for."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.store import Store
    from bench.suite import Suite


def add_suite_options(parser: argparse.ArgumentParser) -> None:
    """``--suite`` and everything that changes what it resolves to."""
    parser.add_argument("--suite", required=True, metavar="NAME", help="a built-in suite, or a TOML file of your own")
    parser.add_argument("--profile", metavar="P", help="size of the suite: smoke, quick (default), standard, full")
    parser.add_argument("--variant", metavar="V", help="another question asked of the same images: [variants.V]")
    parser.add_argument("--replicates", type=int, metavar="N", help="paired repetitions")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="run part of it: refiner=, model=, arm= or replicate=; may be given again",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a value of the suite file, such as refiner.NAME.steps=200",
    )
    add_store_options(parser)


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """``--store`` and ``--plugin``."""
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="where artifacts are kept (default: runs/store, or $BENCH_STORE)"
    )
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="a Python file with refiners, tasks, models or worlds of your own",
    )


def open_store(args: argparse.Namespace) -> Store:
    """The store that ``--store``, the environment or the default names."""
    from bench.store import Store

    return Store(args.store or Path(os.environ.get("BENCH_STORE") or Path("runs") / "store"))


def open_suite(args: argparse.Namespace) -> Suite:
    """Load plug-in files, then the suite that the options resolve to."""
    from bench import plugins
    from bench.suite import load_suite

    for file in args.plugin:
        plugins.add_file(file)
    settings: Sequence[str] = args.settings
    if args.replicates is not None:
        if args.replicates < 1:
            raise UsageError(f"--replicates {args.replicates}: must be 1 or more")
        settings = [*settings, f"replicates={args.replicates}"]
    return load_suite(args.suite, args.profile, settings, args.variant)


def out_directory(args: argparse.Namespace, suite: Suite) -> Path:
    """``--out``, or ``runs/<suite>-<profile>``."""
    given: Path | None = args.out
    return given or Path("runs") / "-".join(part for part in (suite.name, suite.variant, suite.profile) if part)


def command_text(args: argparse.Namespace) -> str:
    """The exact command, to be pasted again."""
    return "python -m bench " + shlex.join(args.command_line)


def choose_device(wanted: str) -> str:
    """``auto`` becomes cuda where there is one; ``cuda`` without one is a `UsageError`."""
    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise UsageError("--device cuda: no CUDA device is visible; use --device cpu, or see `python -m bench doctor`")
    return "cpu"
