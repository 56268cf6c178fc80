"""What a run says while it runs: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from bench.contracts import Progress
from bench.engines.local import Event
from bench.estimates import duration, family
from bench.graph import Stage

QUIET_SECONDS = 30.0
TRUSTED_SECONDS = 10.0
"""From so many foreseen seconds on, their ratio to the measured ones corrects the estimates."""


def describe_progress(progress: Progress) -> str:
    """``step 40 of 200, loss 1.23, 85 images/s``; of many losses the first three."""
    parts = [f"step {progress.step} of {progress.total}"]
    parts += [f"{name} {value:.3g}" for name, value in list(progress.losses.items())[:3]]
    if progress.images_per_second:
        parts.append(f"{progress.images_per_second:.3g} images/s")
    return ", ".join(parts)


class Console:
    """Listens to an engine and tells how far it is.

    Args:
        missing: the stages that the engine will make.
        workers: how many at a time.
        estimate: expected seconds of a stage by key, where known. Other stages are expected to take what stages of
            their family took in this run, once one is done.
        live: a view that redraws itself; by default where standard error is a terminal.
        on_score: called whenever a score is finished.
    """

    def __init__(
        self,
        missing: Sequence[Stage],
        workers: int,
        estimate: Mapping[str, float],
        *,
        live: bool | None = None,
        on_score: Callable[[], None] | None = None,
    ) -> None:
        self.total, self.workers, self.estimate = len(missing), max(workers, 1), dict(estimate)
        self.live = sys.stderr.isatty() if live is None else live
        self.done = 0
        self.started = time.monotonic()
        self.spoken = self.started
        self.running: dict[str, tuple[str, Progress | None, float]] = {}
        self._left = {stage.key: family(stage.spec) for stage in missing}
        # Sums, because a run of thousands of stages asks for the time left thousands of times.
        self._left_foreseen = sum(self.estimate.get(key, 0.0) for key in self._left)
        self._left_unforeseen = Counter(of for key, of in self._left.items() if key not in self.estimate)
        self._took: dict[str, tuple[float, int]] = {}
        self._foreseen = self._measured = 0.0
        self._view: Any = None
        self.on_score = on_score

    def __enter__(self) -> Console:
        if self.live:
            from rich.console import Console as RichConsole
            from rich.live import Live

            self._view = Live(console=RichConsole(stderr=True), refresh_per_second=4, transient=True)
            self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._view is not None:
            self._view.stop()

    def say(self, text: str) -> None:
        """Print a line above the live view."""
        if self._view is not None:
            self._view.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def time_left(self) -> float:
        """Expected seconds to the end; NaN while too little is known of what is left."""
        # Estimates come from other days and machines: what they foresaw of this run so far says how far off they are.
        scale = self._measured / self._foreseen if self._foreseen > TRUSTED_SECONDS else 1.0
        means = {of: seconds / count for of, (seconds, count) in self._took.items()}
        known = self._left_foreseen * scale
        known += sum(count * means[of] for of, count in self._left_unforeseen.items() if of in means)
        unknown = sum(count for of, count in self._left_unforeseen.items() if of not in means)
        now = time.monotonic()
        for key in self._left.keys() & self.running.keys():  # what is done of these is not left
            seconds = self.estimate[key] * scale if key in self.estimate else means.get(self._left[key], 0.0)
            known -= min(now - self.running[key][2], seconds)
        if unknown:
            # The first stages render and fit, and say little about the many short ones after them.
            if self.done < max(1, self.total / 10) or not self._took:
                return math.nan
            seconds, count = (sum(each) for each in zip(*self._took.values(), strict=True))
            known += unknown * seconds / count
        return max(known, 0.0) / self.workers

    def _left_text(self) -> str:
        left = self.time_left()
        return "time left not known yet" if math.isnan(left) else f"about {duration(left)} left"

    def __call__(self, event: Event) -> None:
        """Take one event of the engine."""
        key, label = event.stage.key, event.stage.label
        if event.kind == "started":
            self.running[key] = (label, None, time.monotonic())
        elif event.kind == "progress" and key in self.running:
            self.running[key] = (label, event.progress, self.running[key][2])
        elif event.kind == "lost" and event.outcome is not None:
            self.running.pop(key, None)
            self.say(f"{label}: {event.outcome.reason}")
        elif event.outcome is not None:
            self._ended(key, label, event)
        if self._view is not None:
            self._view.update(self._table())
        elif time.monotonic() - self.spoken > QUIET_SECONDS:
            self.spoken = time.monotonic()
            for name, progress, _ in self.running.values():
                if progress:
                    self.say(f"  {name}: {describe_progress(progress)}")

    def _ended(self, key: str, label: str, event: Event) -> None:
        outcome = event.outcome
        assert outcome is not None
        self.running.pop(key, None)
        if outcome.status == "busy":  # another run was a moment faster
            return
        if outcome.status == "damaged":
            self.say(f"damaged: {outcome.reason}")
            return
        self.done += 1
        of = self._left.pop(key, None)
        if of is not None and key in self.estimate:
            self._left_foreseen -= self.estimate[key]
        elif of is not None:
            self._left_unforeseen[of] -= 1
        if outcome.status == "done":
            seconds, count = self._took.get(of or "", (0.0, 0))
            self._took[of or ""] = seconds + outcome.seconds, count + 1
            if key in self.estimate:
                self._foreseen += self.estimate[key]
                self._measured += outcome.seconds
        if outcome.status == "failed":
            self.say(f"[{self.done}/{self.total}] {label}: FAILED: {outcome.reason}")
        elif self._view is None:
            how = f"in {duration(outcome.seconds)}" if outcome.status == "done" else "by another process"
            self.say(f"[{self.done}/{self.total}] {label}: {how}, {self._left_text()}")
            self.spoken = time.monotonic()
        if event.stage.kind == "score" and self.on_score is not None:
            self.on_score()

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False)
        elapsed = time.monotonic() - self.started
        table.add_row(
            f"stage {self.done} of {self.total}", f"{duration(elapsed)} gone, {self._left_text()}"
        )
        for label, progress, _ in self.running.values():
            table.add_row(f"  {label}", describe_progress(progress) if progress else "starting")
        return table
