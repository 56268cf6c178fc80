"""From rows to figures: one `Entry` per model and arm, with intervals, pairs and what went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.arms import Arm, parse_arm
from bench.report.summary import RunSummary
from bench.results import Row
from bench.statistics import Interval, bootstrap_interval, gap_closed, paired_t_interval, sign_flip_p, t_interval

NONE = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A cell without a value, or ("degraded") with a doubtful one: what happened and why."""

    model: str
    arm: str
    replicate: int
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Paired differences to another arm, signed so that positive is better whatever the metric's direction.

    Attributes:
        against: the other arm.
        interval: the mean over replicates with its t interval.
        differences: one a replicate.
        test_images: the same mean with its interval over test images; NaN ends where it is not available.
    """

    against: str
    interval: Interval
    differences: tuple[float, ...]
    test_images: Interval = NONE

    @property
    def n(self) -> int:
        """Replicates in which both arms have a value."""
        return len(self.differences)

    @property
    def p(self) -> float:
        """Exact two-sided sign-flip p (NaN beyond 20 replicates, where the interval is as good)."""
        return sign_flip_p(self.differences) if 0 < self.n <= 20 else math.nan


@dataclass(frozen=True)
class Entry:
    """One model trained on one arm, scored by one metric.

    Attributes:
        model, arm: which.
        values: replicate -> value, usable ones only.
        mean: over replicates, with its t interval.
        gain: against the suite's reference arm; None for that arm itself or where no replicate pairs.
        versus_real: against the ``real`` arm; None for that arm itself or where no replicate pairs.
        gap: share of the gap from reference to real that is closed; NaN where it cannot be said.
        n_train, steps: of the cells (the largest, should they differ).
        seconds, peak_mib: mean and largest over the cells; NaN when unknown.
        refiner_seconds: mean cost of fitting the arm's refiner and refining; NaN where it has none.
        troubles: cells of this model and arm that have no value, or a doubtful one.
    """

    model: str
    arm: Arm
    values: dict[int, float]
    mean: Interval
    gain: Comparison | None
    versus_real: Comparison | None
    gap: Interval
    n_train: int
    steps: int
    seconds: float
    peak_mib: float
    refiner_seconds: float
    troubles: tuple[Trouble, ...]

    @property
    def n(self) -> int:
        """Replicates with a value."""
        return len(self.values)

    @property
    def planned(self) -> int:
        """Replicates with or without a value."""
        return self.n + sum(trouble.status != "degraded" for trouble in self.troubles)


class Cells:
    """The rows of a run, indexed; every figure in table, plots and page comes from here."""

    def __init__(self, summary: RunSummary) -> None:
        suite = summary.suite
        self.summary = summary
        self.reference = str(suite.get("reference_arm") or "synthetic")
        self.controls = tuple(suite.get("controls") or ())
        self.baselines = tuple(suite.get("baselines") or ())
        self._rows: dict[tuple[str, str, str], dict[int, Row]] = {}
        for row in summary.rows:
            self._rows.setdefault((row.model, row.arm, row.metric), {})[row.replicate] = row
        self.metrics = list(dict.fromkeys(row.metric for row in summary.rows if "/" not in row.metric and row.metric))
        headline = str(suite.get("metric") or "")
        self.metric = headline or (self.metrics[0] if self.metrics else "value")
        self.also = [name for name in suite.get("also") or () if name != self.metric and name in self.metrics]
        self._planned = self._plan(suite)
        self.models = list(dict.fromkeys(model for model, _, _ in self._planned))
        self.arms = [parse_arm(arm) for arm in dict.fromkeys(arm for _, arm, _ in self._planned)]
        self.replicates = max((replicate for *_, replicate in self._planned), default=-1) + 1
        self._entries: dict[tuple[str, str, str], Entry] = {}

    def _plan(self, suite: Any) -> dict[tuple[str, str, int], None]:
        """Every (model, arm, replicate) that the suite promises, and any other that the rows hold."""
        planned: dict[tuple[str, str, int], None] = {}
        models, some = [str(name) for name in suite.get("models") or ()], suite.get("arm_models") or {}
        sweep = suite.get("sweep") or {}
        sweep_models = sweep.get("models") or models
        arms = [(str(arm), some.get(arm, models)) for arm in suite.get("arms") or ()]
        for source in sweep.get("sources") or ():
            arms += [(f"hybrid({source})@{added}", sweep_models) for added in sweep.get("added") or ()]
        for model in models:
            for arm, trained in arms:
                if model in trained:
                    planned.update({(model, arm, replicate): None for replicate in range(suite.get("replicates") or 0)})
        planned.update({(row.model, row.arm, row.replicate): None for row in self.summary.rows})
        return planned

    @property
    def count(self) -> int:
        """Cells that the run should have: model x arm x replicate."""
        return len(self._planned)

    def higher_is_better(self, metric: str) -> bool:
        """Direction of a metric, from its rows (True for one without any)."""
        return next((row.higher_is_better for row in self.summary.rows if row.metric == metric), True)

    def values(self, model: str, arm: str, metric: str) -> dict[int, float]:
        """Replicate -> usable value."""
        rows = self._rows.get((model, arm, metric), {})
        return {replicate: row.value for replicate, row in sorted(rows.items()) if row.usable}

    def compare(self, model: str, arm: str, against: str, metric: str) -> Comparison | None:
        """Paired differences of two arms of a model over the replicates that both have."""
        ours, theirs = self.values(model, arm, metric), self.values(model, against, metric)
        sign = 1 if self.higher_is_better(metric) else -1
        shared = [replicate for replicate in ours if replicate in theirs]
        differences = tuple(sign * (ours[r] - theirs[r]) for r in shared)
        if not differences:
            return None
        interval = paired_t_interval(differences)
        over_images = self._over_test_images((model, arm, against, metric), shared, interval.mean)
        return Comparison(against, interval, differences, over_images)

    def _over_test_images(self, names: tuple[str, str, str, str], replicates: Sequence[int], mean: float) -> Interval:
        """The paired bootstrap of a mean gain over test images, whole groups together; the replicates are given."""
        model, arm, against, metric = names
        resamples, drawn = self.summary.resamples, []
        for replicate in replicates:
            pair = [resamples.get((model, name, replicate), {}).get(metric) for name in (arm, against)]
            if pair[0] is None or pair[1] is None:
                return NONE
            drawn.append(pair[0] - pair[1])
        gains = np.mean(drawn, 0) * (1 if self.higher_is_better(metric) else -1)
        return bootstrap_interval(mean, gains, self.summary.test_groups)

    def resampled(self, model: str, arm: str, metric: str) -> bool:
        """Whether a model and arm have a metric's values on the drawn test sets, in every replicate."""
        drawn = self.summary.resamples
        return all(metric in drawn.get((model, arm, replicate), {}) for replicate in self.values(model, arm, metric))

    def entry(self, model: str, arm: str, metric: str | None = None) -> Entry:
        """The figures of one model and arm (computed once)."""
        key = (model, arm, metric or self.metric)
        if key not in self._entries:
            self._entries[key] = self._entry(*key)
        return self._entries[key]

    def _entry(self, model: str, arm: str, metric: str) -> Entry:
        parsed, values = parse_arm(arm), self.values(model, arm, metric)
        rows = [row for row in self._rows.get((model, arm, metric), {}).values() if row.usable]
        gain = None if arm == self.reference else self.compare(model, arm, self.reference, metric)
        versus_real = None if arm == "real" else self.compare(model, arm, "real", metric)
        return Entry(
            model=model, arm=parsed, values=values, mean=t_interval(list(values.values())), gain=gain,
            versus_real=versus_real, gap=self._gap(model, arm, metric),
            n_train=max((row.n_train for row in rows), default=0), steps=max((row.steps for row in rows), default=0),
            seconds=_over(np.mean, [row.seconds for row in rows]),
            peak_mib=_over(np.max, [row.peak_mib for row in rows]),
            refiner_seconds=self.summary.costs.get(parsed.refiner, math.nan) if parsed.refiner else math.nan,
            troubles=tuple(self.troubles(model, arm, metric)),
        )  # fmt: skip

    def _gap(self, model: str, arm: str, metric: str) -> Interval:
        """Only for arms without labelled real images: a hybrid does not close the gap, it starts beyond it."""
        if parse_arm(arm).family not in ("refined", "joint", "separate"):
            return NONE
        three = [self.values(model, name, metric) for name in (arm, self.reference, "real")]
        shared = [r for r in three[0] if r in three[1] and r in three[2]]
        arm_values, reference, real = ([values[r] for r in shared] for values in three)
        return gap_closed(arm_values, reference, real) if shared else NONE

    def troubles(self, model: str, arm: str, metric: str) -> list[Trouble]:
        """Cells of a model and arm without a usable value of a metric, or with a doubtful one; by replicate."""
        rows = self._rows.get((model, arm, metric), {})
        other: dict[int, Row] = {}
        for (of_model, of_arm, _), by_replicate in self._rows.items():
            if (of_model, of_arm) == (model, arm):
                other.update({r: row for r, row in by_replicate.items() if row.status != "ok"})
        found = []
        for of_model, of_arm, replicate in self._planned:
            row = rows.get(replicate) or other.get(replicate)
            if (of_model, of_arm) != (model, arm) or (row is not None and row.usable and row.status == "ok"):
                continue
            if row is None:
                status, reason = "missing", "no result: this was not run"
            elif row.status == "ok":
                status, reason = "failed", f"{metric} is not a number"
            else:
                status, reason = row.status, row.reason or "no reason was given"
            found.append(Trouble(model, arm, replicate, status, reason))
        return sorted(found, key=lambda trouble: trouble.replicate)

    def entries(self, model: str, metric: str | None = None, sweep: bool = False) -> list[Entry]:
        """Entries of a model in the suite's order of arms: the sweep's, or all others."""
        names = dict.fromkeys(arm for of_model, arm, _ in self._planned if of_model == model)
        return [self.entry(model, arm, metric) for arm in names if (parse_arm(arm).added is not None) == sweep]

    def all_troubles(self) -> list[Trouble]:
        """Every cell without a value of the headline metric, or with a doubtful one."""
        return [
            trouble
            for model in self.models
            for sweep in (False, True)
            for entry in self.entries(model, sweep=sweep)
            for trouble in entry.troubles
        ]

    def is_control(self, arm: Arm) -> bool:
        """Whether the arm rests on a refiner that the suite lists as a control."""
        return arm.refiner in self.controls

    def class_metric(self) -> str | None:
        """Prefix of the per-class metrics ("AP50" of "AP50/can"), or None."""
        return next((row.metric.split("/")[0] for row in self.summary.rows if "/" in row.metric), None)

    def classes(self, prefix: str) -> list[str]:
        """Class names of the per-class metrics, in the suite's order where it is known."""
        start = prefix + "/"
        found = dict.fromkeys(r.metric.removeprefix(start) for r in self.summary.rows if r.metric.startswith(start))
        known = [name for name in self.summary.class_names if name in found]
        return known + [name for name in found if name not in known]


def _over(function: Callable[[Any], Any], values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(function(known)) if known else math.nan
