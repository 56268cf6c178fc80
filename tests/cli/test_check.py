"""``bench check`` and ``bench compare`` as CI meets them: exit codes, the table, JSON, and the baseline's update."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.results import Row, read_rows, write_rows

TOY = str(Path(__file__).parent.parent / "toy.py")
ARMS = ("synthetic", "refined(toy-same)", "refined(toy-brighten)", "real", "hybrid(toy-brighten)")


def result(arm: str, replicate: int, metric: str, value: float) -> Row:
    return Row(
        suite="toy", profile="quick", world="toy-world:1", real_kind="stand-in", task="toy-task", model="toy-level",
        arm=arm, refiner="", replicate=replicate, metric=metric, value=value, higher_is_better=metric == "closeness",
        n_train=6, n_test=4, steps=40, seconds=1.0, peak_mib=1.0, status="ok", reason="",
    )  # fmt: skip


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a finished run of the toy suite."""
    monkeypatch.chdir(tmp_path)
    values = (0.51, 0.51, 0.83, 0.91, 0.88)
    rows = [
        result(arm, replicate, metric, one)
        for arm, value in zip(ARMS, values, strict=True)
        for replicate in (0, 1)
        for metric, one in (("closeness", value + replicate / 50), ("error", 1 - value - replicate / 50))
    ]
    write_rows(tmp_path / "run" / "rows.csv", rows)
    (tmp_path / "run" / "environment.json").write_text('{"score_version": 1}')
    return tmp_path / "run"


@pytest.fixture
def check(toy_suite: Path, run_folder: Path) -> Callable[..., int]:
    """The command on that run."""
    given = ["check", "--suite", str(toy_suite), "--plugin", TOY, "--run", str(run_folder)]
    return lambda *more: main([*given, "--set", "metric='closeness'", *more])


@pytest.fixture
def baseline(run_folder: Path, check: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Path:
    """The baseline that ``--update`` made from the run."""
    assert check("--update") == 0
    assert "20 values added" in capsys.readouterr().out
    return run_folder.parent / "results" / "baselines" / "toy-quick" / "rows.csv"


def edit(path: Path, change: Callable[[Row], Row | None]) -> None:
    write_rows(path, [new for row in read_rows(path) if (new := change(row)) is not None])


def test_a_baseline_with_more_replicates_than_the_suite_asks_for(
    check: Callable[..., int], baseline: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_rows(baseline)
    write_rows(baseline, [*rows, *(replace(row, replicate=2) for row in rows if row.replicate == 1)])
    assert check() == 0, "the suite has two, and both are there"
    assert re.search(r"toy-level  refined\(toy-brighten\) +2 ", capsys.readouterr().out)
    (run_folder / "suite.toml").write_text("replicates = 3\n")
    assert check() == 3, "a run that was to have three lacks one"
    assert "#2" in capsys.readouterr().out
    assert check("--replicates", "2") == 0


def brightened(row: Row) -> bool:
    return (row.arm, row.metric) == ("refined(toy-brighten)", "closeness")


def test_the_same_run_passes(check: Callable[..., int], baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 0
    text = capsys.readouterr().out
    assert "=  toy-level  refined(toy-same)      2  0.000" in text
    assert "= the same gain to the last digit" in text
    assert text.rstrip().endswith("ok: 4 of 4 lines compared")


def test_a_lowered_gain_is_exit_code_1(
    check: Callable[..., int], baseline: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run_folder / "rows.csv", lambda row: replace(row, value=row.value - 0.2) if brightened(row) else row)
    assert check() == 1
    text = capsys.readouterr().out
    assert "▼  toy-level  refined(toy-brighten)" in text
    assert "▼ lower by more than the tolerance" in text
    assert "REGRESSION: 4 of 4 lines compared, 1 regressed" in text
    assert check("--json") == 1
    data = json.loads(capsys.readouterr().out)
    states = {cell["arm"]: cell["state"] for cell in data["cells"]}
    assert (data["exit_code"], states["refined(toy-brighten)"], states["real"]) == (1, "regressed", "same")
    assert check("--tolerance", "0.3") == 0
    copy = baseline.parent / "copy.csv"
    write_rows(copy, read_rows(run_folder / "rows.csv"))
    assert check("--baseline", str(copy)) == 0


def test_a_missing_or_failed_cell_is_exit_code_3(
    check: Callable[..., int], baseline: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run_folder / "rows.csv", lambda row: None if (row.arm, row.replicate) == ("real", 1) else row)
    assert check() == 3
    assert "✗  toy-level  real" in capsys.readouterr().out
    assert check("--only", "arm=refined(toy-brighten)") == 0, "only what was asked for has to be there"
    assert check("--replicates", "1") == 0
    edit(
        run_folder / "rows.csv",
        lambda row: replace(row, status="failed", reason="it broke") if row.arm == "real" else row,
    )
    assert check() == 3
    assert "it broke" in capsys.readouterr().out
    assert check("--update") == 3
    assert "has to be complete" in capsys.readouterr().err
    write_rows(run_folder / "rows.csv", [])
    assert check() == 3
    assert check("--update") == 3


@pytest.mark.parametrize("field", [{"world": "toy-world:2"}, {"profile": "smoke"}, {"steps": 41}])
def test_another_profile_world_or_budget_is_exit_code_4(
    check: Callable[..., int], baseline: Path, run_folder: Path, field: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    edit(run_folder / "rows.csv", lambda row: replace(row, **field))  # type: ignore[arg-type]
    assert check() == 4
    text = capsys.readouterr().out
    assert next(iter(field)) in text
    assert "NOT COMPARABLE" in text


def test_another_metric_version_or_schema_is_exit_code_4(
    check: Callable[..., int], baseline: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_folder / "environment.json").write_text('{"score_version": 2}')
    assert check() == 4
    assert "metric version is 2, in the baseline 1" in capsys.readouterr().out
    baseline.write_text(baseline.read_text().replace("\n1,", "\n0,"))
    assert check() == 4
    assert "schema 0" in capsys.readouterr().err
    assert check("--update") == 0
    assert "schema 0" in capsys.readouterr().out
    assert check() == 0


def test_update_prints_what_changed(
    check: Callable[..., int], baseline: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run_folder / "rows.csv", lambda row: replace(row, value=0.75) if brightened(row) else row)
    before = baseline.read_text()
    assert check("--update", "--only", "arm=real") == 2
    assert baseline.read_text() == before
    capsys.readouterr()
    assert check("--update") == 0
    text = capsys.readouterr().out
    assert "toy-level on refined(toy-brighten) #0 closeness 0.83 -> 0.75" in text
    assert "0 values added, 0 removed, 2 changed" in text
    assert read_rows(baseline) == read_rows(run_folder / "rows.csv")
    assert check() == 0


def test_no_baseline_and_no_run_are_one_line(check: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 3
    assert "0 cells were compared" in capsys.readouterr().err
    assert check("--tolerance", "-1") == 2
    assert check("--update", "--run", "nowhere") == 2
    error = capsys.readouterr().err
    assert "nowhere: no such file" in error
    assert len(error.strip().splitlines()) == 2


def test_compare_shows_two_runs_and_is_no_gate(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_rows(run_folder / "rows.csv")
    other = tmp_path / "b.csv"
    write_rows(other, [replace(row, value=row.value - 0.2) if brightened(row) else row for row in rows])
    assert main(["compare", str(run_folder), str(other)]) == 0
    text = capsys.readouterr().out
    assert "▼  toy-level  refined(toy-brighten)  2  +0.320  +0.120  −0.200" in text
    assert main(["compare", str(run_folder), str(other), "--metric", "error", "--reference", "real", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["metric"], data["reference"], data["compared"]) == ("error", "real", 4)
    write_rows(other, [replace(row, profile="smoke") for row in rows])
    assert main(["compare", str(run_folder), str(other)]) == 4
    assert main(["compare", str(run_folder), str(other), "--metric", "eror"]) == 2
    assert "did you mean 'error'" in capsys.readouterr().err
    assert main(["compare", str(run_folder), str(other), "--reference", "rael"]) == 2


@pytest.mark.slow
def test_the_suite_is_run_first_and_the_json_stays_clean(
    toy_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["check", "--suite", str(toy_suite), "--plugin", TOY, "--profile", "smoke", "--workers", "1"]
    assert main([*given, "--update"]) == 0
    assert (tmp_path / "runs" / "toy-smoke" / "index.html").exists()
    baseline = tmp_path / "results" / "baselines" / "toy-smoke" / "rows.csv"
    written = {path.name for path in baseline.parent.iterdir()}
    assert written == {"rows.csv", "suite.toml", "environment.json", "quality.csv"}
    capsys.readouterr()
    assert main([*given, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {cell["state"] for cell in data["cells"]} == {"same"}
    assert data["compared"] == 4
    # One replicate on the same arithmetic: a gain below the committed one by more than a quarter is noticed.
    edit(baseline, lambda row: replace(row, value=row.value + 0.5) if brightened(row) else row)
    assert main(given) == 1
    assert "last digit" in capsys.readouterr().out
