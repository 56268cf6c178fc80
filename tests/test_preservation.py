"""The card of an exported set tells what the run measured of its labels, or why nothing was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.engines.local import run_plan
from bench.finish import finish
from bench.graph import Plan
from bench.quality import read_quality
from bench.store import Store

Export = Callable[..., str]


@pytest.fixture
def export(toy_plan: Callable[..., Plan], store: Store, tmp_path: Path) -> Export:
    """Run the toy suite with settings, let ``change`` damage the run's folder, export a set, and return its card."""

    def make(which: str, *settings: str, replicate: int = 0, change: Callable[[Path], None] = lambda run: None) -> str:
        plan, run = toy_plan(*settings), tmp_path / "run"
        reasons = run_plan(plan, Store(store.root), device="cpu", workers=1, listen=lambda event: None).reasons
        finish(plan, store, run, "bench run", reasons)
        change(run)
        out = tmp_path / f"out-{which}-{replicate}"
        where = ["--store", str(store.root), "--set", which, "--replicate", str(replicate)]
        assert main(["data", "export", "--format", "coco", str(run), str(out), *where]) == 0
        return (out / "data-card.md").read_text(encoding="utf-8")

    return make


def cells(card: str, name: str) -> list[str]:
    """The cells of the line of the card's table that begins with this name."""
    (line,) = [line for line in card.splitlines() if line.startswith(f"| {name}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_card_shows_the_replicates_own_numbers_beside_the_unrefined_ones(export: Export, tmp_path: Path) -> None:
    card = export("toy-brighten", "also=['error']", replicate=1)
    found = {(r.arm, r.replicate, r.measure, r.metric): r for r in read_quality(tmp_path / "run" / "quality.csv")}
    assert "Measured by the run toy, profile quick, at replicate 1:" in card
    names = {
        "label score (closeness)": ("label_score", "closeness", "higher"),
        "label score (error)": ("label_score", "error", "lower"),
        "label agreement": ("agreement", "", "higher"),
        "KID": ("kid", "", "lower"),
        "Frechet distance": ("frechet", "", "lower"),
    }
    for name, (measure, metric, better) in names.items():
        ours, plain = (found[arm, 1, measure, metric] for arm in ("refined(toy-brighten)", "synthetic"))
        assert ours.value != plain.value
        assert cells(card, name)[2:] == ["6", f"{ours.value:.4g}", f"{plain.value:.4g}", better]
    real = found["real", 1, "label_score", "closeness"].value
    assert f"real test images (rendered stand-in) the same model scores closeness {real:.4g}" in card
    assert "Not measured" not in card and "trained on real images" in card
    assert str(tmp_path) not in card


def test_unrefined_renders_have_a_card_of_their_own_numbers(export: Export) -> None:
    line = cells(export("synthetic-train", "replicates=1"), "label agreement")
    assert line[3] == line[4]


def test_without_the_real_arm_labels_are_not_measured_and_realism_is(export: Export) -> None:
    card = export("toy-brighten", "replicates=1", "arms=['synthetic', 'refined(toy-brighten)']", "controls=[]")
    for name in ("label score", "label agreement"):
        assert f"- Not measured: {name}: skipped, no toy-level trained on real images in this run" in card
        assert f"| {name}" not in card
    assert len(cells(card, "KID")) == 6


@pytest.mark.parametrize(
    ("which", "settings", "change", "text"),
    [
        ("toy-brighten", ["quality.images=0"], None, "the run's quality.csv is missing or empty"),
        ("toy-brighten", [], lambda run: (run / "quality.csv").write_text("x\n"), "the run's quality.csv, line 1"),
        ("real-test", [], None, "these are the real images, with the labels that they came with"),
    ],
)
def test_what_was_not_measured_says_why(
    export: Export, tmp_path: Path, which: str, settings: list[str], change: Callable[[Path], None] | None, text: str
) -> None:
    card = export(which, "replicates=1", *settings, **({"change": change} if change else {}))
    assert f"\nNot measured: {text}" in card
    assert "| number |" not in card and str(tmp_path) not in card


def test_a_failed_measure_is_told_with_its_reason(export: Export) -> None:
    """One real image is too few for a distance, and enough for the labels."""
    card = export("toy-brighten", "replicates=1", "counts.real_train=1", "hybrid.real=1")
    assert "- Not measured: KID: failed, " in card and "at least 2 real images" in card
    assert len(cells(card, "label agreement")) == 6
