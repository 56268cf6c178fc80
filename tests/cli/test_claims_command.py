"""``bench claims`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.results import Row, write_rows

CLAIMS = """
paper = "P"
source = "P 2020"
suite = "shop"
task = "detection"
models = { Net = ["net"] }
[[claims]]
id = "good"
sentence = "Better is better."
metric = "score"
arm = "better"
reference = "plain"
direction = "above"
[[claims]]
id = "open"
sentence = "Noisy is better."
metric = "score"
arm = "noisy"
reference = "plain"
direction = "at least"
[[claims]]
id = "elsewhere"
suite = "farm"
sentence = "Far away it is better."
metric = "score"
arm = "better"
reference = "plain"
direction = "above"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with claims and a committed baseline."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "claims").mkdir(parents=True)
    (tmp_path / "results" / "claims" / "p.toml").write_text(CLAIMS)
    values = {"plain": [0.5, 0.5, 0.5], "better": [0.6, 0.61, 0.59], "noisy": [0.6, 0.45, 0.62]}
    rows = [
        Row(
            suite="shop", profile="quick", world="shelf:2", real_kind="stand-in", task="detection", model="net",
            arm=arm, refiner="", replicate=r, metric="score", value=value, higher_is_better=True, n_train=1, n_test=1,
            steps=1, seconds=1.0, peak_mib=1.0, status="ok", reason="",
        )
        for arm, listed in values.items() for r, value in enumerate(listed)
    ]  # fmt: skip
    write_rows(tmp_path / "results" / "baselines" / "shop-quick" / "rows.csv", rows)
    return tmp_path


def test_prints_every_claim_with_its_verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims"]) == 0
    text = capsys.readouterr().out
    assert "Better is better." in text
    assert "suite shop: score of better above plain" in text
    line = next(line for line in text.splitlines() if "holds" in line)
    for part in ("▲", "net", "+0.1", "3", "0.250", "0.500", "profile quick, real (rendered stand-in)"):
        assert part in line
    assert "+0.0752 to +0.125" in line
    assert "replicates would settle it" in text
    assert "missing: no results of suite 'farm'" in text
    assert text.rstrip().endswith("1 holds, 1 inconclusive, 1 missing")


def test_json_suite_and_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--suite", "shop", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["verdict"]) for one in found] == [("good", "holds"), ("open", "inconclusive")]
    assert found[0]["gain"] == pytest.approx(0.1)
    assert found[1]["replicates_needed"] > 3
    base = folder / "results" / "baselines" / "shop-quick"
    assert main(["claims", "--suite", "shop", "--json", "--rows", str(base), str(base / "rows.csv")]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert main(["claims", "--suite", "farm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["gain"] is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--suite", "shpo"], "did you mean 'shop'"),
        (["--profile", "quik"], "did you mean 'quick'"),
        (["--rows", "none.csv"], "none.csv: no such file"),
        (["--claims", "none"], "none: no claim file"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    folder: Path, arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", *arguments]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert len(error.strip().splitlines()) == 1


def test_the_shipped_claims_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["claims", "--suite", "vending", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 6
