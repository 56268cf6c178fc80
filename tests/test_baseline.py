"""Committed baselines: what is read beside rows, what an update replaces, and where one is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.baseline import (
    NotComparableError,
    changed_rows,
    default_baseline,
    load_side,
    update_baseline,
)
from bench.errors import DataError
from bench.results import write_rows
from tests.test_regression import row


def test_sides_are_read_with_what_lies_beside_them(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [row("m", "real", 0, 0.5)])
    (tmp_path / "suite.toml").write_text('metric = "score"')
    (tmp_path / "environment.json").write_text('{"score_version": 3}')
    side = load_side(tmp_path)
    assert (side.metric(), side.environment["score_version"], len(side.rows)) == ("score", 3, 1)
    assert load_side(tmp_path / "rows.csv").path == side.path
    text = side.path.read_text()
    side.path.write_text(text.replace("\n1,", "\n9,"))
    with pytest.raises(NotComparableError, match="schema 9") as caught:
        load_side(tmp_path)
    assert caught.value.exit_code == 4
    side.path.write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(DataError, match="occurs twice"):
        load_side(tmp_path).cells("score")
    (tmp_path / "suite.toml").write_text("= broken")
    with pytest.raises(DataError, match=r"suite\.toml"):
        load_side(tmp_path)


def test_update_replaces_what_the_baseline_has_and_nothing_else(tmp_path: Path) -> None:
    run, base = tmp_path / "run", tmp_path / "base"
    write_rows(run / "rows.csv", [row("m", "real", 0, 0.5), row("m", "real", 1, 0.7)])
    for name in ("suite.toml", "environment.json", "table.md", "keys.json"):
        (run / name).write_text("{}" if name.endswith("json") else "")
    (base / "plots").mkdir(parents=True)
    (base / "table.md").write_text("old")
    (base / "NOTES.md").write_text("by hand")
    write_rows(base / "rows.csv", [row("m", "real", 0, 0.4), row("m", "real", 2, 0.1)])
    old, new = load_side(base), load_side(run)
    assert changed_rows(old, new) == [
        "  m on real #0 score 0.4 -> 0.5", "- m on real #2 score 0.1", "+ m on real #1 score 0.7"
    ]  # fmt: skip
    update_baseline(new, base / "rows.csv")
    assert load_side(base).rows == new.rows
    assert (base / "table.md").read_text() == ""
    assert (base / "NOTES.md").read_text() == "by hand"
    assert sorted(p.name for p in base.iterdir()) == [
        "NOTES.md", "environment.json", "plots", "rows.csv", "suite.toml", "table.md"
    ]  # fmt: skip


def test_the_default_baseline_is_the_working_directorys_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = default_baseline("shop", "quick")
    assert path == tmp_path / "results" / "baselines" / "shop-quick" / "rows.csv"
