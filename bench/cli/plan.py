"""``bench plan``: each stage of a run, new or cached, why, and what it is expected to cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from bench.cli.options import add_suite_options, open_store, open_suite


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("plan", help="show each stage of a run: new or cached, why, seconds and disk")
    add_suite_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan; nothing runs."""
    from bench.estimates import estimate, latest, why
    from bench.plan import Only, build_plan

    store, suite = open_store(args), open_suite(args)
    plan = build_plan(suite, Only.parse(args.only, suite), store.root / "descriptions")
    history = store.history()
    present = {key for key in plan.stages if store.has(key)}
    missing = [stage for key, stage in plan.stages.items() if key not in present]
    expected, last = estimate(plan, missing, history), latest(history)
    entries: list[dict[str, Any]] = []
    for key, stage in plan.stages.items():
        cached = key in present
        seconds, size = expected.get(key, (None, None))
        if cached:
            meta = store.meta(key)
            seconds, size = 0.0, int(meta["bytes"])
        reason = _cached_reason(stage.run.get("source", ""), meta) if cached else why(stage, last)
        entries.append(
            {
                "stage": stage.label,
                "key": key,
                "state": "cached" if cached else "new",
                "why": reason,
                "seconds": seconds,
                "bytes": size,
            }
        )
    skipped = sorted({(cell.model, str(cell.arm), cell.skip) for cell in plan.cells if cell.skip})
    if args.json:
        print(json.dumps({"stages": entries, "skipped": skipped}, indent=1))
        return 0
    _print(entries, skipped)
    return 0


def _cached_reason(source: str, meta: dict[str, Any]) -> str:
    if source and meta.get("source") and meta["source"] != source:
        return "in the store; its code changed since, its version did not: raise `version` if results differ"
    return "in the store"


def _print(entries: Sequence[dict[str, Any]], skipped: Sequence[tuple[str, str, str]]) -> None:
    from bench.estimates import duration

    width = max(len(entry["stage"]) for entry in entries)
    lines = []
    for entry in entries:
        seconds = "" if entry["state"] == "cached" else "?" if entry["seconds"] is None else duration(entry["seconds"])
        size = "?" if not entry["bytes"] else f"{entry['bytes'] / 2**20:.1f} MiB"
        lines.append(f"{entry['stage']:<{width}}  {entry['state']:<6}  {seconds:>12}  {size:>10}  {entry['why']}")
    print("\n".join(lines))
    for model, arm, reason in skipped:
        print(f"skipped: {model} on {arm}: {reason}")
    new = [entry for entry in entries if entry["state"] == "new"]
    known = [entry["seconds"] for entry in new if entry["seconds"] is not None]
    unknown = len(new) - len(known)
    print(
        f"{len(entries)} stages, {len(entries) - len(new)} cached, {len(new)} new: about {duration(sum(known))} of work"
        + (f", and {unknown} stages of unknown cost" if unknown else "")
    )
