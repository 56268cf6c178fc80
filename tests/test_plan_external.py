"""Refiners that read files: their keys, their paths in a suite, and a run with two of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import collect
from bench.engines.execution import execute
from bench.errors import DataError
from bench.formats.layout import open_image_set
from bench.graph import Plan
from bench.plan import build_plan
from bench.store import Store
from bench.suite import load_suite

TABLES = """
[refiner.warm]
base = "external"
folder = "warm"
[refiner.cold]
base = "external"
folder = "cold"
max_shift = 4
"""
Planner = Callable[..., Plan]


@pytest.fixture
def suite(toy_suite: Path) -> Path:
    """The toy suite with two folders of refined images beside it; toy renders are 000 to 005, flat, 16x16."""
    text = toy_suite.read_text().replace('"real",', '"refined(warm)", "refined(cold)", "real",')
    toy_suite.write_text(text.replace("[hybrid]", f"{TABLES}[hybrid]").replace("replicates = 2", "replicates = 1"))
    for name, level in (("warm", 130), ("cold", 40)):
        (toy_suite.parent / name).mkdir()
        for number in range(6):
            image = np.full((16, 16, 3), level + number, np.uint8)
            Image.fromarray(image).save(toy_suite.parent / name / f"{number:03d}.png")
    # A folder named like a setting's value must not be taken for a path.
    (toy_suite.parent / "external").mkdir()
    (toy_suite.parent / "none").mkdir()
    return toy_suite


def run(plan: Plan, store: Store) -> dict[str, str]:
    """Every stage in this process; the reasons of those that failed, by key."""
    reasons: dict[str, str] = {}
    for key, stage in plan.stages.items():
        above = [reasons[other] for other in stage.inputs.values() if other in reasons]
        outcome = execute(stage, store, device="cpu", progress=lambda report: None) if not above else None
        if above or outcome.status == "failed":  # type: ignore[union-attr]
            reasons[key] = above[0] if above else outcome.reason  # type: ignore[union-attr]
    return reasons


def keys(suite: Path, memory: Path | None = None) -> dict[str, str]:
    plan = build_plan(load_suite(str(suite)), None, memory)
    return {stage.label: stage.key for stage in plan.stages.values()}


def test_keys_follow_the_files_and_never_their_place(suite: Path, tmp_path: Path) -> None:
    before = keys(suite, tmp_path / "memory")
    assert before["refine with warm #0"] != before["refine with cold #0"]
    (suite.parent / "warm").rename(suite.parent / "moved")
    suite.write_text(suite.read_text().replace('folder = "warm"', 'folder = "moved"'))
    assert keys(suite, tmp_path / "memory") == before
    Image.new("RGB", (16, 16)).save(suite.parent / "moved" / "003.png")
    after = keys(suite, tmp_path / "memory")
    changed = {label for label in before if before[label] != after[label]}
    assert "refine with warm #0" in changed and "train toy-level on refined(warm) #0" in changed
    assert not any("cold" in label or "synthetic" in label for label in changed)
    suite.write_text(suite.read_text().replace("max_shift = 4", "max_shift = 5"))
    assert keys(suite)["refine with cold #0"] != after["refine with cold #0"]


def test_a_missing_folder_is_told_before_anything_runs(suite: Path) -> None:
    suite.write_text(suite.read_text().replace('folder = "warm"', 'folder = "worm"'))
    with pytest.raises(DataError, match="worm: no such folder; a path in a suite file is relative to that file"):
        keys(suite)


def test_both_become_arms_and_nothing_published_names_a_folder_of_this_machine(
    suite: Path, store: Store, tmp_path: Path
) -> None:
    plan = build_plan(load_suite(str(suite)))
    assert run(plan, store) == {}
    values = {row.arm: row.value for row in collect.rows(plan, store) if row.metric == "closeness"}
    assert values["refined(warm)"] > values["synthetic"] > values["refined(cold)"]
    key = next(key for key, stage in plan.stages.items() if stage.label == "refine with warm #0")
    images = open_image_set(store.path(key))
    assert [int(images.image(k).mean()) for k in range(6)] == [130 + k for k in range(6)]
    assert images.labels(0).boxes is not None, "labels are the harness's copy"
    for file in ("artifact.json", "manifest.json"):
        assert str(tmp_path) not in (store.path(key) / file).read_text()
    published = collect.portable_suite(plan, tmp_path / "runs" / "toy")
    assert published["refiner"]["warm"]["folder"] == "../../warm"
    assert str(tmp_path) not in json.dumps(published)


def test_images_that_change_between_plan_and_run_fail_the_arm(suite: Path, store: Store) -> None:
    plan = build_plan(load_suite(str(suite)))
    Image.new("RGB", (16, 16)).save(suite.parent / "warm" / "003.png")
    (suite.parent / "cold" / "005.png").unlink()
    reasons = run(plan, store)
    by_label = {plan.stages[key].label: reason for key, reason in reasons.items()}
    assert "its files changed after the run was planned" in by_label["refine with warm #0"]
    again = build_plan(load_suite(str(suite)))
    reasons = run(again, store)
    assert any("1 missing: 005" in reason for reason in reasons.values())
    rows = [row for row in collect.rows(again, store, reasons) if row.status == "failed"]
    assert {row.arm for row in rows} == {"refined(cold)"}
