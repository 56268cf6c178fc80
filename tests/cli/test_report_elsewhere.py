"""Replicates that two stores computed, in one table; and what may not be put together."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.elsewhere import joined
from bench.quality import read_quality
from bench.results import Row, read_rows
from tests.conftest import SUITE

TOY = str(Path(__file__).parent.parent / "toy.py")


def said(verb: str, suite: Path, store: Path, out: Path, *more: str) -> list[str]:
    return [verb, "--suite", str(suite), "--plugin", TOY, "--store", str(store), "--out", str(out), *more]


def values(out: Path) -> list[Row]:
    """Everything but what no two runs agree in."""
    return [replace(row, seconds=0.0, peak_mib=0.0) for row in read_rows(out / "rows.csv")]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Replicate 0 in one store, replicate 1 in another: the folder of each run, and the second store."""
    root = tmp_path_factory.mktemp("two")
    suite = root / "toy.toml"
    suite.write_text(SUITE)
    assert main(said("run", suite, root / "a", root / "first", "--workers", "1", "--replicates", "1")) == 0
    part = ("--workers", "1", "--replicates", "2", "--only", "replicate=1")
    assert main(said("run", suite, root / "b", root / "second", *part)) == 0
    return root / "first", root / "second", root / "b"


@pytest.mark.slow
def test_two_stores_make_the_table_of_one(
    two: tuple[Path, Path, Path], toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole = tmp_path / "both", tmp_path / "whole"
    assert main(said("report", toy_suite, two[2], out, "--replicates", "2")) == 3, "replicate 0 is missing"
    assert main(said("report", toy_suite, two[2], out, "--replicates", "2", "--add", str(two[0]))) == 0
    assert main(said("run", toy_suite, tmp_path / "c", whole, "--workers", "1", "--replicates", "2")) == 0
    assert values(out) == values(whole)
    assert {row.replicate for row in values(out)} == {0, 1}
    assert read_quality(out / "quality.csv") == read_quality(whole / "quality.csv")
    assert "replicates 0: computed in another store (first)" in (out / "index.html").read_text()
    stages = [json.loads((folder / "environment.json").read_text())["stages"] for folder in (out, two[0], whole)]
    assert stages[0] > stages[1], "both stores' work is counted"
    mine = said("report", toy_suite, tmp_path / "c", tmp_path / "mine", "--replicates", "2", "--add", str(out))
    assert main(mine) == 0
    assert "another store" not in (tmp_path / "mine" / "index.html").read_text(), "nothing was lacking"
    # The pooled folder is itself one that can be added: repetitions grow over any number of stores.
    again = said("report", toy_suite, tmp_path / "empty", tmp_path / "third", "--replicates", "2", "--add", str(out))
    assert main(again) == 0
    assert values(tmp_path / "third") == values(whole)
    capsys.readouterr()


@pytest.mark.slow
def test_a_part_and_what_another_store_has(two: tuple[Path, Path, Path], toy_suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "both"
    part = ("--replicates", "2", "--only", "arm=synthetic", "--only", "replicate=1", "--add", str(two[0]))
    assert main(said("report", toy_suite, two[2], out, *part)) == 0
    assert {row.replicate for row in values(out) if row.arm == "real"} == {0, 1}


@pytest.mark.slow
def test_other_inputs_are_not_put_together(
    two: tuple[Path, Path, Path], toy_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*more: str) -> str:
        capsys.readouterr()
        out = tmp_path / "refused"
        assert main(said("report", toy_suite, two[2], out, "--add", *more)) == 2
        assert not out.exists(), "nothing half-written"
        return capsys.readouterr().err

    first = str(two[0])
    assert "were made of other inputs than this plan's" in refused(first, "--set", "train.steps=7")
    assert "give --replicates 2" in refused(str(two[1]), "--replicates", "1")
    arms = 'arms=["synthetic", "refined(toy-same)"]'
    assert "is not in this plan; it is of another suite" in refused(first, "--set", arms)
    assert "no such file" in refused(str(tmp_path / "nowhere"))
    copy = tmp_path / "copy"
    shutil.copytree(two[0], copy)
    (copy / "keys.json").write_text("{")
    assert "keys.json: cannot be read" in refused(str(copy))
    (copy / "keys.json").unlink()
    assert "it has no keys.json" in refused(str(copy))


def test_environments_are_joined() -> None:
    ours = {
        "versions": {"torch": "2.14"}, "devices": ["cpu"], "hardware": ["X"], "stage_seconds": 1.0, "peak_mib": 5,
        "stages": 2, "plan": "p",
    }  # fmt: skip
    theirs = ours | {"versions": {"torch": "2.11", "h5py": "3"}, "devices": ["cuda"], "peak_mib": 9}
    assert joined(ours, [theirs]) == {
        "versions": {"h5py": "3", "torch": "2.11, 2.14"}, "devices": ["cpu", "cuda"], "hardware": ["X"],
        "stage_seconds": 2.0, "peak_mib": 9, "stages": 4, "plan": "p",
    }  # fmt: skip
    assert joined(ours, []) == ours
