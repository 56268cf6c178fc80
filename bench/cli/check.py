"""``bench check``: do the gains of the committed baseline still hold? For CI."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.engine import add_engine_options
from bench.cli.options import add_suite_options, open_suite, out_directory

if TYPE_CHECKING:
    from bench.baseline import Side
    from bench.regression import Check
    from bench.suite import Suite

VERDICTS = {0: "ok", 1: "REGRESSION", 3: "INCOMPLETE", 4: "NOT COMPARABLE"}


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "check",
        help="compare a run with the committed baseline; exit code 1 when a gain regressed",
        description="Compare a run with the committed baseline, and run the suite first unless --run names a run. "
        "Exit codes: 0 every gain holds, 1 regression, 3 cells missing or none compared, 4 not comparable.",
    )
    add_suite_options(parser)
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="default: results/baselines/<suite>-<profile>/rows.csv"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", dest="run_dir", help="a finished run; nothing is run then")
    parser.add_argument(
        "--tolerance", type=float, metavar="X", help="drop that is allowed in any case, in the metric's unit"
    )
    parser.add_argument("--update", action="store_true", help="make the run the baseline, and print what changed")
    add_engine_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where a run's results go (as in `bench run`)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, and with ``--update`` rewrite the baseline; the exit code says what was found."""
    from bench.baseline import default_baseline, load_side
    from bench.errors import IncompleteError, UsageError
    from bench.regression import compare

    if args.tolerance is not None and not args.tolerance >= 0:
        raise UsageError(f"--tolerance {args.tolerance}: must be 0 or more")
    suite = open_suite(args)
    path = args.baseline or default_baseline(suite.label.replace("/", "-"), suite.profile)
    path = path / "rows.csv" if path.is_dir() else path
    if not path.is_file() and not args.update:
        raise IncompleteError(f"{path}: no such baseline, so 0 cells were compared; `--update` makes it from a run")
    side = _the_run(args, suite)
    if args.update:
        return _update(args, side, path)
    check = compare(
        load_side(path),
        side,
        metric=suite.metric or side.metric(),
        reference=suite.reference_arm,
        controls=suite.controls,
        tolerance=args.tolerance,
        expected=_expected(args, suite, side),
    )
    if args.json:
        from bench.regression import as_json

        print(json.dumps({"baseline": str(path), "run": str(side.path), **as_json(check)}, indent=1))
    else:
        print(f"baseline: {path}\nrun:      {side.path}\n")
        print(check_text(check))
    return check.exit_code


def _the_run(args: argparse.Namespace, suite: Suite) -> Side:
    """The rows that ``--run`` names, or those of the suite, run now by the same function as ``bench run``."""
    from bench.baseline import load_side

    if args.run_dir is not None:
        return load_side(args.run_dir)
    from bench.cli import run as run_verb

    # Standard output belongs to the check: `--json` has to stay readable by programs.
    with contextlib.redirect_stdout(sys.stderr):
        run_verb.run(argparse.Namespace(**{**vars(args), "json": False, "keep_going": True, "retry_failed": False}))
    return load_side(out_directory(args, suite))


def _expected(args: argparse.Namespace, suite: Suite, side: Side) -> Callable[[str, str, int], bool]:
    """The part of the baseline that the run has to hold.

    A baseline may have more replicates than the suite asks for, so that its intervals are narrow; a run that did as the
    suite says is compared on those that both have.
    """
    from bench.arms import parse_arm
    from bench.plan import Only

    only, asked = Only.parse(args.only, suite), suite.replicates
    if args.replicates is None and isinstance(ran := side.settings.get("replicates"), int):
        asked = max(asked, ran)
    return lambda model, arm, replicate: replicate < asked and only.keeps(model, parse_arm(arm), replicate)


def _update(args: argparse.Namespace, side: Side, path: Path) -> int:
    from bench.baseline import Side, changed_rows, differing_settings, load_side, update_baseline
    from bench.errors import BenchError, IncompleteError, UsageError

    if args.only:
        raise UsageError("--update takes a whole run; leave --only away")
    bad = [row for row in side.rows if row.status in ("failed", "missing")]
    if bad or not side.rows:
        what = f"{bad[0].model} on {bad[0].arm} #{bad[0].replicate} {bad[0].status}" if bad else "no row"
        raise IncompleteError(f"{side.path}: {what}; a baseline has to be complete, nothing was changed")
    why: Sequence[str] = ()
    try:
        old = load_side(path) if path.is_file() else Side(path, [])
        why = differing_settings(old, side)
    except BenchError as error:
        old, why = Side(path, []), [str(error)]
    changes = changed_rows(old, side)
    written = update_baseline(side, path)
    if args.json:
        print(json.dumps({"written": [str(file) for file in written], "settings": list(why), "changed": changes}))
        return 0
    for line in (*why, *changes):
        print(line)
    counts = {mark: sum(line.startswith(mark) for line in changes) for mark in ("+", "-", " ")}
    print(f"{path}: {counts['+']} values added, {counts['-']} removed, {counts[' ']} changed")
    return 0


def check_text(check: Check, names: tuple[str, str] = ("baseline", "run"), gate: bool = True) -> str:
    """The comparison as a table in which every mark is defined, and the verdict; ``gate=False`` leaves that away."""
    from bench.regression import ALPHA, MARKS
    from bench.report.words import Numbers

    lines = [f"not comparable: {reason}" for reason in check.incomparable]
    if check.changes:
        numbers = Numbers.for_values(v for c in check.changes for v in (c.before, c.after))
        table = [("", "model", "arm", "n", names[0], names[1], "change", "p", "")]
        for c in check.changes:
            table.append(
                (
                    MARKS[c.state][0], c.model, c.arm, str(c.n), numbers.signed(c.before), numbers.signed(c.after),
                    numbers.signed(c.change), p_text(c.p), c.reason,
                )
            )  # fmt: skip
        lines += [f"gain in {check.metric} over {check.reference}, positive is better", *aligned(table), ""]
        used = {c.state for c in check.changes}
        lines += [f"{mark} {meaning}" for state, (mark, meaning) in MARKS.items() if state in used]
        lines.append(f"n replicates compared; p one-sided, after Holm over all lines (told from noise: p <= {ALPHA})")
    lines += [f"note: {note}" for note in check.notes]
    if gate:
        counts = [f"{check.compared} of {len(check.changes)} lines compared"]
        for state in ("regressed", "missing", "incomparable"):
            number = sum(c.state == state for c in check.changes)
            counts += [f"{number} {state}"] if number else []
        lines.append(f"{VERDICTS[check.exit_code]}: {', '.join(counts)}")
    return "\n".join(lines)


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns of equal width."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def p_text(p: float) -> str:
    """A p value: three decimals, "<.001", or "—" where there is none."""
    return "—" if p != p else "<.001" if p < 0.001 else f"{p:.3f}"
