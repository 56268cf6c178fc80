"""``bench claims`` as a user meets it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.quality import QualityRow, quality_csv
from bench.results import Row, read_rows, write_rows

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


RANKING = """
id = "looks"
sentence = "Looks do not matter."
source = "The house"
margin = 0.7
[suites]
shop = "score"
"""


def test_rankings_read_the_quality_beside_the_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "results" / "claims" / "rankings").mkdir()
    (folder / "results" / "claims" / "rankings" / "looks.toml").write_text(RANKING)
    assert main(["claims"]) == 0
    text = capsys.readouterr().out
    assert "looks: Looks do not matter." in text
    assert "missing: no kid (random-convolutions) of its sets: no quality.csv beside its rows; run the suite" in text
    base = folder / "results" / "baselines" / "shop-quick"
    rows = read_rows(base / "rows.csv")
    names, quality = "abcde", []
    for k, name in enumerate(names):
        for r in range(3):
            plain = next(row for row in rows if row.arm == "plain" and row.replicate == r)
            rows.append(replace(plain, arm=f"refined({name})", refiner=name, value=0.5 + 0.01 * k))
            quality.append(
                QualityRow(
                    "shop", "quick", "shelf:2", "stand-in", f"refined({name})", name, r, "kid", "random-convolutions",
                    "", 1.0 - 0.1 * k, False, 9, "ok", "",
                )
            )  # fmt: skip
    rows += [replace(row, arm="synthetic") for row in rows if row.arm == "plain"]
    write_rows(base / "rows.csv", rows)
    (base / "quality.csv").write_text(quality_csv(quality), encoding="utf-8")
    assert main(["claims", "--suite", "shop"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "shop (score)" in line)
    for part in ("▼", "net", "+1.00", "5", "0.017", "fails; profile quick, real (rendered stand-in)"):
        assert part in line
    assert main(["claims", "--suite", "shop", "--json"]) == 0
    found = [one for one in json.loads(capsys.readouterr().out) if one.get("kind") == "ranking"]
    assert [(one["id"], one["verdict"], one["rho"]) for one in found] == [("looks", "fails", 1.0)]
    assert found[0]["refiners"] == [f"refined({name})" for name in "edcba"]
    (base / "quality.csv").write_text("broken")
    assert main(["claims"]) == 2
    assert "quality.csv, line 1" in capsys.readouterr().err
