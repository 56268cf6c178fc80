"""What README claims: its tables are those of committed runs, its commands parse, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli.main import build_parser
from bench.results import read_rows

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNS = sorted(path.parent.name for path in (ROOT / "results" / "baselines").glob("*/rows.csv"))


def tables(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("run", RUNS)
def test_result_tables_are_those_of_the_committed_runs(run: str) -> None:
    block = re.search(rf"<!-- results: {run} -->\n(.*?)<!-- end -->", README, re.DOTALL)
    if block is None:
        assert run.endswith("-smoke"), "every committed run but the smoke ones is shown in README"
        return
    written = tables((ROOT / "results" / "baselines" / run / "table.md").read_text(encoding="utf-8"))
    shown = tables(block[1])
    assert shown
    assert [line for line in shown if line not in written] == []


@pytest.mark.parametrize("run", RUNS)
def test_committed_controls_gain_exactly_nothing(run: str) -> None:
    rows = read_rows(ROOT / "results" / "baselines" / run / "rows.csv")
    assert {row.status for row in rows} == {"ok"}
    cells = {(row.model, row.arm, row.replicate, row.metric): row.value for row in rows}
    controls = {key: value for key, value in cells.items() if key[1] == "refined(identity)"}
    assert controls
    for (model, _, replicate, metric), value in controls.items():
        assert value == cells[model, "synthetic", replicate, metric]


def test_commands_parse() -> None:
    lines = [line for line in re.findall(r"python -m bench ([^`\n&|\\]+)", README) if " NAME" not in line]
    parser = build_parser()
    for line in lines:
        if line.split()[0] in ("compare", "data"):
            continue
        parser.parse_args(shlex.split(line))
    assert any(line.startswith("run --suite vending") for line in lines)


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
