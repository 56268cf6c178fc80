"""Pictures drawn by several processes: the same bytes in the same order, errors in place, nobody left behind."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from bench.contracts import Context, SplitRequest
from bench.worlds.linemod import Linemod
from bench.worlds.rendering import parallel, world
from bench.worlds.rendering.parallel import in_order, processes_for


def squared(number: int) -> int:
    """Of odd numbers later than of even ones, so that answers would come out of order."""
    time.sleep(0.01 * (number % 2))
    return number * number


def refuse_five(number: int) -> int:
    """As a drawing function that fails on one picture."""
    if number == 5:
        raise ValueError("picture 5 cannot be drawn")
    return number


def die_at_three(number: int) -> int:
    """As a process that the system kills for its memory."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def process_id(_: int) -> int:
    """Which process draws."""
    return os.getpid()


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 13])
def test_order_does_not_depend_on_processes(count: int) -> None:
    expected = [number * number for number in range(count)]
    assert list(in_order(squared, range(count), 1)) == expected
    assert list(in_order(squared, range(count), 2)) == expected


def test_an_error_is_raised_where_the_picture_was_asked_for() -> None:
    drawn = []
    with pytest.raises(ValueError, match="picture 5 cannot be drawn"):
        for number in in_order(refuse_five, range(9), 2):
            drawn.append(number)
    assert drawn == [0, 1, 2, 3, 4]


def test_a_killed_process_is_told_of() -> None:
    with pytest.raises(RuntimeError, match="died"):
        list(in_order(die_at_three, range(6), 2))


def test_processes_end_when_their_pictures_are_no_longer_wanted() -> None:
    drawing = in_order(process_id, range(8), 2)
    first, second = next(drawing), next(drawing)
    assert len({first, second, os.getpid()}) == 3
    drawing.close()  # type: ignore[attr-defined]
    for process in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_few_pictures_are_drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert processes_for(parallel.WORTH_A_PROCESS * 2 - 1) == 1
    assert processes_for(parallel.WORTH_A_PROCESS * 3) == 3
    assert processes_for(10_000) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)), raising=False)
    assert processes_for(10_000) == parallel.MOST


def test_a_split_has_the_same_bytes_from_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = SplitRequest("synthetic", "train", count=6, size=24, seed=5)
    digests = []
    for processes in (1, 2):
        monkeypatch.setattr(world, "processes_for", lambda _, processes=processes: processes)
        folder = tmp_path / str(processes)
        folder.mkdir()
        Linemod(Linemod.Config()).image_set(request, Context(seed=0, directory=folder))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append({path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1] and len(digests[0]) > 6
