"""``bench run``: make every missing stage of a suite, then rows, tables, plots and page."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.cli.engine import add_engine_options, check_engine_options, engine
from bench.cli.options import add_suite_options, command_text, open_store, open_suite, out_directory


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser(
        "run",
        help="run a suite: render, refine, train, score, report",
        description="Run a suite. To resume, run the same command again: finished stages are kept.",
    )
    add_suite_options(parser)
    add_engine_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: runs/<suite>-<profile>)")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON instead of the table")
    parser.add_argument(
        "--keep-going", action=argparse.BooleanOptionalAction, default=True,
        help="when a stage fails, go on with everything that does not rest on it (default)",
    )  # fmt: skip
    parser.add_argument(
        "--retry-failed", action="store_true", help="try trainings again that diverged in an earlier run"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the suite; exit code 0 when every cell has its value, else 3."""
    from bench.engines.workers import early_worker
    from bench.finish import MARK, finish
    from bench.plan import Only, build_plan

    check_engine_options(args)
    store, suite = open_store(args), open_suite(args)
    out = out_directory(args, suite)
    # A folder without a finished report will most likely need a worker, and one takes as long to start as to plan.
    with early_worker(args.engine == "local" and not (out / MARK).exists()) as early:
        plan = build_plan(suite, Only.parse(args.only, suite), store.root / "descriptions")
        for name, reason in plan.skipped.items():
            print(f"skipped: {name}: {reason}", file=sys.stderr)
        reasons = _make_missing(args, plan, store, out, early)
    whole = with_finished(plan, suite, store) if args.only else plan
    # Several runs of one command share a store, and may share this folder: one of them writes it at a time.
    with alone_in(out):
        result = finish(whole, store, out, command_text(args), reasons)
    if args.json:
        print(json.dumps(result.as_json(), indent=1))
    else:
        print(result.text())
    return result.exit_code


@contextlib.contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Wait until no other process writes this folder of results; one that cannot be written is for looking at alone."""
    from bench.lease import POLL_SECONDS, Lease

    lease = Lease(out / ".writing")
    with contextlib.suppress(OSError):
        while not lease.acquire():
            time.sleep(POLL_SECONDS)
    with lease:
        yield


def with_finished(plan: Any, suite: Any, store: Any, elsewhere: Any = None) -> Any:
    """The plan of a part of a suite, and every cell outside it that other runs finished: parts add up to a table."""
    from bench.elsewhere import NOWHERE
    from bench.plan import build_plan

    others = elsewhere or NOWHERE
    whole = build_plan(suite, None, store.root / "descriptions")
    asked = {(cell.model, cell.arm, cell.replicate) for cell in plan.cells}
    whole.cells = [
        cell
        for cell in whole.cells
        if (cell.model, cell.arm, cell.replicate) in asked
        or (cell.score_key and store.has(cell.score_key))
        or others.has(cell)
    ]
    sets = {(str(one.arm), one.replicate) for one in plan.quality}
    whole.quality = [
        one
        for one in whole.quality
        if (str(one.arm), one.replicate) in sets or any(map(store.has, one.keys)) or others.measured(one)
    ]
    return whole


def _make_missing(args: argparse.Namespace, plan: Any, store: Any, out: Path, early: list[Any]) -> dict[str, str]:
    from bench.running import damaged_results, in_use, keep_keys, put_aside

    damaged = damaged_results(plan, store)
    for wrong, where in zip(damaged.values(), put_aside(store, damaged), strict=True):
        print(f"damaged: {wrong}; {where}", file=sys.stderr)
    results = [*(cell.score_key for cell in plan.cells if cell.score_key), *(k for q in plan.quality for k in q.keys)]
    results += [key for cell in plan.cells if cell.skip for key in cell.refiner_keys]
    if all(store.has(key) for key in results):
        return {}
    store.root.mkdir(parents=True, exist_ok=True)
    keep_keys(out, plan.stages)
    with in_use(store, plan.stages):
        return _compute(args, plan, store, out, early)


def _compute(args: argparse.Namespace, plan: Any, store: Any, out: Path, early: list[Any]) -> dict[str, str]:
    from bench.console import Console
    from bench.estimates import estimate
    from bench.seldom import Seldom

    missing = [stage for key, stage in plan.stages.items() if not store.has(key)]
    expected = {key: seconds for key, (seconds, _) in estimate(plan, missing, store.history()).items()}
    rows = Seldom(partial(_write_rows, plan, store, out))
    threading.Thread(target=_load_report, daemon=True).start()
    with engine(args, early) as chosen, Console(missing, chosen.workers, expected, on_score=rows) as console:
        console.say(f"{len(missing)} of {len(plan.stages)} stages to make on {chosen.words}; results in {out}")
        try:
            failures = chosen.run(
                plan, store, listen=console, keep_going=args.keep_going, retry_failed=args.retry_failed
            )
        finally:
            rows.last()
    if args.traceback:
        for text in failures.tracebacks.values():
            print(text, file=sys.stderr)
    reasons: dict[str, str] = failures.reasons
    return reasons


def _load_report() -> None:
    """Import what the report needs, 1.5 s: this process has nothing to do but to listen while others compute."""
    for module in ("bench.report.build", "scipy.stats", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        with contextlib.suppress(Exception):  # who needs it will say what is wrong with it
            importlib.import_module(module)


def _write_rows(plan: Any, store: Any, out: Path) -> None:
    from bench.collect import rows
    from bench.results import write_rows

    write_rows(out / "rows.csv", rows(plan, store))
