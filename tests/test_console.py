"""What a run says of the time that is left: from estimates, corrected by the run itself, or that it is not known."""

from __future__ import annotations

import math

import pytest

from bench import console as console_module
from bench.console import Console
from bench.engines.execution import Outcome
from bench.engines.local import Event
from bench.graph import Stage


class Clock:
    """Replaces `time.monotonic`."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(console_module, "time", made)
    return made


def stages(**counts: int) -> list[Stage]:
    return [
        Stage(kind, f"{kind} #{k}", {"stage": kind, "plugin": {"name": "net"}, "seed": k})  # type: ignore[arg-type]
        for kind, count in counts.items() for k in range(count)
    ]  # fmt: skip


def work(console: Console, clock: Clock, stage: Stage, seconds: float, status: str = "done") -> None:
    console(Event(stage, "started"))
    clock.now += seconds
    console(Event(stage, "ended", outcome=Outcome(status, seconds)))  # type: ignore[arg-type]


def test_estimates_and_what_is_running(clock: Clock) -> None:
    made = stages(train=4)
    console = Console(made, 2, {stage.key: 30.0 for stage in made}, live=False)
    assert console.time_left() == 60
    console(Event(made[0], "started"))
    clock.now += 20
    assert console.time_left() == 50
    clock.now += 50
    assert console.time_left() == 45, "a stage that takes longer than foreseen is expected to end now"


def test_a_slower_machine_shows(clock: Clock) -> None:
    made = stages(train=4)
    console = Console(made, 1, {stage.key: 30.0 for stage in made}, live=False)
    work(console, clock, made[0], 60)
    assert console.time_left() == 180


def test_estimates_of_a_few_stages_are_no_estimate_of_the_run(clock: Clock) -> None:
    """Twenty scores that are known to be short say nothing of ten trainings that nobody has seen."""
    made = stages(train=10, score=20)
    console = Console(made, 1, {stage.key: 0.1 for stage in made if stage.kind == "score"}, live=False)
    assert math.isnan(console.time_left())
    work(console, clock, made[0], 40)
    assert console.time_left() == pytest.approx(9 * 40 + 20 * 0.1)


def test_unknown_families_take_the_mean_of_what_was_done(clock: Clock) -> None:
    made = stages(train=5, score=5)
    console = Console(made, 1, {}, live=False)
    assert math.isnan(console.time_left())
    work(console, clock, made[0], 20)
    work(console, clock, made[1], 40)
    assert console.time_left() == 3 * 30 + 5 * 30


def test_failed_and_shared_stages_are_no_measurements(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    made = stages(train=4)
    console = Console(made, 1, {}, live=False)
    work(console, clock, made[0], 1, "failed")
    work(console, clock, made[1], 1, "shared")
    assert math.isnan(console.time_left())
    assert "time left not known yet" in capsys.readouterr().err
