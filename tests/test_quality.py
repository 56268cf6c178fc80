"""``quality.csv``: what is written is read back, and what is not right is one line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.quality import COLUMNS, QualityRow, quality_csv, read_quality

ROW = QualityRow(
    suite="shop", profile="quick", world="shelf:2", real_kind="stand-in", arm="refined(x)", refiner="x", replicate=1,
    measure="kid", by="random-convolutions", metric="", value=0.1 + 0.2, higher_is_better=False, images=400,
    status="ok", reason="",
)  # fmt: skip


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    failed = replace(ROW, value=math.nan, status="failed", reason='it, "broke"\nin two')
    path = tmp_path / "quality.csv"
    path.write_text(quality_csv([ROW, failed]), encoding="utf-8")
    first, second = read_quality(path)
    assert first == ROW
    assert first.usable
    assert second.reason == 'it, "broke" in two'
    assert math.isnan(second.value)
    assert not second.usable


@pytest.mark.parametrize("field", [{"measure": "fid"}, {"status": "fine"}, {"real_kind": "photo"}])
def test_unknown_words_are_refused(field: dict[str, str]) -> None:
    with pytest.raises(DataError, match=f"{next(iter(field))} is .*; it must be one of"):
        replace(ROW, **field)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (",".join(COLUMNS), "a,b", "line 1: columns"),
        ("\n1,shop", "\n2,shop", "line 2: not 16 values of schema 1"),
        (",ok,", ",fine,", "line 2: status is 'fine'"),
        (",400,", ",many,", "line 2: invalid literal"),
        (",false,", ",no,", "line 2: 'no'"),
        (",ok,", ",ok,x,", "line 2: not 16"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, part: str) -> None:
    path, text = tmp_path / "quality.csv", quality_csv([ROW])
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=r"quality\.csv") as caught:
        read_quality(path)
    assert part in str(caught.value)
    assert "run the suite again" in str(caught.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_quality(tmp_path / "none.csv")
