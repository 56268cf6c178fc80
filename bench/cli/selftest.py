"""``bench selftest``: does a plug-in of yours keep its contract? A checklist, on a mock world of 16 images."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.conformance import Result

MARKS = {"passed": "✔", "failed": "✘", "skipped": "–"}


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "selftest",
        help="check plug-ins of your own: contract, determinism, resume, labels, keys",
        description="Check every plug-in of some Python files on a mock world of 16 images. Exit code 2 if one fails.",
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.py", help="files with plug-ins")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
                        help="a setting of the plug-in; those with `steps` get 6 unless this says otherwise")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a checklist")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the checklist; exit code 0 when nothing failed, else 2."""
    import torch

    from bench.conformance import selftest

    torch.set_num_threads(1)  # as the workers of a run: the bytes must not depend on the number of cores
    started, said = time.monotonic(), [""]

    def tell(result: Result) -> None:
        if result.plugin != said[0]:
            said[0] = result.plugin
            print(result.plugin)
        detail = f": {result.detail}" if result.detail else ""
        print(f"  {MARKS[result.state]} {result.check}{detail}", flush=True)
        if args.traceback and result.traceback:
            print(result.traceback, file=sys.stderr)

    results = selftest(args.files, args.settings, None if args.json else tell)
    counts = {state: sum(result.state == state for result in results) for state in MARKS}
    if args.json:
        keys = ("plugin", "check", "state", "detail", "seconds")
        print(json.dumps([{key: getattr(result, key) for key in keys} for result in results], indent=1))
    else:
        told = ", ".join(f"{MARKS[state]} {count} {state}" for state, count in counts.items() if count)
        more = "; --traceback shows where" if any(result.traceback for result in results) else ""
        print(f"{told} in {time.monotonic() - started:.1f} s{more}")
    return 2 if counts["failed"] else 0
