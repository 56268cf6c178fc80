"""The rows file: what is written is what is read, and what is wrong is named."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.results import COLUMNS, Row, read_rows, write_rows

ROW = Row(
    suite="shop", profile="quick", world="shelf:2", real_kind="stand-in", task="detection", model="net",
    arm="refined(paint)", refiner="paint", replicate=0, metric="mAP50", value=0.1 + 0.2, higher_is_better=True,
    n_train=64, n_test=32, steps=300, seconds=12.5, peak_mib=900.25, status="ok", reason="",
)  # fmt: skip


def test_round_trip_is_exact(tmp_path: Path) -> None:
    failed = replace(
        ROW, replicate=1, value=math.nan, status="failed", seconds=math.nan, peak_mib=math.nan,
        reason='loss "total", step 3: nan | see log', metric="AP50/Dose, groß", higher_is_better=False,
    )  # fmt: skip
    path = tmp_path / "deep" / "rows.csv"
    write_rows(path, [ROW, failed])
    first, second = read_rows(path)
    assert first == ROW
    assert first.value == 0.30000000000000004
    assert math.isnan(second.value)
    assert math.isnan(second.seconds)
    numbers = {"value": 0.0, "seconds": 0.0, "peak_mib": 0.0}
    assert replace(second, **numbers) == replace(failed, **numbers)
    assert [entry.name for entry in path.parent.iterdir()] == ["rows.csv"]


def test_file_is_plain_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, [ROW])
    with path.open(newline="") as file:
        header, cells = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert header[:4] == ["schema", "suite", "profile", "world"]
    assert header[-2:] == ["status", "reason"]
    assert cells[0] == "1"
    assert cells[header.index("higher_is_better")] == "true"


def test_usable() -> None:
    assert ROW.usable
    assert not replace(ROW, value=math.nan).usable
    assert not replace(ROW, status="failed").usable


def test_reason_is_one_line() -> None:
    assert replace(ROW, status="failed", reason="first\nsecond\r\n third").reason == "first second third"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "fine"}, "ok, degraded, failed, skipped, missing"),
        ({"real_kind": "real"}, "stand-in"),
        ({"steps": -1}, "negative"),
    ],
)
def test_row_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(ROW, **change)


def _edited(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "rows.csv"
    write_rows(path, [ROW, replace(ROW, replicate=1)])
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",n_test,", ",n_tests,", r"line 1: unknown column 'n_tests' \(did you mean 'n_test'\?\)"),
        (",reason", "", "line 1: missing column reason"),
        (",paint,1,", ",paint,one,", r"line 3: replicate is 'one'; it must be a whole number"),
        (",0,mAP50,0.30000000000000004", ",0,mAP50,high", "line 2: value is 'high'; it must be a number or nothing"),
        (",true,", ",yes,", "line 2: higher_is_better is 'yes'; it must be true or false"),
        (",ok,", ",OK,", "line 2: status is 'OK'; it must be one of ok, degraded, failed"),
        ("\n1,shop", "\n2,shop", "line 2: schema '2', this version reads 1"),
        (",ok,", ",ok", "line 2: 19 values, but the header has 20 columns"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = _edited(tmp_path, old, new)
    with pytest.raises(DataError, match=message) as caught:
        read_rows(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; `bench run` writes it"):
        read_rows(tmp_path / "rows.csv")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, [ROW])
    before = path.read_bytes()

    def broken():  # type: ignore[no-untyped-def]
        yield ROW
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_rows(path, broken())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.csv"]
