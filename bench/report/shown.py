"""Tables of committed runs inside hand-written pages: filled between marks, so that no figure is ever typed.

Two marks, each closed by ``<!-- end -->`` on a line of its own:

- ``<!-- table: RUN -->`` takes the tables of ``RUN/table.md``, one a model and metric;
- ``<!-- headline -->`` takes one row for each run and model.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.report.words import MARKS, Numbers, real_label
from bench.samples import RealKind
from bench.statistics import Interval

MARK = re.compile(r"<!-- (headline|table: (?P<run>[\w.-]+)) -->\n.*?<!-- end -->", re.DOTALL)
HEAD = (
    "| suite, metric | test images | model | n | synthetic | best plain baseline | best refiner | real |\n"
    "| --- | --- | --- | ---: | ---: | --- | --- | --- |\n"
)
NOT_SHOWN = ("smoke",)
"""Profiles whose numbers mean nothing."""


@dataclass(frozen=True)
class Run:
    """A committed run: its folder, its resolved suite, and the rows of ``table.csv`` as text."""

    folder: Path
    suite: dict[str, Any]
    rows: list[dict[str, str]]


def filled(text: str, baselines: Path) -> str:
    """``text`` with every mark filled from the runs in ``baselines``; raises `DataError` for one that is not there."""

    def put(found: re.Match[str]) -> str:
        opening = found[0].split("\n", 1)[0]
        body = tables(baselines / found["run"]) if found["run"] else headline(runs(baselines))
        return f"{opening}\n{body}<!-- end -->"

    return MARK.sub(put, text)


def tables(run: Path) -> str:
    """The tables of a run's models, with their headings two levels deeper; raises `DataError` where there are none."""
    path = run / "table.md"
    if not path.is_file():
        raise DataError(f"{path}: no such file; name a run of results/baselines in the mark, or commit the run")
    text = path.read_text(encoding="utf-8")
    ends = [at for end in ("\n## Refined sets", "\n## Other metrics", "\nMarks:") if (at := text.find(end)) >= 0]
    start = text.find("\n## ")
    body = text[start + 1 : min([at for at in ends if at > start], default=len(text))]
    return re.sub(r"^#(?=#)", "##", body, flags=re.MULTILINE).rstrip() + "\n"


def runs(baselines: Path) -> list[Run]:
    """The committed runs whose numbers mean something, in the order of their names."""
    found = []
    for path in sorted(baselines.glob("*/table.csv")):
        suite = tomllib.loads((path.parent / "suite.toml").read_text(encoding="utf-8"))
        if suite["profile"] not in NOT_SHOWN:
            with path.open(newline="", encoding="utf-8") as file:
                found.append(Run(path.parent, suite, list(csv.DictReader(file))))
    return found


def headline(found: Sequence[Run]) -> str:
    """One row a run and model with refined arms: what plain renders reach, and what others gain over it.

    The highest of several arms looks better than it is; the page that carries the table has to say so. A run that asks
    how steady its arms are (``spread``) is no answer to that question and is left out.
    """
    asked = [run for run in found if not run.suite.get("spread")]
    return HEAD + "".join(_line(run, model) for run in asked for model in run.suite["models"])


def _line(run: Run, model: str) -> str:
    metric = run.suite.get("metric") or run.rows[0]["metric"]
    rows = [row for row in run.rows if row["model"] == model and row["metric"] == metric]
    reference = next((row for row in rows if row["arm"] == run.suite["reference_arm"]), None)
    if reference is None or not reference["mean"]:
        return ""
    numbers = Numbers.for_values(float(row["mean"]) for row in rows if row["mean"])
    plain = set(run.suite.get("baselines", []))
    refined = [row for row in rows if row["refiner"] and row["control"] == "false" and "hybrid" not in row["arm"]]
    if not refined:
        return ""
    kind: RealKind = "photographs" if reference["real_kind"] == "photographs" else "stand-in"
    name = run.suite["name"] + (f"/{run.suite['variant']}" if run.suite.get("variant") else "")
    if run.suite["profile"] != "quick":
        name += f" (`{run.suite['profile']}`)"
    cells = [
        f"{name}, {metric}", real_label(kind), model, reference["n"], numbers.plain(float(reference["mean"])),
        _best([row for row in refined if row["refiner"] in plain], numbers),
        _best([row for row in refined if row["refiner"] not in plain], numbers),
        _gain(next((row for row in rows if row["arm"] == "real"), None), numbers),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _best(rows: Sequence[dict[str, str]], numbers: Numbers) -> str:
    found = max((row for row in rows if row["gain"]), key=lambda row: float(row["gain"]), default=None)
    return "—" if found is None else f"`{found['arm']}` {_gain(found, numbers)}"


def _gain(row: dict[str, str] | None, numbers: Numbers) -> str:
    if row is None or not row["gain"]:
        return "—"
    ends = [float(row[key] or "nan") for key in ("gain", "gain_low", "gain_high")]
    return f"{MARKS[row['verdict']]} {numbers.signed(ends[0])} {numbers.bounds(Interval(*ends))}".rstrip()
