from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.measuring import COLUMNS, Row, measured, slope, write
from benchmarks.plot import read


def test_the_slope_is_the_power() -> None:
    rows = [Row("b", "c", size, "cells", 3e-4 * size**1.5, 0) for size in (10, 1000, 10_000)]
    assert slope(rows) == pytest.approx(1.5)


def test_work_is_done_as_often_as_said_and_its_processor_time_counted() -> None:
    calls = []

    def work() -> None:
        calls.append(sum(k * k for k in range(300_000)))

    row = measured("b", "c", 3, "images", work, repeats=4)
    assert len(calls) == 4
    assert 0 < row.seconds < 5
    assert row.wall > 0


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    write(tmp_path / "x" / "b.csv", [Row("b", "c, d", 20, "images", 4.0, 5.0, "note"), Row("b", "e", 0, "", 1.5, 0)])
    rows = read(tmp_path / "x" / "b.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [(row["case"], row["rate"], row["seconds"]) for row in rows] == [("c, d", "5", "4"), ("e", "", "1.5")]
    assert read(tmp_path / "none.csv") == []
    with (tmp_path / "x" / "b.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 3
