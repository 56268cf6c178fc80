"""``table.csv``: the table for programs, unrounded, over every aggregate metric."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from bench.csv_cells import guarded
from bench.report.cells import Cells, Comparison, Entry
from bench.report.lines import grouped, reported_text
from bench.report.quality import Sets
from bench.report.words import verdict
from bench.reported import Reported
from bench.statistics import iqm, minimum_detectable_gain, probability_of_improvement

CSV_COLUMNS = (
    "suite", "profile", "real_kind", "metric", "higher_is_better", "model", "arm", "refiner", "control", "n", "planned",
    "mean", "mean_low", "mean_high", "iqm", "gain", "gain_low", "gain_high", "gain_n", "gain_sign_flip_p", "verdict",
    "gain_detectable", "probability_of_improvement",
    "gain_images_low", "gain_images_high", "test_groups", "versus_real", "versus_real_low", "versus_real_high",
    "gap_closed", "gap_closed_low", "gap_closed_high", "n_train", "steps", "seconds", "peak_mib", "refiner_seconds",
    "reported", "trouble",
    "label_score", "label_agreement", "kid", "frechet",
)  # fmt: skip


def table_csv(cells: Cells, figures: Sequence[Reported]) -> str:
    """``table.csv``: every aggregate metric, unrounded; an empty field where there is no number.

    The last four columns are of the arm's training set (`bench.report.quality`), the distances by the first extractor:
    the same in every line of an arm, whatever the model.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    suite, sets = cells.summary.suite, Sets(cells)
    extractor = sets.extractors[0] if sets.extractors else ""
    for metric in [cells.metric, *(name for name in cells.metrics if name != cells.metric)]:
        for model in cells.models:
            for entry in [*cells.entries(model, metric), *cells.entries(model, metric, sweep=True)]:
                paper = str(suite.get("paper") or "")
                # The real arm has no set of this kind: its label score would be its own test score once more.
                own = "" if entry.arm.family == "real" else str(entry.arm)
                gain, real = entry.gain, entry.versus_real
                writer.writerow(
                    [
                        guarded(str(suite.get("name", ""))), guarded(str(suite.get("profile", ""))),
                        cells.summary.real_kind, guarded(metric),
                        str(cells.higher_is_better(metric)).lower(),
                        guarded(model), guarded(str(entry.arm)), guarded(entry.arm.refiner),
                        str(cells.is_control(entry.arm)).lower(), entry.n, entry.planned,
                        *map(_number, entry.mean), _number(iqm(list(entry.values.values()))),
                        *map(_number, gain.interval if gain else [math.nan] * 3),
                        gain.n if gain else 0, _number(gain.p if gain else math.nan), verdict(gain),
                        _number(_detectable(gain)), _number(_improvement(cells, entry, metric)),
                        *map(_number, gain.test_images[1:] if gain else [math.nan] * 2),
                        cells.summary.test_groups or "",
                        *map(_number, real.interval if real else [math.nan] * 3), *map(_number, entry.gap),
                        entry.n_train or "", entry.steps or "", _number(entry.seconds), _number(entry.peak_mib),
                        _number(entry.refiner_seconds), guarded(reported_text(figures, paper, entry, most=100)),
                        "; ".join(f"{t.status} ({t.replicates}): {t.reason}" for t in grouped(entry.troubles)),
                        _number(sets.mean(own, "label_score", metric=metric).mean),
                        *(
                            _number(sets.mean(own, measure, extractor).mean)
                            for measure in ("agreement", "kid", "frechet")
                        ),
                    ]
                )  # fmt: skip
    return buffer.getvalue()


def _detectable(gain: Comparison | None) -> float:
    """The smallest true gain that as many replicates find with 80 % chance, at the spread of these."""
    if gain is None or gain.n < 2:
        return math.nan
    return minimum_detectable_gain(float(np.std(gain.differences, ddof=1)), gain.n)


def _improvement(cells: Cells, entry: Entry, metric: str) -> float:
    """The share of pairs of runs, whatever their replicates, in which the arm beats the reference arm."""
    if entry.gain is None:
        return math.nan
    reference = cells.values(entry.model, cells.reference, metric)
    ours, theirs = list(entry.values.values()), list(reference.values())
    return probability_of_improvement(ours, theirs, cells.higher_is_better(metric))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.10g}"
