"""The answer in words: what a reader wants to know before any table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.report.cells import Cells, Comparison, Entry
from bench.report.words import MARKS, Numbers, arm_label, real_label, replicates, seconds, sentence, verdict


@dataclass(frozen=True, slots=True)
class Point:
    """One sentence with its mark."""

    state: str
    text: str

    @property
    def mark(self) -> str:
        """The sign that the definitions explain."""
        return MARKS[self.state]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """An arm and its gain for every model, in the order of the run's models."""

    arm: str
    gains: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A question and what answers it: sentences, or a matrix of gains (arms down, models across)."""

    title: str
    points: tuple[Point, ...] = ()
    matrix: tuple[MatrixRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The headline, one line of context, and the blocks under it."""

    headline: str
    context: str
    blocks: tuple[Block, ...]


def numbers_of(cells: Cells, metric: str | None = None) -> Numbers:
    """How values of a metric are written in this run."""
    name = metric or cells.metric
    return Numbers.for_values(row.value for row in cells.summary.rows if row.metric == name and row.usable)


def refined_arms(cells: Cells) -> list[str]:
    """Arms that rest on a refiner without real labels, controls left out."""
    return [
        str(arm) for arm in cells.arms if arm.family in ("refined", "joint", "separate") and not cells.is_control(arm)
    ]  # fmt: skip


def _pairs(cells: Cells, arm: str, against_real: bool = False) -> list[tuple[Entry, Comparison]]:
    found = []
    for model in cells.models:
        entry = cells.entry(model, arm)
        comparison = entry.versus_real if against_real else entry.gain
        if comparison is not None:
            found.append((entry, comparison))
    return found


def _rank(pairs: Sequence[tuple[Entry, Comparison]]) -> tuple[int, float]:
    """How good an arm looks: models surely better minus models surely worse, then the mean gain."""
    states = [verdict(comparison) for _, comparison in pairs]
    mean = float(np.mean([comparison.interval.mean for _, comparison in pairs])) if pairs else -math.inf
    return states.count("better") - states.count("worse"), mean


def _points(cells: Cells, pairs: Sequence[tuple[Entry, Comparison]]) -> tuple[Point, ...]:
    numbers = numbers_of(cells)
    return tuple(Point(verdict(c), sentence(cells, entry, c, numbers)) for entry, c in pairs)


def build_answer(cells: Cells) -> Answer:
    """The answer of a run; it never claims more than the intervals hold."""
    ranked = sorted(
        ((arm, pairs) for arm in refined_arms(cells) if (pairs := _pairs(cells, arm))),
        key=lambda item: _rank(item[1]),
        reverse=True,
    )
    blocks = []
    if ranked:
        best, pairs = ranked[0]
        cost = cells.summary.costs.get(pairs[0][0].arm.refiner, math.nan)
        spent = "" if math.isnan(cost) else f" ({seconds(cost)} to fit and refine)"
        name = f"{best}, a plain baseline" if pairs[0][0].arm.refiner in cells.baselines else best
        title = f"Highest of {len(ranked)} refined arms: {name}{spent}" if len(ranked) > 1 else f"{name}{spent}"
        blocks.append(Block(title, _points(cells, pairs)))
        blocks += _against_baselines(cells, [arm for arm, _ in ranked])
        if len(ranked) > 1:
            rows = tuple(_matrix_row(cells, arm) for arm, _ in ranked)
            blocks.append(Block(f"Every refined arm, gain over {cells.reference}", matrix=rows))
    blocks += _hybrids(cells)
    blocks += _controls(cells)
    troubles = [trouble for trouble in cells.all_troubles() if trouble.status != "degraded"]
    doubtful = len(cells.all_troubles()) - len(troubles)
    if doubtful:
        text = f"{doubtful} of {cells.count} cells have a doubtful value (degraded); the reasons are listed below."
        blocks.append(Block("Doubtful", (Point("none", text),)))
    if troubles:
        counts = {status: sum(t.status == status for t in troubles) for status in ("failed", "skipped", "missing")}
        listed = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        text = f"{len(troubles)} of {cells.count} cells have no value ({listed}); they are listed below."
        blocks.append(Block("Incomplete", (Point("none", text),)))
    return Answer(_headline(cells, ranked), _context(cells, len(ranked)), tuple(blocks))


def _headline(cells: Cells, ranked: Sequence[tuple[str, Sequence[tuple[Entry, Comparison]]]]) -> str:
    models = {entry.model for _, pairs in ranked for entry, _ in pairs}
    if not models:
        return "No refined arm could be compared."
    states = [(entry.model, verdict(comparison)) for _, pairs in ranked for entry, comparison in pairs]
    if all(state == "single" for _, state in states):
        return "One replicate: these gains cannot be told from noise."
    helped = {model for model, state in states if state == "better"}
    if helped == models:
        return {1: "Refining helps.", 2: "Refining helps both models."}.get(
            len(models), f"Refining helps all {len(models)} models."
        )
    if helped:
        return f"Refining helps {len(helped)} of {len(models)} models."
    if all(state == "worse" for _, state in states):
        return "Refining hurts."
    return "No refiner is shown to help."


def _context(cells: Cells, compared: int) -> str:
    suite = cells.summary.suite
    arrow = "higher" if cells.higher_is_better(cells.metric) else "lower"
    text = (
        f"{cells.metric} ({arrow} is better) on {real_label(cells.summary.real_kind)} test images, "
        f"{replicates(cells.replicates)}, profile {suite.get('profile', '—')}."
    )
    if cells.replicates > 1:
        text += " Intervals are 95 % t intervals over paired replicates, each for its cell alone"
        text += ", and the highest of several arms looks better than it is." if compared > 1 else "."
    return text


def _matrix_row(cells: Cells, arm: str, against_real: bool = False) -> MatrixRow:
    numbers, gains = numbers_of(cells), []
    for model in cells.models:
        entry = cells.entry(model, arm)
        comparison = entry.versus_real if against_real else entry.gain
        status = f" {entry.troubles[0].status}" if comparison is None and entry.troubles else ""
        gains.append(Point(verdict(comparison), numbers.gain(comparison).removeprefix("—") + status))
    return MatrixRow(arm, tuple(gains))


def _against_baselines(cells: Cells, ranked: Sequence[str]) -> list[Block]:
    """The best refiner that is no baseline against the strongest of the suite's declared ones, model by model."""
    arms = [f"refined({name})" for name in cells.baselines]
    best = next((arm for arm in ranked if arm not in arms), None)
    if best is None:
        return []
    points: list[Point] = []
    for model in cells.models:
        known = [cells.entry(model, arm) for arm in arms if cells.values(model, arm, cells.metric)]
        if not known:
            continue
        sign = 1 if cells.higher_is_better(cells.metric) else -1
        strongest = max(known, key=lambda entry: sign * entry.mean.mean)
        comparison = cells.compare(model, best, str(strongest.arm), cells.metric)
        if comparison:
            points += _points(cells, [(cells.entry(model, best), comparison)])
    return [Block("Against the strongest plain baseline", tuple(points))] if points else []


def _hybrids(cells: Cells) -> list[Block]:
    arms = [str(arm) for arm in cells.arms if arm.family == "hybrid" and arm.added is None]
    known = [arm for arm in arms if _pairs(cells, arm, against_real=True)]
    if not known:
        return []
    title = f"Added to labelled real images: gain over {arm_label('real', cells.summary.real_kind)} alone"
    return [Block(title, matrix=tuple(_matrix_row(cells, arm, against_real=True) for arm in known))]


def _controls(cells: Cells) -> list[Block]:
    numbers, points = numbers_of(cells), []
    for arm in cells.arms:
        if not (cells.is_control(arm) and arm.family == "refined"):
            continue
        pairs = _pairs(cells, str(arm))
        largest = max((abs(d) for _, c in pairs for d in c.differences), default=math.nan)
        if largest == 0:
            points.append(Point("equal", f"{arm}: a gain of exactly 0 in every cell, as it must be."))
        elif pairs:
            state = "worse" if any(verdict(c) in ("better", "worse") for _, c in pairs) else "inconclusive"
            text = f"{arm}: up to {numbers.plain(largest)} where 0 was expected; trust no gain smaller than that."
            points.append(Point(state, text))
    return [Block("Control", tuple(points))] if points else []
