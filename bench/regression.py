"""The gate: does every gain of a committed baseline still hold in another run? Pure functions over two rows files.

A gain has regressed when it dropped by more than the declared tolerance and the drop can be told from the noise. What
counts as noise, and how often an honest pair of runs is accused, is measured in `docs/gate.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.baseline import Side, differing_settings
from bench.noise import Gains, drop_and_rise
from bench.results import Row

ALPHA = 0.01
"""Family-wise error over all cells of one check: an honest pair of runs is accused less than once in a hundred."""
TOLERANCE = 0.02
"""Drop that is allowed in any case, as a share of the model's largest mean value in the baseline."""
TOLERANCE_OF_ONE = 0.25
"""The same where there is one replicate only: its value is no measurement, it only shows that something broke."""

MARKS = {
    "same": ("=", "the same gain to the last digit in every replicate"),
    "within": ("~", "changed by no more than the tolerance"),
    "noise": ("?", "changed by more than the tolerance, but not told from the noise between two honest runs"),
    "improved": ("▲", "higher by more than the tolerance, and told from the noise"),
    "regressed": ("▼", "lower by more than the tolerance and told from the noise, or a control that is no longer 0"),
    "missing": ("✗", "missing, failed or skipped in the run: nothing to compare (exit code 3)"),
    "new": ("+", "only in the run; `--update` takes it into the baseline"),
    "incomparable": ("≠", "other images, other steps or another direction of the metric (exit code 4)"),
}


@dataclass(frozen=True)
class Change:
    """One (model, arm): its gain over the reference arm before and after; positive is better in any metric.

    Attributes:
        state: a key of `MARKS`.
        n: replicates compared.
        before, after: mean gain over them; NaN where there is none.
        p: one-sided, of no drop (of no rise where the gain rose), after Holm over all cells; NaN where not tested.
        tolerance: drop that is allowed in any case, in the metric's unit.
        reason: what a reader needs besides; "" where the mark says all.
    """

    model: str
    arm: str
    state: str
    n: int = 0
    before: float = math.nan
    after: float = math.nan
    p: float = math.nan
    tolerance: float = math.nan
    reason: str = ""

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True)
class Check:
    """The result of a comparison.

    Attributes:
        incomparable: why the two runs cannot be compared at all; empty where they can.
        changes: a line for each model and arm; empty where the runs cannot be compared.
        notes: what may explain a difference, such as other versions of packages.
    """

    metric: str
    reference: str
    incomparable: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """Lines in which at least one replicate was compared."""
        return sum(change.n > 0 for change in self.changes)

    @property
    def exit_code(self) -> int:
        """4 not comparable, 1 regression, 3 cells missing or nothing compared, 0 ok; the first that applies."""
        states = {change.state for change in self.changes}
        if self.incomparable or "incomparable" in states:
            return 4
        if "regressed" in states:
            return 1
        return 3 if "missing" in states or not self.compared else 0


@dataclass
class _Line:
    """One (model, arm) while it is being compared."""

    model: str
    arm: str
    before: dict[int, float] = field(default_factory=dict)
    after: dict[int, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    mismatch: str = ""
    exact: bool = False

    @property
    def shared(self) -> list[int]:
        return sorted(self.before.keys() & self.after.keys())


def compare(
    baseline: Side,
    run: Side,
    *,
    metric: str,
    reference: str,
    controls: Sequence[str] = (),
    tolerance: float | None = None,
    expected: Callable[[str, str, int], bool] | None = None,
) -> Check:
    """Compare the gains of a run with those of a baseline.

    Args:
        baseline, run: rows with what lies beside them.
        metric: the one that gains are told in.
        reference: the arm that gains are measured against.
        controls: refiners whose gain has to be exactly 0 in the run, if it was in the baseline.
        tolerance: drop that is allowed in any case, in the metric's unit; None takes the declared shares.
        expected: which (model, arm, replicate) of the baseline the run must hold; None: all.
    """
    reasons = tuple(differing_settings(baseline, run))
    notes = tuple(elsewhere(baseline, run))
    if reasons:
        return Check(metric, reference, incomparable=reasons, notes=notes)
    lines = _lines(baseline, run, metric, reference, expected)
    scales = _scales(baseline, metric)
    tests = drop_and_rise([Gains(line.before, line.after, line.exact) for line in lines])
    changes = []
    for line, p_values in zip(lines, tests, strict=True):
        allowed = tolerance
        if allowed is None:
            allowed = (TOLERANCE if len(line.shared) > 1 else TOLERANCE_OF_ONE) * scales.get(line.model, 0.0)
        control = any(line.arm == f"refined({name})" for name in controls)
        changes.append(_judge(line, p_values, allowed, control, tolerance is not None))
    return Check(metric, reference, changes=tuple(changes), notes=notes)


def _scales(side: Side, metric: str) -> dict[str, float]:
    """Model -> its largest mean |value| of a metric over the arms: what a tolerance is a share of."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in side.rows:
        if row.metric == metric and row.usable:
            values.setdefault((row.model, row.arm), []).append(row.value)
    scales: dict[str, float] = {}
    for (model, _), found in values.items():
        scales[model] = max(scales.get(model, 0.0), abs(float(np.mean(found))))
    return scales


def _lines(
    baseline: Side, run: Side, metric: str, reference: str, expected: Callable[[str, str, int], bool] | None
) -> list[_Line]:
    """Pair up the cells of both sides, and find what is missing, new or unlike."""
    old, new = baseline.cells(metric), run.cells(metric)
    lines: dict[tuple[str, str], _Line] = {}
    for model, arm, replicate in dict.fromkeys([*old, *new]):
        if arm == reference:
            continue
        line = lines.setdefault((model, arm), _Line(model, arm))
        before, after = old.get((model, arm, replicate)), new.get((model, arm, replicate))
        old_reference, new_reference = (side.get((model, reference, replicate)) for side in (old, new))
        wanted = expected is None or expected(model, arm, replicate)
        if wanted and before and before.usable and old_reference and old_reference.usable:
            line.before[replicate] = _gain(before, old_reference)
        if after and after.usable and new_reference and new_reference.usable:
            line.after[replicate] = _gain(after, new_reference)
        elif replicate in line.before or (after and after.status in ("failed", "missing")):
            culprit, name = (after, arm) if not (after and after.usable) else (new_reference, reference)
            why = "no row" if culprit is None else f"{culprit.status}: {culprit.reason or 'no reason was given'}"
            line.missing.append(f"{name} #{replicate} {why}")
        if before and after and before.usable and after.usable:
            line.mismatch = line.mismatch or _unlike(before, after)
    _mark_exact(lines, baseline, run, metric, reference)
    return [line for line in lines.values() if line.before or line.after or line.missing]


def _gain(row: Row, reference: Row) -> float:
    return (row.value - reference.value) * (1 if row.higher_is_better else -1)


def _unlike(before: Row, after: Row) -> str:
    for name in ("n_train", "n_test", "steps", "higher_is_better"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            return f"#{before.replicate}: {name} is {new}, in the baseline {old}"
    return ""


def _mark_exact(
    lines: Mapping[tuple[str, str], _Line], baseline: Side, run: Side, metric: str, reference: str
) -> None:
    """Find the lines whose arithmetic is proved to be the same in both runs, so that no noise can explain a change.

    Training that goes another way changes every number. So it is proof when, in some replicate, arm and reference agree
    to the last digit in all metrics, or in all but the headline one (of which there must be two at least); for a single
    replicate also when the model's reference arm agrees. Values of 0 and 1 agree by chance and prove nothing. Where the
    two runs recorded other versions or hardware nothing is proved: one kernel may agree where the next does not.
    """
    if elsewhere(baseline, run):
        return
    old, new = baseline.values(), run.values()

    def agree(cell: tuple[str, str, int], without: str = "") -> int:
        """How many telling values agree; 0 where one does not, or where there is none."""
        before, after = (
            {name: value for name, value in side.get(cell, {}).items() if name != without} for side in (old, new)
        )
        return sum(value not in (0.0, 1.0) for value in before.values()) if before == after else 0

    def proved(cell: tuple[str, str, int]) -> bool:
        return agree(cell) > 0 or agree(cell, metric) > 1

    anchored = any(agree(cell) for cell in old if cell[1] == reference)
    for (model, arm), line in lines.items():
        line.exact = any(proved((model, arm, r)) and proved((model, reference, r)) for r in line.shared)
        if len(line.shared) == 1:
            cell = (model, reference, line.shared[0])
            line.exact = line.exact or (anchored and old.get(cell) == new.get(cell))


def elsewhere(baseline: Side, run: Side) -> list[str]:
    """What both runs say of where they ran and say differently, a note each; empty where they may compute alike.

    Our own version is left out, since a change of ours is what a check is run for, and so is the number of cores: a
    worker computes on one thread.
    """
    old, new = (side.environment.get("versions") or {} for side in (baseline, run))
    shared = sorted((old.keys() & new.keys()) - {"refiner-bench"})
    notes = [f"{name} {old[name]} -> {new[name]}" for name in shared if old[name] != new[name]]
    for word, name in (("device", "devices"), ("hardware", "hardware")):
        before, after = (
            sorted({re.sub(r", \d+ cores$", "", str(item)) for item in side.environment.get(name) or ()} - {"unknown"})
            for side in (baseline, run)
        )
        if before and after and before != after:
            notes.append(f"{word} {', '.join(before)} -> {', '.join(after)}")
    return notes


def _judge(line: _Line, p_values: tuple[float, float], tolerance: float, control: bool, declared: bool) -> Change:
    shared = line.shared
    before, after = (_mean([gains[r] for r in shared or gains]) for gains in (line.before, line.after))
    change, p = after - before, p_values[0] if after < before else p_values[1]
    state, reason = _state(line, change, p, tolerance, control, declared)
    if line.missing and state not in ("regressed", "incomparable"):
        state = "missing"
    reasons = [reason, *line.missing[:1], f"and {len(line.missing) - 1} more" if len(line.missing) > 1 else ""]
    text = ", ".join(part for part in reasons if part)
    return Change(line.model, line.arm, state, len(shared), before, after, p, tolerance, text)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _state(
    line: _Line, change: float, p: float, tolerance: float, control: bool, declared: bool
) -> tuple[str, str]:
    """A key of `MARKS`, and what a reader needs besides."""
    direction = "regressed" if change < 0 else "improved"
    if line.mismatch:
        return "incomparable", line.mismatch
    if not line.shared:
        return ("missing", "") if line.missing else ("new", "")
    if control and not any(line.before.values()) and any(line.after.values()):
        largest = max(line.after.values(), key=abs)
        return "regressed", f"a control: its gain must be exactly 0 and is up to {largest:.3g}"
    if all(line.after[r] == line.before[r] for r in line.shared):
        return "same", ""
    if abs(change) <= tolerance:
        return "within", ""
    if math.isnan(p):
        if declared:
            return direction, "one replicate, beyond the --tolerance given"
        return "noise", "one replicate, and other hardware or versions, or the reference arm moved too"
    if p > ALPHA:
        return "noise", ""
    return direction, "the rest agrees to the last digit, so this is no noise" if line.exact else ""


def as_json(check: Check) -> dict[str, Any]:
    """The check for programs; NaN becomes null."""

    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "exit_code": check.exit_code,
        "metric": check.metric,
        "reference": check.reference,
        "compared": check.compared,
        "incomparable": list(check.incomparable),
        "cells": [
            {
                "model": c.model, "arm": c.arm, "state": c.state, "mark": MARKS[c.state][0], "replicates": c.n,
                "gain_before": number(c.before), "gain_after": number(c.after), "change": number(c.change),
                "p": number(c.p), "tolerance": number(c.tolerance), "reason": c.reason,
            }
            for c in check.changes
        ],
        "marks": dict(MARKS.values()),
        "notes": list(check.notes),
    }  # fmt: skip
