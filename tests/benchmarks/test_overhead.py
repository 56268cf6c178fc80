from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.suite import load_suite
from benchmarks import harness
from benchmarks.measuring import Row


@pytest.mark.parametrize(("wanted", "expected"), [(None, load_suite("digits", "quick", [], "").replicates), (2, 2)])
def test_overhead_is_that_of_quick_itself_unless_other_replicates_are_wanted(
    wanted: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def measured(benchmark: str, case: str, size: int, unit: str, work: Callable[[], None], repeats: int = 3) -> Row:
        work()
        return Row(benchmark, case, size, unit, 10.0, 10.0)

    monkeypatch.setattr(harness, "measured", measured)
    monkeypatch.setattr(harness, "command", lambda *arguments: commands.append(arguments))
    rows = list(harness.overhead(wanted, ["digits"]))
    assert {row.size for row in rows} == {expected}
    assert [row.wall for row in rows] == [10.0, 10.0, 10.0]  # no stage was made, so all of it is outside
    assert rows[1].note == "100.00 % of the wall"
    assert {command[command.index("--replicates") + 1] for command in commands} == {str(expected)}
    assert {command[command.index("--workers") + 1] for command in commands} == {"1"}
