"""Numbers and verdicts as text: one place, so that tables, plots and page never disagree."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.arms import Arm
from bench.report.cells import Cells, Comparison, Entry
from bench.samples import RealKind
from bench.statistics import Interval, minimum_detectable_gain, replicates_needed

REAL = {"stand-in": "real (rendered stand-in)", "photographs": "real (photographs)"}
MARKS = {"better": "▲", "worse": "▼", "inconclusive": "○", "equal": "=", "single": "·", "none": "—"}
MINUS = "−"


def real_label(kind: RealKind) -> str:
    """What "real" is called wherever it is shown (rule 8)."""
    return REAL[kind]


def arm_label(arm: Arm | str, kind: RealKind) -> str:
    """An arm as it is shown; the real arm says what its images are."""
    return real_label(kind) if str(arm) == "real" else str(arm)


@dataclass(frozen=True, slots=True)
class Numbers:
    """How values of one metric are written: as many decimals as its size calls for."""

    decimals: int

    @classmethod
    def for_values(cls, values: Iterable[float]) -> Numbers:
        """Three decimals for fractions, two up to 20, one beyond."""
        largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
        return cls(3 if largest <= 1.5 else 2 if largest <= 20 else 1)

    def plain(self, value: float) -> str:
        """A value, "—" for NaN."""
        if math.isnan(value):
            return "—"
        if math.isinf(value):
            return "∞" if value > 0 else f"{MINUS}∞"
        text = f"{abs(value):.{self.decimals}f}"
        return f"{MINUS}{text}" if value < 0 and float(text) else text

    def signed(self, value: float) -> str:
        """A difference with its sign; zero has none."""
        text = self.plain(value)
        return f"+{text}" if math.isfinite(value) and value > 0 and float(text) else text

    def mean(self, interval: Interval) -> str:
        """Mean and half width: "0.512 ± 0.031"; without an interval the value alone."""
        half = (interval.high - interval.low) / 2
        return self.plain(interval.mean) + ("" if math.isnan(half) else f" ± {self.plain(half)}")

    def bounds(self, interval: Interval) -> str:
        """The ends: "[+0.050, +0.190]", or "" without an interval."""
        if math.isnan(interval.low):
            return ""
        return f"[{self.signed(interval.low)}, {self.signed(interval.high)}]"

    def gain(self, comparison: Comparison | None) -> str:
        """A gain with its interval and n, never one without the others."""
        if comparison is None:
            return "—"
        bounds = self.bounds(comparison.interval) or "no interval"
        return f"{self.signed(comparison.interval.mean)} {bounds} (n={comparison.n})"


def percent(gap: Interval) -> str:
    """Gap closed: "34 % [12, 57]", "34 % [unbounded]", "34 % (n=1)" or "—"."""
    if not math.isfinite(gap.mean):
        return "—"
    mean = f"{_whole(gap.mean)} %"
    if math.isnan(gap.low):
        return f"{mean} (no interval)"
    if math.isinf(gap.low):
        return f"{mean} [unbounded]"
    return f"{mean} [{_whole(gap.low)}, {_whole(gap.high)}]"


def _whole(share: float) -> str:
    number = round(100 * share)
    return f"{MINUS}{-number}" if number < 0 else str(number)


def seconds(value: float) -> str:
    """A duration: "4.2 s", "3 min 20 s", "2 h 05 min"; "—" for NaN."""
    if not math.isfinite(value):
        return "—"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def verdict(comparison: Comparison | None) -> str:
    """``better``, ``worse``, ``equal``, ``inconclusive``, ``single`` (one replicate) or ``none``."""
    if comparison is None:
        return "none"
    low, high = comparison.interval.low, comparison.interval.high
    if math.isnan(low):
        return "single"
    if not any(comparison.differences):
        return "equal"
    return "better" if low > 0 else "worse" if high < 0 else "inconclusive"


def replicates(n: int) -> str:
    """ "1 replicate", "3 replicates"."""
    return f"{n} replicate" + ("" if n == 1 else "s")


def sentence(cells: Cells, entry: Entry, comparison: Comparison, numbers: Numbers) -> str:
    """One comparison in words, with its interval, n and, where it says nothing, what would settle it."""
    kind = cells.summary.real_kind
    arm, against = arm_label(entry.arm, kind), arm_label(comparison.against, kind)
    upward = cells.higher_is_better(cells.metric)
    raises, lowers = ("raises", "lowers") if upward else ("improves", "worsens")
    interval, state = comparison.interval, verdict(comparison)
    tail = f"; {replicates(comparison.n)}."
    if state in ("better", "worse"):
        sign = 1 if state == "better" else -1
        ends = sorted((sign * interval.low, sign * interval.high))
        by = f"by {numbers.plain(sign * interval.mean)} [{numbers.plain(ends[0])}, {numbers.plain(ends[1])}]"
        where = f"over {against}" if state == "better" else f"against {against}"
        text = f"{arm} {raises if state == 'better' else lowers} {cells.metric} of {entry.model} {by} {where}"
        if comparison.against == cells.reference and math.isfinite(entry.gap.mean) and state == "better":
            text += f", closing {percent(entry.gap)} of the gap to {real_label(kind)}"
        return text + tail
    shown = f"{numbers.signed(interval.mean)} {numbers.bounds(interval)}".strip()
    if state == "single":
        return (
            f"{arm} for {entry.model}: {shown} in {cells.metric} over {against}; "
            "one replicate, so there is no interval and nothing is shown."
        )
    if state == "equal":
        return f"{arm} for {entry.model}: no difference to {against} in {cells.metric} in any replicate{tail}"
    missing = _settle(comparison, numbers)
    return f"{arm} for {entry.model}: inconclusive, {shown} in {cells.metric} over {against}{missing}{tail}"


def _settle(comparison: Comparison, numbers: Numbers) -> str:
    """What an inconclusive comparison lacks."""
    deviation = float(np.std(comparison.differences, ddof=1))
    smallest = minimum_detectable_gain(deviation, comparison.n)
    text = f" (the interval includes 0; with this spread a gain under {numbers.plain(smallest)} is usually missed"
    needed = replicates_needed(comparison.interval.mean, deviation, most=200)
    if needed is not None and needed > comparison.n:
        text += f", and one of this size needs about {needed} replicates"
    return text + ")"
