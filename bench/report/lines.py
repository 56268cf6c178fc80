"""The lines of the table, ready to show: shared by ``table.md`` and the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from bench.report.answer import numbers_of
from bench.report.cells import Cells, Entry, Trouble
from bench.report.words import MARKS, Numbers, arm_label, percent, seconds, verdict
from bench.reported import Reported, reported_for


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table, ready to show."""

    arm: str
    state: str
    n: str
    mean: str
    gain: str
    test_images: str
    over_real: str
    over_real_state: str
    gap: str
    images: str
    steps: str
    time: str
    refiner: str
    reported: str
    trouble: str
    control: bool

    @property
    def over_real_mark(self) -> str:
        """The sign of the verdict against real, for hybrids."""
        return MARKS[self.over_real_state]

    @property
    def mark(self) -> str:
        """The sign of the gain's verdict."""
        return MARKS[self.state]


HEADINGS = (
    "arm", "metric", "n", "gain", "over test images", "over real", "gap closed", "images", "steps", "time per cell",
    "refiner", "reported",
)  # fmt: skip


def lines(
    cells: Cells, model: str, figures: Sequence[Reported], sweep: bool = False, metric: str | None = None
) -> list[Line]:
    """The lines of one model by a metric, the headline one unless another is named."""
    numbers, name = numbers_of(cells, metric), metric or cells.metric
    return [_line(cells, entry, numbers, figures, name) for entry in cells.entries(model, metric, sweep=sweep)]


def _line(cells: Cells, entry: Entry, numbers: Numbers, figures: Sequence[Reported], metric: str) -> Line:
    summary = cells.summary
    control = cells.is_control(entry.arm)
    return Line(
        arm=arm_label(entry.arm, summary.real_kind) + (" (control)" if control else ""),
        state=verdict(entry.gain),
        n=f"{entry.n}" if entry.n == entry.planned else f"{entry.n} of {entry.planned}",
        mean=numbers.mean(entry.mean),
        gain="reference" if str(entry.arm) == cells.reference else numbers.gain(entry.gain),
        test_images=_test_images(cells, entry, numbers, metric),
        over_real=numbers.gain(entry.versus_real) if entry.arm.family == "hybrid" else "—",
        over_real_state=verdict(entry.versus_real) if entry.arm.family == "hybrid" else "none",
        gap=percent(entry.gap),
        images=str(entry.n_train) if entry.n_train else "—",
        steps=str(entry.steps) if entry.steps else "—",
        time=seconds(entry.seconds),
        refiner=seconds(entry.refiner_seconds),
        reported=reported_text(figures, str(summary.suite.get("paper") or ""), entry),
        trouble="; ".join(f"{group.status}: {group.reason}" for group in grouped(entry.troubles)),
        control=control,
    )


def _test_images(cells: Cells, entry: Entry, numbers: Numbers, metric: str) -> str:
    """The gain's interval over test images alone: the estimate is the gain's, and the two intervals are never mixed."""
    if entry.gain is None:
        return "—"
    known = cells.resampled(entry.model, str(entry.arm), metric)
    return numbers.bounds(entry.gain.test_images) or ("—" if known else "not available")


def reported_text(figures: Sequence[Reported], paper: str, entry: Entry, most: int = 2) -> str:
    """The paper's figures for a model and arm: "93.12 mAP_pct", several joined, "—" where it has no such row."""
    found = reported_for(figures, paper, entry.model, str(entry.arm)) if paper else []
    texts = list(dict.fromkeys(_figure_text(figure) for figure in found))
    more = f"; {len(texts) - most} more below" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more if texts else "—"


def _figure_text(figure: Reported) -> str:
    """A reported figure in its own unit, with the number of real images where that is part of what it says."""
    if figure.value is None:
        return figure.text
    real = "" if figure.real_images is None else f", {figure.real_images} real"
    return f"{figure.text} {figure.metric}{real}"


@dataclass(frozen=True, slots=True)
class TroubleGroup:
    """Cells of one model and arm that have no value for the same reason."""

    model: str
    arm: str
    replicates: str
    status: str
    reason: str


def grouped(troubles: Iterable[Trouble]) -> list[TroubleGroup]:
    """Join replicates that share model, arm, status and reason."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for t in troubles:
        groups.setdefault((t.model, t.arm, t.status, t.reason), []).append(t.replicate)
    return [
        TroubleGroup(model, arm, ", ".join(map(str, numbers)), status, reason)
        for (model, arm, status, reason), numbers in groups.items()
    ]


def spreads(cells: Cells) -> dict[str, list[list[str]]]:
    """Standard deviation over replicates, where the suite asks for it: metric -> rows of the arm and each model's."""
    if not cells.summary.suite.get("spread"):
        return {}
    tables = {}
    for metric in [cells.metric, *cells.also]:
        numbers = numbers_of(cells, metric)
        tables[metric] = [
            [arm_label(arm, cells.summary.real_kind)]
            + [numbers.plain(_deviation(cells.entry(model, str(arm), metric).values)) for model in cells.models]
            for arm in cells.arms
        ]
    return tables


def _deviation(values: Mapping[int, float]) -> float:
    return stdev(values.values()) if len(values) > 1 else math.nan


def other_metrics(cells: Cells) -> dict[str, list[list[str]]]:
    """Aggregate metrics without a table of their own: metric -> rows of the arm and its mean for every model."""
    tables = {}
    for metric in cells.metrics:
        if metric != cells.metric and metric not in cells.also:
            numbers = numbers_of(cells, metric)
            tables[metric] = [
                [arm_label(arm, cells.summary.real_kind)]
                + [numbers.mean(cells.entry(model, str(arm), metric).mean) for model in cells.models]
                for arm in cells.arms
                if arm.added is None
            ]
    return tables
