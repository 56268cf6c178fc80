"""What a run says while it runs: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from bench.contracts import Progress
from bench.engines.local import Event

QUIET_SECONDS = 30.0


def duration(seconds: float) -> str:
    """``4 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def describe_progress(progress: Progress) -> str:
    """``step 40 of 200, loss 1.23, 85 images/s``; of many losses the first three."""
    parts = [f"step {progress.step} of {progress.total}"]
    parts += [f"{name} {value:.3g}" for name, value in list(progress.losses.items())[:3]]
    if progress.images_per_second:
        parts.append(f"{progress.images_per_second:.3g} images/s")
    return ", ".join(parts)


class Console:
    """Listens to an engine. ``estimate`` gives the expected seconds of a stage by key, where known."""

    def __init__(
        self,
        total: int,
        workers: int,
        estimate: Mapping[str, float],
        *,
        live: bool | None = None,
        on_score: Callable[[], None] | None = None,
    ) -> None:
        self.total, self.workers, self.estimate = total, max(workers, 1), dict(estimate)
        self.live = sys.stderr.isatty() if live is None else live
        self.done = 0
        self.started = time.monotonic()
        self.spoken = self.started
        self.running: dict[str, tuple[str, Progress | None, float]] = {}
        self._left = sum(self.estimate.values())
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
        """Expected seconds to the end, from estimates of what is left or from the pace so far; NaN if unknown."""
        now = time.monotonic()
        if self._left > 0:
            spent = sum(min(now - begun, self.estimate.get(key, 0.0)) for key, (_, _, begun) in self.running.items())
            return max(self._left - spent, 0.0) / self.workers
        # The first stages render and fit, and say little about the many short ones after them.
        if self.done < max(1, self.total / 10):
            return math.nan
        return (now - self.started) / self.done * (self.total - self.done)

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
        if outcome.status == "damaged":
            self.say(f"damaged: {outcome.reason}")
            return
        self.done += 1
        self._left -= self.estimate.pop(key, 0.0)
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
