"""The end of a run: rows, resolved suite, environment and report, written only when something changed."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from bench import collect
from bench.baseline import folders
from bench.claims import find_claims
from bench.collect_quality import quality_rows
from bench.durable import write_whole
from bench.elsewhere import NOWHERE, Elsewhere
from bench.graph import Plan
from bench.keys import key_of
from bench.plugins import source_digest
from bench.results import Row, write_rows
from bench.store import Store

MARK = ".report.json"
"""In a run's folder: a digest of everything that its report shows."""


@dataclass(frozen=True)
class Finished:
    """A run's results as they are told to the user."""

    out: Path
    rows: list[Row]
    metric: str

    @property
    def statuses(self) -> Counter[str]:
        """How many cells have which status."""
        cells = {(row.model, row.arm, row.replicate): row.status for row in self.rows}
        return Counter(cells.values())

    @property
    def exit_code(self) -> int:
        """0, or 3 when cells failed or are missing, or when there is no result at all."""
        counts = self.statuses
        return 3 if counts["failed"] or counts["missing"] or not counts["ok"] + counts["degraded"] else 0

    def as_json(self) -> dict[str, Any]:
        """Summary for programs."""
        with (self.out / "table.csv").open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        return {"out": str(self.out), "metric": self.metric, "cells": dict(self.statuses), "table": table}

    def text(self) -> str:
        """The table, and where everything is."""
        counts = ", ".join(f"{number} {status}" for status, number in sorted(self.statuses.items()))
        table = (self.out / "table.md").read_text(encoding="utf-8").rstrip()
        return f"{table}\n\ncells: {counts}\npage:  {self.out / 'index.html'}"


def finish(
    plan: Plan,
    store: Store,
    out: Path,
    command: str,
    reasons: dict[str, str] | None = None,
    elsewhere: Elsewhere = NOWHERE,
) -> Finished:
    """Write everything that ``--out`` gets; when nothing changed since the last time, only look."""
    out.mkdir(parents=True, exist_ok=True)
    results = collect.rows(plan, store, reasons, elsewhere)
    suite = collect.portable_suite(plan, out)
    mark = out / MARK
    claims = [path.read_bytes().hex() for path in find_claims([folder / "claims" for folder in folders()])]
    quality = [repr(row) for row in quality_rows(plan, store, results, reasons, elsewhere)]
    digest = key_of([[repr(row) for row in results], quality, suite, sorted(plan.stages), source_digest(), claims])
    done = Finished(out, results, collect.headline(plan))
    if mark.exists() and mark.read_text() == digest and (out / "index.html").exists():
        return done
    mark.unlink(missing_ok=True)  # whatever ends this half-way, the next run writes it all again
    write_rows(out / "rows.csv", results)
    write_whole(out / "keys.json", json.dumps(sorted(plan.stages)))
    (out / "suite.toml").write_bytes(tomli_w.dumps(_without_none(suite)).encode())
    from bench.report.build import build_report

    summary = collect.summarise(plan, store, results, out, command, reasons, elsewhere)
    (out / "environment.json").write_text(json.dumps(dict(summary.environment), indent=1))
    build_report(summary)
    write_whole(mark, digest)
    return done


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(child) for key, child in value.items() if child is not None}
    return [_without_none(child) for child in value] if isinstance(value, list) else value
