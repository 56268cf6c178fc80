"""Which stages are still to be made, and which of them could begin now; each change costs what rests on it, no more."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping

from bench.graph import Stage

ORDER = {"fit": 0, "render": 0, "refine": 1, "score": 2, "predict": 3, "train": 4, "realism": 5}
"""Long ones (fits) before short ones; stages of one kind go in the plan's order."""


class Waiting(Collection[str]):
    """The keys of stages that wait, of all ``stages`` of a plan.

    A stage can begin when none of its inputs waits or is at work.
    """

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self._stages = stages
        self._place = {key: (ORDER[stage.kind], index) for index, (key, stage) in enumerate(stages.items())}
        self._resting: dict[str, list[str]] = {}
        for key, stage in stages.items():
            for above in set(stage.inputs.values()):
                self._resting.setdefault(above, []).append(key)
        self._waits: dict[str, int] = {}  # key -> how many of its inputs wait or are at work
        self._at_work: set[str] = set()
        self._ready: list[tuple[int, int, str]] = []  # sorted

    def __len__(self) -> int:
        return len(self._waits)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._waits))

    def __contains__(self, key: object) -> bool:
        return key in self._waits

    def ready(self) -> Iterator[Stage]:
        """Stages that could begin now, those that should begin first in front; changes meanwhile show the next time."""
        return (self._stages[key] for _, _, key in list(self._ready))

    def resting_on(self, key: str) -> list[Stage]:
        """Stages that wait and have ``key`` for an input."""
        return [self._stages[below] for below in self._resting.get(key, ()) if below in self._waits]

    def add(self, keys: Iterable[str]) -> None:
        """Have stages wait, for the first time or again."""
        changed = set(keys)
        for key in changed:
            self._at_work.discard(key)
            self._waits[key] = 0
        for key in list(changed):
            changed.update(below for below in self._resting.get(key, ()) if below in self._waits)
        for key in changed:
            self._note(key, sum(self._pending(above) for above in set(self._stages[key].inputs.values())))

    def begin(self, key: str) -> None:
        """A stage is at work now."""
        self._unready(key)
        del self._waits[key]
        self._at_work.add(key)

    def end(self, key: str) -> None:
        """A stage was made, here or elsewhere, or never will be: it keeps nothing waiting."""
        if not self._pending(key):
            return
        self._unready(key)
        self._waits.pop(key, None)
        self._at_work.discard(key)
        for stage in self.resting_on(key):
            self._note(stage.key, self._waits[stage.key] - 1)

    def at_work(self, key: str) -> bool:
        """Whether a stage has begun and not ended."""
        return key in self._at_work

    def _pending(self, key: str) -> bool:
        return key in self._waits or key in self._at_work

    def _note(self, key: str, kept_by: int) -> None:
        self._unready(key)
        self._waits[key] = kept_by
        if not kept_by:
            insort(self._ready, (*self._place[key], key))

    def _unready(self, key: str) -> None:
        entry = (*self._place[key], key)
        index = bisect_left(self._ready, entry)
        if index < len(self._ready) and self._ready[index] == entry:
            self._ready.pop(index)
