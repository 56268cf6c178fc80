"""Pictures drawn by several processes: the same bytes in the same order, errors in place, nobody left behind."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import time
from pathlib import Path

import pytest

from bench.contracts import Context, SplitRequest, World
from bench.worlds.courtyard.views import course, known
from bench.worlds.flight import Flight
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


def squared_later(number: int) -> int:
    """Leaves a file for each picture begun; the first takes long."""
    (Path(os.environ["SEEN"]) / str(number)).touch()
    time.sleep(1.0 if number == 0 else 0)
    return number * number


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


def test_pictures_of_one_scene_are_drawn_by_one_process() -> None:
    scenes = [number // 4 for number in range(26)]
    drawn = list(in_order(process_id, range(26), 2, scenes))
    assert all(len({drawn[i] for i in range(26) if scenes[i] == scene}) == 1 for scene in set(scenes))
    assert len(set(drawn)) == 2
    many = parallel.MOST_TOGETHER + 3
    assert list(in_order(squared, range(2 * many), 2, [0] * 2 * many)) == [n * n for n in range(2 * many)]
    assert len(set(in_order(process_id, range(many), 2, [0] * many))) == 2, "a large scene is shared"


def test_one_slow_picture_does_not_let_the_others_run_far_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path))
    drawing = in_order(squared_later, range(500), 2, range(500))
    assert next(drawing) == 0
    drawing.close()  # type: ignore[attr-defined]
    begun = [int(file.name) for file in tmp_path.iterdir()]
    assert max(begun) < 4 * parallel.MOST_TOGETHER + 4


def test_few_pictures_are_drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    worth = 2 * parallel.START_SECONDS
    assert processes_for(100, 1.99 * worth / 100) == 1
    assert processes_for(100, 3.01 * worth / 100) == 3
    assert processes_for(10_000, 1.0) == 8
    assert processes_for(10_000, 0.0) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)), raising=False)
    assert processes_for(10_000, 1.0) == parallel.MOST


@pytest.mark.parametrize(
    ("drawn_by", "count"), [(Linemod(Linemod.Config()), 9), (Flight(Flight.Config(frames_per_course=3)), 10)]
)
def test_a_split_has_the_same_bytes_from_two_processes(
    drawn_by: World, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SplitRequest("synthetic", "train", count=count, size=24, seed=5)
    digests = []
    for processes in (1, 2):
        monkeypatch.setattr(world, "processes_for", lambda *_, processes=processes: processes)
        folder = tmp_path / str(processes)
        folder.mkdir()
        drawn_by.image_set(request, Context(seed=0, directory=folder))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append({path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1] and len(digests[0]) > count


def test_a_course_is_sent_without_what_it_built_and_built_once_where_it_arrives() -> None:
    first = course(1, "synthetic", "train", 2, 20.0, 0.6)
    assert first.parts
    sent = pickle.dumps(first)
    assert len(sent) < 500
    assert known(first).parts is first.parts
    assert known(pickle.loads(sent)).parts is first.parts
