"""Which stages could begin: the same as looking through all of them each time, whatever happens."""

from __future__ import annotations

import random

import pytest

from bench.engines.waiting import ORDER, Waiting
from bench.graph import Stage


def drawn(rng: random.Random, count: int) -> dict[str, Stage]:
    """A graph in which a stage has up to three of the earlier ones for inputs."""
    keys: list[str] = []
    stages: dict[str, Stage] = {}
    for number in range(count):
        above = rng.sample(keys, min(len(keys), rng.randrange(4)))
        inputs = {f"input{k}": key for k, key in enumerate(above)} | ({"again": above[0]} if above else {})
        kind = rng.choice(list(ORDER))
        stage = Stage(kind, f"{kind} {number}", {"number": number}, inputs)  # type: ignore[arg-type]
        stages[stage.key] = stage
        keys.append(stage.key)
    return stages


def by_looking(stages: dict[str, Stage], waiting: set[str], at_work: set[str]) -> list[str]:
    pending = waiting | at_work
    free = [key for key, of in stages.items() if key in waiting and not pending & set(of.inputs.values())]
    return sorted(free, key=lambda key: ORDER[stages[key].kind])


@pytest.mark.parametrize("seed", range(20))
def test_ready_is_what_looking_through_all_of_them_finds(seed: int) -> None:
    rng = random.Random(seed)
    stages = drawn(rng, 40)
    waiting, at_work, queue = set(stages), set[str](), Waiting(stages)
    queue.add(stages)
    for _ in range(400):
        ready = by_looking(stages, waiting, at_work)
        assert [stage.key for stage in queue.ready()] == ready
        assert set(queue) == waiting and len(queue) == len(waiting) and bool(queue) == bool(waiting)
        move = rng.random()
        if move < 0.5 and ready:
            key = rng.choice(ready)
            waiting.remove(key)
            at_work.add(key)
            queue.begin(key)
        elif move < 0.8 and at_work:
            key = rng.choice(sorted(at_work))
            at_work.remove(key)
            queue.end(key)
        elif move < 0.85 and waiting:  # it failed, or another run made it
            key = rng.choice(sorted(waiting))
            waiting.remove(key)
            queue.end(key)
        elif move < 0.95:  # found damaged, or lost with its node: some are made once more
            again = set(rng.sample(sorted(set(stages) - at_work), min(3, len(stages) - len(at_work))))
            again |= set(rng.sample(sorted(at_work), min(1, len(at_work))))
            at_work -= again
            waiting |= again
            queue.add(again)
        for key in stages:
            assert (key in queue, queue.at_work(key)) == (key in waiting, key in at_work)
            assert {stage.key for stage in queue.resting_on(key)} == {
                below for below in waiting if key in stages[below].inputs.values()
            }
