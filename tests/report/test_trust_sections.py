"""Claims, paired slopes and costs on the page and as plots: what they say, and when they are left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.report.build import build_report
from bench.report.cells import Cells
from bench.report.claim_lines import claim_lines
from bench.report.lines import lines
from bench.report.plot_claims import by_claim, plot_claims
from bench.report.plot_costs import device_hours, plot_costs
from bench.report.plot_slopes import plot_slopes
from bench.report.summary import RunSummary

Make = Callable[..., RunSummary]


def drawn(path: Path) -> bool:
    """Whether a plot is there and is neither empty nor a solid block."""
    with Image.open(path) as image:
        return image.width == 1296 and 5 < np.asarray(image.convert("L")).std() < 110


def test_a_claim_is_shown_with_its_verdict_gain_and_why_there_is_none(built: RunSummary) -> None:
    found = {(line.sentence, line.model): line for line in claim_lines(built.verdicts)}
    up = found["Paint & renders beat plain renders.", "ssd"]
    assert (up.verdict, up.mark) == ("holds", "▲")
    assert up.gain.startswith("+0.1")
    assert up.gain.endswith("(n=3)")
    assert up.comparison == "mAP50: refined(paint) above synthetic"
    assert up.p == "0.250, Holm 1.000"
    down = found["Blur is as good as real images.", "pvanet"]
    assert (down.verdict, down.mark) == ("fails", "▼")
    assert down.comparison.endswith("at least real, margin 0.01")
    never = next(line for (sentence, _), line in found.items() if "nobody" in sentence)
    assert (never.mark, never.gain) == ("—", "—")
    assert never.verdict.startswith("missing: no mAP50 of ")
    text = (built.out / "index.html").read_text(encoding="utf-8")
    assert "Paint &amp; renders beat plain renders." in text
    assert "Paper &lt;b&gt;" in text
    assert text.index('id="claims"') < text.index('id="plots"')


def test_a_panel_for_every_claim_that_was_tested(built: RunSummary, tmp_path: Path) -> None:
    groups = by_claim(built.verdicts)
    assert [(group[0].claim.id, len(group)) for group in groups] == [("up", 2), ("down", 2)]
    cells = Cells(built)
    assert plot_claims(cells, built.verdicts, tmp_path / "two.png")
    assert plot_claims(cells, groups[0], tmp_path / "one.png")
    heights = []
    for name in ("one", "two"):
        assert drawn(tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as image:
            heights.append(image.height)
    assert heights[1] > 1.7 * heights[0]
    assert not plot_claims(cells, [v for v in built.verdicts if v.verdict == "missing"], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_slopes_need_pairs(built: RunSummary, tmp_path: Path) -> None:
    assert plot_slopes(Cells(built), tmp_path / "slopes.png")
    assert drawn(tmp_path / "slopes.png")
    alone = replace(built, rows=[row for row in built.rows if row.arm != "synthetic"])
    assert not plot_slopes(Cells(alone), tmp_path / "none.png")


def test_costs_stand_against_gains_in_seconds_and_hours(built: RunSummary, tmp_path: Path) -> None:
    assert plot_costs(Cells(built), tmp_path / "costs.png")
    assert drawn(tmp_path / "costs.png")
    assert not plot_costs(Cells(replace(built, costs={})), tmp_path / "none.png")
    assert device_hours(Cells(built)) == "CPU hours, one thread"
    assert device_hours(Cells(replace(built, environment={"devices": ["cpu", "cuda:0"]}))) == "GPU hours"
    assert device_hours(Cells(replace(built, environment={}))) == "CPU hours, one thread"
    text = (built.out / "index.html").read_text(encoding="utf-8")
    assert "<th>CPU hours, one thread</th>" in text
    assert "<td>0.058</td>" in text, "210 s are 0.058 hours"


def test_without_claims_and_costs_the_sections_are_left_out(make_summary: Make) -> None:
    summary = replace(make_summary(), verdicts=(), costs={}, resamples={}, test_groups=0)
    build_report(summary)
    text = (summary.out / "index.html").read_text(encoding="utf-8")
    for absent in ('id="claims"', 'href="#claims"', 'id="costs"'):
        assert absent not in text
    assert not {"claims.png", "costs.png"} & {path.name for path in (summary.out / "plots").iterdir()}
    assert "not available" in text, "nothing was resampled, and the table says so"


@pytest.mark.parametrize("lower", [False, True])
def test_the_interval_over_test_images_follows_the_metrics_direction(make_summary: Make, lower: bool) -> None:
    """Easy images are easy for both arms: the interval is the gain times what easiness does, and far from 0."""
    cells = Cells(make_summary(lower=lower))
    gain = cells.entry("pvanet", "refined(paint)").gain
    assert gain is not None
    assert 0 < gain.test_images.low < gain.interval.mean < gain.test_images.high
    assert gain.test_images.high - gain.test_images.low < 0.2 * gain.interval.mean
    assert gain.test_images.mean == gain.interval.mean
    assert gain.test_images[1:] != gain.interval[1:], "the two intervals are never mixed"
    (line,) = [line for line in lines(cells, "pvanet", []) if line.arm == "refined(paint)"]
    assert line.test_images.startswith("[+")
