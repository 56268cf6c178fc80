"""``bench report``: tables, plots and page again from the store; nothing is trained."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.cli.options import add_suite_options, command_text, open_store, open_suite, out_directory
from bench.cli.run import alone_in, with_finished


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("report", help="write tables, plots and page again from what is in the store")
    add_suite_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: runs/<suite>-<profile>)")
    parser.add_argument(
        "--add", type=Path, action="append", default=[], metavar="RUN",
        help="the folder of a run of this suite that another store computed, for what this one lacks;"
        " its keys must be this plan's; may be given again",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report; exit code 3 when cells are missing (they are shown as missing)."""
    from bench.elsewhere import read_elsewhere
    from bench.finish import MARK, finish
    from bench.plan import Only, build_plan
    from bench.running import damaged_results

    store, suite = open_store(args), open_suite(args)
    plan = build_plan(suite, Only.parse(args.only, suite), store.root / "descriptions")
    for key, wrong in damaged_results(plan, store).items():
        print(f"damaged: {wrong}; not counted, run the suite again and it is computed anew", file=sys.stderr)
        store.distrust(key)  # a report changes nothing in the store
    whole = build_plan(suite, None, store.root / "descriptions") if args.add else plan
    elsewhere = read_elsewhere(whole, store, args.add)
    if args.only:
        plan = with_finished(plan, suite, store, elsewhere)
    out = out_directory(args, suite)
    (out / MARK).unlink(missing_ok=True)
    with alone_in(out):
        result = finish(plan, store, out, command_text(args), elsewhere=elsewhere)
    print(result.text())
    return result.exit_code
