"""``bench compare``: two runs side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "compare",
        help="two runs side by side: every gain, the change, and whether it can be told from noise",
        description="Compare two runs of a suite. Exit codes: 0 compared, 3 nothing in common, 4 not comparable.",
    )
    for name in ("run_a", "run_b"):
        parser.add_argument(name, type=Path, metavar=name.upper(), help="folder of a run, or its rows.csv")
    parser.add_argument("--metric", metavar="M", help="the metric to compare in (default: the suite's)")
    parser.add_argument("--reference", metavar="ARM", help="the arm that gains are measured against")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; a drop is no error here."""
    from bench.baseline import load_side
    from bench.cli.check import check_text
    from bench.errors import UsageError, did_you_mean
    from bench.regression import as_json, compare

    first, second = load_side(args.run_a), load_side(args.run_b)
    metric = args.metric or first.metric()
    known = {row.metric for row in first.rows}
    if metric not in known:
        raise UsageError(f"--metric {metric}: not in {first.path}{did_you_mean(metric, known)}")
    reference = args.reference or str(first.settings.get("reference_arm") or "synthetic")
    arms = {row.arm for row in first.rows}
    if reference not in arms:
        raise UsageError(f"--reference {reference}: not in {first.path}{did_you_mean(reference, arms)}")
    check = compare(first, second, metric=metric, reference=reference, controls=first.settings.get("controls", ()))
    if args.json:
        print(json.dumps({"run_a": str(first.path), "run_b": str(second.path), **as_json(check)}, indent=1))
    else:
        print(f"A: {first.path}\nB: {second.path}\n")
        print(check_text(check, ("A", "B"), gate=False))
    if check.incomparable:
        return 4
    return 0 if check.compared else 3
