"""Label preservation and realism in the report: figures by hand, in every file, and what is missing says so."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.quality import QualityRow
from bench.report.build import build_report
from bench.report.cells import Cells
from bench.report.drift import drift_sheet
from bench.report.plot_realism import realism_points
from bench.report.quality import Sets, quality_words
from bench.report.summary import Drift, GalleryColumn, RunSummary

Make = Callable[..., RunSummary]
KID = {"synthetic": 0.5, "refined(identity)": 0.5, "refined(blur)": 0.7, "refined(paint)": 0.1, "refined(broken)": 0.3}
SCORE = dict(zip(KID, (0.8, 0.8, 0.6, 0.7, 0.4), strict=True))


def rows(extractors: tuple[str, ...] = ("random-convolutions",), model: str = "pvanet") -> list[QualityRow]:
    """Three replicates; the label score of refined sets wanders by a hundredth."""
    out = []
    for arm in KID:
        refiner = arm.partition("(")[2].removesuffix(")")
        for r in range(3):
            blank = QualityRow(
                "shop", "quick", "shelf:2", "stand-in", arm, refiner, r, "label_score", model, "mAP50",
                SCORE[arm] + (0.01 * (r - 1) if refiner not in ("", "identity") else 0), True, 400, "ok", "",
            )  # fmt: skip
            out += [blank, replace(blank, measure="agreement", metric="", value=SCORE[arm] / 2)]
            for k, name in enumerate(extractors):
                distance = replace(blank, by=name, metric="", higher_is_better=False)
                out.append(replace(distance, measure="kid", value=KID[arm] * (k + 1)))
                out.append(replace(distance, measure="frechet", value=30 * KID[arm]))
    return [*out, replace(out[0], arm="real", value=0.9, images=80)]


def test_figures_by_hand(make_summary: Make) -> None:
    sets = Sets(Cells(replace(make_summary(), quality=rows())))
    assert sets.measured
    assert sets.arms == [*KID, "real"]
    assert sets.mean("refined(blur)", "label_score", metric="mAP50").mean == pytest.approx(0.6)
    # Differences to the unrefined set -0.21, -0.20, -0.19: t(.975, 2) = 4.302653, half width 4.302653 * .01 / sqrt(3).
    change = sets.change("refined(blur)")
    assert change == pytest.approx((-0.2, -0.2 - 0.0248414, -0.2 + 0.0248414), abs=1e-6)
    assert sets.change("refined(identity)") == (0, 0, 0)
    kid = sets.mean("synthetic", "kid", "random-convolutions")
    assert kid.mean == 0.5 and math.isnan(kid.low), "the same images in every replicate have no interval"
    by_arm = {line.arm: dict(zip(sets.headings(), line.texts, strict=True)) for line in sets.lines()}
    blur = by_arm["refined(blur)"]
    assert blur["label score (mAP50)"] == "0.600 ± 0.025"
    assert blur["change of it"] == "−0.200 [−0.225, −0.175]"
    assert blur["label agreement"] == "0.300 ± 0.000"
    assert blur["KID (random-convolutions)"] == "0.700"
    assert blur["Frechet (random-convolutions)"] == "21.00"
    assert blur["gain of pvanet"].endswith("(n=3)")
    assert by_arm["refined(identity) (control)"]["change of it"] == "0.000 [0.000, 0.000]"
    assert by_arm["real (rendered stand-in) test images"]["label score (mAP50)"] == "0.900"
    assert by_arm["synthetic"]["gain of pvanet"] == "—"


def test_less_is_better_turns_the_change(make_summary: Make) -> None:
    sets = Sets(Cells(replace(make_summary(lower=True), quality=rows())))
    assert sets.change("refined(blur)").mean == pytest.approx(0.2)


def test_every_file_says_the_same_and_every_column_is_explained(make_summary: Make) -> None:
    summary = replace(make_summary(), quality=rows(("random-convolutions", "inception")))
    build_report(summary)
    sets = Sets(Cells(summary))
    page, table = ((summary.out / name).read_text(encoding="utf-8") for name in ("index.html", "table.md"))
    for text in (page, table):
        assert "Refined sets: label preservation and realism" in text
        assert "never in its place" in text
        for heading in sets.headings():
            assert heading in text
        for words in quality_words(sets).values():
            assert words.split(". ")[0].replace("’", "’")[:60] in text
    for column in ("label score", "change of it", "label agreement", "KID (random-convolutions)", "KID (inception)"):
        assert column in quality_words(sets)
    assert 'href="#quality"' in page
    assert 'download="quality.csv"' in page
    with (summary.out / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = {(r["model"], r["arm"], r["metric"]): r for r in csv.DictReader(file)}
    blur = lines["ssd", "refined(blur)", "mAP50"]
    assert [float(blur[name]) for name in ("label_score", "label_agreement", "kid", "frechet")] == [0.6, 0.3, 0.7, 21]
    assert [lines["ssd", "real", "mAP50"][name] for name in ("label_score", "kid")] == ["", ""]
    assert (summary.out / "quality.csv").read_text(encoding="utf-8").count("\n") == len(summary.quality) + 1
    with Image.open(summary.out / "plots" / "realism.png") as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20


def test_a_run_without_measures_has_no_section_and_no_stale_file(make_summary: Make) -> None:
    summary = make_summary()
    build_report(replace(summary, quality=rows()))
    build_report(summary)
    assert not (summary.out / "quality.csv").exists()
    assert not (summary.out / "plots" / "realism.png").exists()
    assert "label preservation" not in (summary.out / "index.html").read_text(encoding="utf-8")
    missing = [replace(row, status="missing", value=math.nan, reason="not yet") for row in rows() if row.arm != "real"]
    assert not Sets(Cells(replace(summary, quality=missing))).measured


def test_a_failure_stands_in_the_table_with_its_reason(make_summary: Make) -> None:
    bad = [
        replace(row, status="failed", value=math.nan, reason="<b>no</b> | memory") if row.refiner == "paint" else row
        for row in rows()
    ]
    summary = replace(make_summary(), quality=bad)
    build_report(summary)
    assert "failed: &lt;b&gt;no&lt;/b&gt; | memory" in (summary.out / "index.html").read_text(encoding="utf-8")
    assert "failed: &lt;b>no&lt;/b> \\| memory" in (summary.out / "table.md").read_text(encoding="utf-8")
    line = next(line for line in Sets(Cells(summary)).lines() if line.arm == "refined(paint)")
    assert set(line.texts[:-1]) == {"—"}
    assert [point.arm for point in realism_points(Sets(Cells(summary)), "pvanet", "random-convolutions")] == [
        "refined(identity)", "refined(blur)", "refined(broken)",
    ]  # fmt: skip


def test_the_plot_has_a_point_for_each_refiner_with_both_numbers(make_summary: Make) -> None:
    sets = Sets(Cells(replace(make_summary(trouble=False), quality=rows())))
    points = realism_points(sets, "pvanet", "random-convolutions")
    assert [(p.arm, p.distance, p.control) for p in points] == [
        (arm, pytest.approx(KID[arm]), arm == "refined(identity)") for arm in KID if arm != "synthetic"
    ]
    gain = sets.cells.entry("pvanet", "refined(paint)").gain
    assert gain is not None
    assert points[2].gain == gain.interval


def test_the_drift_sheet_has_two_rows_a_refiner() -> None:
    def column(values: list[int]) -> GalleryColumn:
        return GalleryColumn("", [np.full((10, 10, 3), value, np.uint8) for value in values])

    three = Drift("refined(a)", column([10, 20, 30]), column([110, 120, 130]), [1, 1, 0.5], [0, 0.5, 0.4])
    one = Drift("refined(b)", column([40]), column([140]), [0.9], [0.1])
    none = Drift("refined(c)", column([]), column([]), [], [])
    sheet = drift_sheet([three, none, one])
    assert sheet is not None
    for value in (10, 20, 30, 40, 110, 120, 130, 140):
        assert (sheet == value).all(2).sum() == 150 * 150
    rows_of = [int(np.flatnonzero((sheet == value).all(2).any(1))[0]) for value in (10, 110, 40, 140)]
    assert rows_of == sorted(rows_of)
    assert drift_sheet([none]) is None
    assert drift_sheet([]) is None
