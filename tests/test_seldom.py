"""Work that is asked for often and done seldom."""

from __future__ import annotations

import pytest

from bench import seldom
from bench.seldom import SHARE, Seldom


def test_it_takes_a_small_share_of_the_time_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    now, done = [0.0], list[float]()
    monkeypatch.setattr(seldom.time, "monotonic", lambda: now[0])

    def work() -> None:
        done.append(now[0])
        now[0] += 0.3

    often = Seldom(work)
    for _ in range(10_000):
        now[0] += 0.01
        often()
    assert done[0] == 0.01, "the first one is done at once"
    assert 0.9 * SHARE < 0.3 * len(done) / now[0] <= SHARE + 0.3 / now[0]
    before = len(done)
    often()
    often.last()
    often.last()
    assert len(done) == before + 1
