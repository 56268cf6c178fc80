"""``bench refine``: refine any folder of images with a refiner that a finished run has trained."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cli.options import add_store_options, choose_device, open_store

PROGRESS_SECONDS = 5.0


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "refine",
        help="refine a folder of images with a refiner that a run has trained",
        description="Refine a folder of images, or an image set. Label files are copied, a data card is added. Run the "
        "same command again to go on: what is there already is left alone.",
    )
    parser.add_argument("--refiner", type=Path, required=True, metavar="RUN",
                        help="folder of a finished run, or a fit's own folder, or its weights.safetensors")
    parser.add_argument("--name", metavar="R", help="which refiner of the run (default: the only one)")
    parser.add_argument("--replicate", type=int, default=0, metavar="R", help="of the run's replicates (default: 0)")
    parser.add_argument("--input", type=Path, required=True, metavar="DIR", help="images, or an image set of ours")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--seed", type=int, metavar="N", help="of what a refiner draws (default: the run's own)")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="images at once (default: 16)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_store_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Refine; exit code 3 when images had to be left out, each with its reason on the error stream."""
    from bench import plugins
    from bench.errors import IncompleteError, UsageError
    from bench.refining import load_refiner, refine_folder

    for file in args.plugin:
        plugins.add_file(file)
    if args.batch < 1:
        raise UsageError(f"--batch {args.batch}: must be 1 or more")
    if not args.input.is_dir():
        raise UsageError(f"--input {args.input}: no such folder")
    inner, outer = args.output.resolve(), args.input.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(f"--output {args.output}: lies in --input, or the other way round; choose a folder apart")
    trained = load_refiner(args.refiner, open_store(args), args.name, args.replicate)
    seed = trained.seed if args.seed is None else args.seed
    done = refine_folder(
        trained, args.input, args.output, seed=seed, batch=args.batch, device=choose_device(args.device),
        progress=_progress(), tell=lambda line: print(line, file=sys.stderr),
    )
    print(f"{args.output}: {done.made} images refined by {trained.name}, {done.kept} there already, "
          f"{done.copied} other files copied; see data-card.md")
    if done.left_out:
        raise IncompleteError(f"{done.left_out} of {done.total} images left out; mend them and run again")
    return 0


def _progress() -> Callable[[int, int], None]:
    started = last = time.monotonic()
    first: list[int] = []

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        first.append(done) if not first else None
        if now - last > PROGRESS_SECONDS:
            last = now
            rate = (done - first[0]) / max(now - started, 1e-9)
            left = f", about {(total - done) / rate:.0f} s left" if rate > 0 else ""
            print(f"{done} of {total} images{left}", file=sys.stderr)

    return report
