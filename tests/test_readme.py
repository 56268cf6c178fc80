"""What README claims: its tables are those of committed runs (links and commands: `test_documentation`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.results import read_rows

ROOT = Path(__file__).parent.parent
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
RUNS = sorted(path.parent.name for path in (ROOT / "results" / "baselines").glob("*/rows.csv"))


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_tables_are_those_of_the_committed_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["results", "--check", page]) == 0, "python -m bench results"


def test_every_committed_run_is_shown() -> None:
    shown = re.findall(r"<!-- table: ([\w.-]+) -->\n#", RESULTS)
    assert sorted(shown) == [run for run in RUNS if not run.endswith("-smoke")]


@pytest.mark.parametrize("run", RUNS)
def test_committed_controls_gain_exactly_nothing(run: str) -> None:
    rows = read_rows(ROOT / "results" / "baselines" / run / "rows.csv")
    assert {row.status for row in rows} == {"ok"}
    cells = {(row.model, row.arm, row.replicate, row.metric): row.value for row in rows}
    controls = {key: value for key, value in cells.items() if key[1] == "refined(identity)"}
    assert controls
    for (model, _, replicate, metric), value in controls.items():
        assert value == cells[model, "synthetic", replicate, metric]
