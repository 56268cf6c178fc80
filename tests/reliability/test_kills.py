"""A few kills of the toy suite; fifty of a real one: ``python -m tests.reliability.kills``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TOY
from tests.reliability.kills import WAYS, rows_without_measured, torment


@pytest.mark.slow
def test_killed_at_random_instants_a_run_goes_on_and_ends_in_the_same_rows(toy_suite: Path, tmp_path: Path) -> None:
    arguments = [
        "--suite", str(toy_suite), "--plugin", str(TOY), "--workers", "1", "--set", "model.toy-level.slow=0.03",
    ]  # fmt: skip
    tally = torment(tmp_path / "runs", arguments, kills=6, seed=3, checkpoint_seconds=0.1)
    assert tally.faults == []
    assert sum(tally.kills.values()) == 6 and set(tally.kills) == set(WAYS)
    assert tally.finished >= 1 and tally.artifacts > 0
    assert tally.hit.total() > 0, "no kill hit a stage"


def test_the_comparison_sees_every_column_but_the_measured_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,seconds,value,peak_mib\nx,1.5,0.25,300\n")
    assert rows_without_measured(path) == b"a,value\nx,0.25\n"
