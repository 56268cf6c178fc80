"""The fuzzer itself: its seeds are valid, it sees what it is made to see, and a few seconds of it find nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.errors import DataError
from tests.hostile import fuzz
from tests.hostile.fuzz import Report
from tests.hostile.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_the_seed_of_each_target_is_valid(name: str, tmp_path: Path) -> None:
    TARGETS[name].build(tmp_path / "valid")
    TARGETS[name].run(tmp_path / "valid")


def test_two_hundred_spoilt_inputs_of_a_fixed_seed(tmp_path: Path) -> None:
    report = fuzz.fuzz(60, TARGETS, 7, tmp_path, Report(), runs=204)
    assert report.findings == {}
    assert sum(report.runs.values()) >= 100 and sum(report.refused.values()) >= 50


def boom(work: Path) -> None:
    raise KeyError("not ours")


def refuse(work: Path) -> None:
    raise DataError("of ours: mend it")


def write_outside(work: Path) -> None:
    (work.parent / "escaped.txt").write_text("x")


def read_outside(work: Path) -> None:
    (work.parent / "outside" / "secret.png").read_bytes()


def start(work: Path) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True, env=dict(os.environ))


def sleep(work: Path) -> None:
    time.sleep(20)


@pytest.mark.parametrize(("run", "word"), [
    (boom, "KeyError"), (write_outside, "escaped.txt"), (read_outside, "secret.png"), (start, "subprocess.Popen"),
    (sleep, "hang"), (refuse, ""),
])  # fmt: skip
def test_it_sees(run, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 1)
    report = fuzz.fuzz(60, {"made": Target(TARGETS["coco"].build, run)}, 0, tmp_path, Report(), runs=1)
    assert bool(report.findings) == bool(word)
    assert all(word in finding for finding in list(report.findings)[:1])
