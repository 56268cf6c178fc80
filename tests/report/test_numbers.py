"""The figures in tables and words, against hand-computed ones."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.report.answer import build_answer
from bench.report.cells import Cells
from bench.report.csv_table import table_csv
from bench.report.lines import grouped, lines, reported_text, spreads
from bench.report.markdown import markdown
from bench.report.summary import RunSummary
from bench.report.words import Numbers, percent, seconds, verdict
from bench.reported import read_reported
from bench.results import Row
from bench.statistics import Interval, minimum_detectable_gain

# Differences of refined(paint) to synthetic: .1, .2, 0: mean .1, sd .1, half width 4.302653 * .1 / sqrt(3) = .248414.
VALUES = {"synthetic": (0.1, 0.2, 0.3), "refined(paint)": (0.2, 0.4, 0.3), "real": (0.5, 0.6, 0.7)}


def summary_of(values: dict[str, tuple[float, ...]], tmp_path: Path, higher: bool = True, **suite: Any) -> RunSummary:
    rows = [
        Row(
            suite="shop", profile="quick", world="shelf:1", real_kind="photographs", task="detection", model="net",
            arm=arm, refiner="paint" if "paint" in arm else "", replicate=r, metric="score", value=value,
            higher_is_better=higher, n_train=10, n_test=5, steps=7, seconds=2.0 + r, peak_mib=math.nan, status="ok",
            reason="",
        )
        for arm, of_arm in values.items()
        for r, value in enumerate(of_arm)
    ]  # fmt: skip
    plan = {"name": "shop", "profile": "quick", "metric": "score", "replicates": 3}
    plan |= {"models": ["net"], "arms": list(values), **suite}
    return RunSummary(tmp_path, plan, "photographs", rows, "run", costs={"paint": 90.0})


def test_line_equals_hand_computed(tmp_path: Path) -> None:
    cells = Cells(summary_of(VALUES, tmp_path))
    synthetic, refined, real = lines(cells, "net", [])
    assert (synthetic.mean, synthetic.n, synthetic.gain) == ("0.200 ± 0.248", "3", "reference")
    assert refined.mean == "0.300 ± 0.248"
    assert refined.gain == "+0.100 [−0.148, +0.348] (n=3)"
    assert refined.state == "inconclusive"
    # (.1, .2, 0) over a constant gap of .4.
    assert refined.gap == "25 % [−37, 87]"
    assert (refined.time, refined.refiner, refined.images, refined.steps) == ("3.0 s", "90 s", "10", "7")
    assert real.arm == "real (photographs)"
    assert real.gain == "+0.400 [+0.400, +0.400] (n=3)"
    assert real.state == "better"


def test_lower_is_better_turns_the_gain_round(tmp_path: Path) -> None:
    cells = Cells(summary_of(VALUES, tmp_path, higher=False))
    _, refined, real = lines(cells, "net", [])
    assert refined.gain == "−0.100 [−0.348, +0.148] (n=3)"
    assert real.state == "worse"
    assert refined.gap == "25 % [−37, 87]"


def test_pairs_only_shared_replicates(tmp_path: Path) -> None:
    summary = summary_of(VALUES, tmp_path)
    rows = [
        replace(row, status="failed", value=math.nan, reason="diverged") if (row.arm, row.replicate) == ("synthetic", 0)
        else row
        for row in summary.rows
    ]  # fmt: skip
    cells = Cells(replace(summary, rows=rows))
    synthetic, refined, _ = lines(cells, "net", [])
    assert (synthetic.n, synthetic.trouble) == ("2 of 3", "failed: diverged")
    assert refined.n == "3"
    assert refined.gain.startswith("+0.100 [")  # of .2 and 0
    assert refined.gain.endswith("(n=2)")
    (trouble,) = cells.all_troubles()
    assert (trouble.arm, trouble.replicate, trouble.status) == ("synthetic", 0, "failed")


def test_a_value_that_is_no_number_is_trouble(tmp_path: Path) -> None:
    summary = summary_of(VALUES, tmp_path)
    rows = [replace(row, value=math.nan) if row.arm == "real" else row for row in summary.rows]
    cells = Cells(replace(summary, rows=rows))
    assert {(t.status, t.reason) for t in cells.all_troubles()} == {("failed", "score is not a number")}
    assert math.isnan(cells.entry("net", "refined(paint)").gap.mean)


def test_what_the_suite_promises_and_rows_lack_is_missing(tmp_path: Path) -> None:
    cells = Cells(summary_of(VALUES, tmp_path, arms=[*VALUES, "hybrid(paint)"], replicates=4))
    troubles = grouped(cells.all_troubles())
    assert [(t.arm, t.replicates, t.status) for t in troubles] == [
        ("synthetic", "3", "missing"), ("refined(paint)", "3", "missing"), ("real", "3", "missing"),
        ("hybrid(paint)", "0, 1, 2, 3", "missing"),
    ]  # fmt: skip
    assert cells.count == 16


def test_arm_models_plan_fewer_cells(tmp_path: Path) -> None:
    cells = Cells(summary_of(VALUES, tmp_path, models=["net", "other"], arm_models={"real": ["net"]}))
    assert {(t.model, t.arm) for t in cells.all_troubles()} == {("other", "synthetic"), ("other", "refined(paint)")}


def test_trouble_of_another_metrics_row_is_found(tmp_path: Path) -> None:
    summary = summary_of(VALUES, tmp_path)
    rows = [
        replace(row, metric="", status="skipped", value=math.nan, reason="no package") if row.arm == "real" else row
        for row in summary.rows
    ]
    (trouble,) = grouped(Cells(replace(summary, rows=rows)).all_troubles())
    assert (trouble.arm, trouble.replicates) == ("real", "0, 1, 2")
    assert (trouble.status, trouble.reason) == ("skipped", "no package")


def test_csv_is_unrounded(tmp_path: Path) -> None:
    text = table_csv(Cells(summary_of(VALUES, tmp_path)), [])
    synthetic, refined, _ = csv.DictReader(io.StringIO(text))
    assert float(refined["gain"]) == pytest.approx(0.1)
    assert float(refined["gain_low"]) == pytest.approx(0.1 - 0.2484138, abs=1e-7)
    assert float(refined["gap_closed_high"]) == pytest.approx(0.25 + 0.2484138 / 0.4, abs=1e-7)
    assert refined["gain_sign_flip_p"] == "0.5"  # .1 + .2 + 0: four of the eight sign flips reach .3
    assert float(refined["probability_of_improvement"]) == pytest.approx(7 / 9)  # six pairs won, two ties
    assert float(refined["iqm"]) == pytest.approx(0.3)
    assert float(refined["gain_detectable"]) == pytest.approx(minimum_detectable_gain(0.1, 3))
    assert (refined["n"], refined["planned"], refined["gain_n"]) == ("3", "3", "3")
    assert (synthetic["gain"], synthetic["verdict"], synthetic["peak_mib"]) == ("", "none", "")
    assert refined["real_kind"] == "photographs"


def test_markdown_says_what_real_is(make_summary: Callable[..., RunSummary]) -> None:
    text = markdown(Cells(make_summary()), read_reported())
    assert "real (rendered stand-in)" in text
    assert "| real |" not in text
    assert "refined(identity) (control)" in text
    assert "not found" in text
    assert "92.69 mAP_pct, 500 real" in text
    # Every line of a table has as many cells as its heading.
    widths = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| ")]
    assert set(widths) == {13, 3 + 1, 6}
    assert "step 120: total_loss is nan \\| see the log" in text
    assert "<b>" not in text


def test_reported_figures_stand_beside(make_summary: Callable[..., RunSummary]) -> None:
    cells, figures = Cells(make_summary()), read_reported()
    entry = cells.entry("pvanet", "hybrid(synthetic)@200")
    assert reported_text(figures, "Wang2019-VTR", entry) == "93.09 mAP_pct, 500 real"
    assert reported_text(figures, "Wang2019-VTR", cells.entry("pvanet", "real")) == "not found"
    assert reported_text(figures, "", entry) == "—"
    unverified = [replace(figure, verified=False) for figure in figures]
    assert "(unverified)" in reported_text(unverified, "Wang2019-VTR", entry)


def test_answer_in_words(tmp_path: Path) -> None:
    sure = VALUES | {"refined(paint)": (0.19, 0.3, 0.41)}
    answer = build_answer(Cells(summary_of(sure, tmp_path)))
    assert answer.headline == "Refining helps."
    (point,) = answer.blocks[0].points
    assert point.text == (
        "refined(paint) raises score of net by 0.100 [0.075, 0.125] over synthetic, "
        "closing 25 % [19, 31] of the gap to real (photographs); 3 replicates."
    )
    assert point.mark == "▲"


def test_answer_without_a_result(tmp_path: Path) -> None:
    answer = build_answer(Cells(summary_of(VALUES, tmp_path)))
    assert answer.headline == "No refiner is shown to help."
    text = answer.blocks[0].points[0].text
    assert text.startswith("refined(paint) for net: inconclusive, +0.100 [−0.148, +0.348] in score over synthetic")
    # Power .8 at sd .1: n = 3 finds .335 (noncentral t), and a gain of one sd needs 10.
    assert "about 10 replicates" in text


def test_answer_that_hurts(tmp_path: Path) -> None:
    worse = VALUES | {"refined(paint)": (0.0, 0.11, 0.2)}
    answer = build_answer(Cells(summary_of(worse, tmp_path)))
    assert answer.headline == "Refining hurts."
    assert "refined(paint) lowers score of net by 0.097 [" in answer.blocks[0].points[0].text
    assert "gap" not in answer.blocks[0].points[0].text


def test_answer_of_one_replicate_claims_nothing(make_summary: Callable[..., RunSummary]) -> None:
    answer = build_answer(Cells(make_summary(models=("ssd",), replicates=1, trouble=False)))
    assert answer.headline == "One replicate: these gains cannot be told from noise."
    assert "no interval" in answer.blocks[0].points[0].text
    assert not any(point.state in ("better", "worse") for block in answer.blocks for point in block.points)


def test_control_and_baseline(make_summary: Callable[..., RunSummary]) -> None:
    summary = make_summary()
    answer = build_answer(Cells(summary))
    assert [point.text for block in answer.blocks if block.title == "Control" for point in block.points] == [
        "refined(identity): a gain of exactly 0 in every cell, as it must be."
    ]
    texts = [p.text for b in answer.blocks if b.title == "Against the strongest plain baseline" for p in b.points]
    assert len(texts) == 2
    assert all("refined(blur)" in text for text in texts)
    (incomplete,) = [block.points[0].text for block in answer.blocks if block.title == "Incomplete"]
    assert incomplete.startswith("5 of 60 cells have no value (1 failed, 3 skipped, 1 missing)")
    # A control that moves is said to.
    moved = [replace(r, value=r.value + 0.05) if r.arm == "refined(identity)" else r for r in summary.rows]
    answer = build_answer(Cells(replace(summary, rows=moved)))
    (text,) = [point.text for block in answer.blocks if block.title == "Control" for point in block.points]
    assert text == "refined(identity): up to 0.050 where 0 was expected; trust no gain smaller than that."


def test_a_baseline_that_wins_is_called_one(make_summary: Callable[..., RunSummary]) -> None:
    summary = make_summary()
    answer = build_answer(Cells(replace(summary, suite={**summary.suite, "baselines": ("paint",)})))
    assert "refined(paint), a plain baseline" in answer.blocks[0].title
    assert "refined(blur) lowers mAP50 of pvanet" in answer.blocks[1].points[0].text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.24, "4.2 s"), (90.4, "90 s"), (119.6, "2 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"),
        (math.nan, "—"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


def test_numbers() -> None:
    assert Numbers.for_values([0.3, math.nan]).plain(-0.0001) == "0.000"
    assert Numbers.for_values([12.0]).signed(3.14159) == "+3.14"
    assert Numbers.for_values([89.2]).plain(-5.55) in ("−5.5", "−5.6")
    assert Numbers(1).plain(math.inf) == "∞"
    assert percent(Interval(0.3, -math.inf, math.inf)) == "30 % [unbounded]"
    assert percent(Interval(0.3, math.nan, math.nan)) == "30 % (no interval)"
    assert verdict(None) == "none"


def test_a_second_metric_gets_its_own_table_with_its_own_direction(tmp_path: Path) -> None:
    summary = summary_of(VALUES, tmp_path, also=["angle"])
    angles = {"synthetic": (90.0, 80.0, 85.0), "refined(paint)": (80.0, 70.0, 75.0), "real": (40.0, 30.0, 35.0)}
    more = [
        replace(row, metric="angle", value=value, higher_is_better=False)
        for arm, values in angles.items()
        for row, value in zip([r for r in summary.rows if r.arm == arm], values, strict=True)
    ]
    cells = Cells(replace(summary, rows=[*summary.rows, *more]))
    assert cells.metric == "score" and cells.also == ["angle"]
    line = next(line for line in lines(cells, "net", [], metric="angle") if line.arm == "refined(paint)")
    assert line.gain.startswith("+10.0 ") and line.state == "better", "ten degrees less is a gain of ten"
    assert line.gap.startswith("20 %")
    text = markdown(cells, [])
    assert "## By angle (lower is better)" in text and "## Other metrics" not in text


def test_spread_is_the_standard_deviation_over_replicates(tmp_path: Path) -> None:
    assert spreads(Cells(summary_of(VALUES, tmp_path))) == {}
    table = spreads(Cells(summary_of(VALUES, tmp_path, spread=True)))
    assert table == {"score": [["synthetic", "0.100"], ["refined(paint)", "0.100"], ["real (photographs)", "0.100"]]}
    one = {arm: values[:1] for arm, values in VALUES.items()}
    assert spreads(Cells(summary_of(one, tmp_path, spread=True)))["score"][0] == ["synthetic", "—"]
