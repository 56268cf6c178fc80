"""What README claims: its tables are those of committed runs (links and commands: `test_documentation`)."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.results import read_rows

ROOT = Path(__file__).parent.parent
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
BASELINES = ROOT / "results" / "baselines"
RUNS = sorted(path.parent.name for path in BASELINES.glob("*/rows.csv"))


def devices(run: str) -> list[str]:
    """What a committed run was computed on: ["cpu"], or with "cuda" in it."""
    found: list[str] = json.loads((BASELINES / run / "environment.json").read_text(encoding="utf-8"))["devices"]
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_tables_are_those_of_the_committed_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["results", "--check", page]) == 0, "python -m bench results"


def test_every_committed_run_is_shown() -> None:
    shown = re.findall(r"<!-- table: ([\w.-]+) -->\n#", RESULTS)
    assert sorted(shown) == [run for run in RUNS if not run.endswith("-smoke")]


@pytest.mark.parametrize("run", RUNS)
def test_committed_cells_have_values_and_doubts_have_reasons(run: str) -> None:
    rows = read_rows(BASELINES / run / "rows.csv")
    assert {row.status for row in rows} <= {"ok", "degraded"}
    assert all(row.reason for row in rows if row.status == "degraded")


@pytest.mark.parametrize("run", [run for run in RUNS if devices(run) == ["cpu"]])
def test_controls_computed_on_a_cpu_gain_exactly_nothing(run: str) -> None:
    rows = read_rows(BASELINES / run / "rows.csv")
    cells = {(row.model, row.arm, row.replicate, row.metric): row.value for row in rows}
    controls = {key: value for key, value in cells.items() if key[1] == "refined(identity)"}
    assert controls
    for (model, _, replicate, metric), value in controls.items():
        assert value == cells[model, "synthetic", replicate, metric]


@pytest.mark.parametrize("run", [run for run in RUNS if devices(run) != ["cpu"]])
def test_controls_computed_on_a_gpu_are_not_shown_to_gain(run: str) -> None:
    """Some operations of a GPU add up in any order, so two trainings on the same images may end apart."""
    with (BASELINES / run / "table.csv").open(newline="", encoding="utf-8") as file:
        controls = [row for row in csv.DictReader(file) if row["control"] == "true"]
    assert controls
    for row in controls:
        assert float(row["gain_low"]) <= 0 <= float(row["gain_high"]), f"{row['model']} {row['metric']}"
