"""The command line as a user meets it: exit codes, one-line errors, and what a run leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.cli.main import VERBS, main
from bench.collect import portable_suite
from bench.graph import Plan
from bench.results import read_rows
from bench.store import Store
from bench.suite import load_suite

TOY = str(Path(__file__).parent.parent / "toy.py")


def test_help_imports_no_torch_and_is_quick() -> None:
    code = (
        "import sys\nfrom bench.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    best = 9.0
    for _ in range(3):
        before = os.times()
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        after = os.times()  # processor time: other programs share the machine
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best, spent)
    assert best < 0.5
    for verb in VERBS:
        assert verb in out


def test_a_finished_run_again_needs_nothing_heavy() -> None:
    code = (
        "import sys\nimport bench.cli.run, bench.cli.plan, bench.plan, bench.finish, bench.estimates\n"
        "print(sorted({'torch', 'pandas', 'scipy.stats', 'matplotlib', 'PIL.ImageFont'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["rnu"], "did you mean 'run'"),
        (["run", "--suite", "vendin"], "did you mean 'vending'"),
        (["run", "--suite", "vending", "--profile", "smke"], "did you mean 'smoke'"),
        (["run", "--siute", "vending"], "--suite"),
        (["run", "--suite", "vending", "--profil", "smoke", "--wrokers", "3"], "did you mean '--workers'"),
        (["run", "--suite", "vending", "--workers", "0"], "--workers 0"),
        (["run", "--suite", "vending", "--replicates", "0"], "--replicates 0"),
        (["plan", "--suite", "vending", "--set", "refinr.x=1"], "did you mean 'refiner'"),
        (["plan", "--suite", "vending", "--only", "refiner=vt"], "did you mean 'vtr'"),
        (["plan", "--suite", "vending", "--plugin", "none.py"], "none.py: no such file"),
        (["gc", "--runs", "none"], "none: no finished run"),
        ([], "VERB"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    error = capsys.readouterr().err
    assert code == 2
    assert part in error
    assert len(error.strip().splitlines()) == 1


def toy(verb: str, suite: Path, store: Path, *more: str) -> list[str]:
    return [verb, "--suite", str(suite), "--plugin", TOY, "--store", str(store), *more]


@pytest.mark.slow
def test_a_run_leaves_everything_and_a_second_one_does_nothing(
    toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    arguments = toy("run", toy_suite, store, "--out", str(out), "--workers", "1", "--device", "cpu")
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "toy-brighten" in printed
    assert str(out / "index.html") in printed
    for name in ("rows.csv", "table.md", "table.csv", "index.html", "suite.toml", "environment.json", "gallery.png"):
        assert (out / name).stat().st_size > 0, name
    assert list((out / "plots").glob("*.png"))
    rows = read_rows(out / "rows.csv")
    assert {row.real_kind for row in rows} == {"stand-in"}
    assert tomllib.loads((out / "suite.toml").read_text())["name"] == "toy"
    assert "python -m bench run" in (out / "index.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert main([*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["cells"] == {"ok": 10}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    assert main(toy("plan", toy_suite, store, "--json")) == 0
    assert {stage["state"] for stage in json.loads(capsys.readouterr().out)["stages"]} == {"cached"}
    assert main(toy("plan", toy_suite, store, "--set", "train.steps=41")) == 0
    plan = capsys.readouterr().out
    assert "task.config.steps: 40 -> 41" in plan
    assert main(["gc", "--store", str(store), "--runs", str(tmp_path)]) == 0
    assert "freed 0.0 MiB" in capsys.readouterr().out


@pytest.mark.slow
def test_a_failed_cell_is_exit_code_3_and_stays_in_the_table(
    toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = toy(
        "run", toy_suite, tmp_path / "store", "--out", str(tmp_path / "out"), "--workers", "1", "--replicates", "1"
    )
    assert main([*arguments, "--set", "refiner.toy-brighten.crash='it broke'"]) == 3
    assert "it broke" in (tmp_path / "out" / "table.md").read_text()
    assert "it broke" in (tmp_path / "out" / "index.html").read_text()
    failed = {row.arm for row in read_rows(tmp_path / "out" / "rows.csv") if row.status == "failed"}
    assert failed == {"refined(toy-brighten)", "hybrid(toy-brighten)"}
    capsys.readouterr()
    assert main(["report", *arguments[1:5], "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]) == 3


@pytest.mark.slow
def test_parts_of_a_suite_add_up_to_its_table(
    toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = toy(
        "run", toy_suite, tmp_path / "store", "--out", str(tmp_path / "out"), "--workers", "1", "--replicates", "1"
    )
    assert main([*arguments, "--only", "arm=real"]) == 0
    assert {row.arm for row in read_rows(tmp_path / "out" / "rows.csv")} == {"real"}
    assert main([*arguments, "--only", "arm=synthetic"]) == 0
    assert {row.arm for row in read_rows(tmp_path / "out" / "rows.csv")} == {"real", "synthetic"}
    capsys.readouterr()


def test_list_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--plugin", TOY]) == 0
    text = capsys.readouterr().out
    for name in ("vending", "toy-brighten", "toy-level", "detection", "pvanet", "vtr"):
        assert name in text


def test_a_published_suite_names_no_folder_of_this_machine(toy_suite: Path, tmp_path: Path, store: Store) -> None:
    (tmp_path / "renders").mkdir()
    suite = load_suite(str(toy_suite))
    suite = suite.model_copy(update={"world": {**suite.world, "folder": str(tmp_path / "renders")}})
    plan = Plan(suite, None, None, "stand-in")  # type: ignore[arg-type]
    assert portable_suite(plan, tmp_path / "runs" / "toy")["world"] == {"name": "toy-world", "folder": "../../renders"}
