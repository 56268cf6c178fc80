"""Pictures drawn by several processes, in order: each is a pure function of its number, so the bytes stay the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

Item = TypeVar("Item")
Drawn = TypeVar("Drawn")

START_SECONDS = 4.0
"""What a process is taken to cost: its first picture comes after one or two, but other stages may want the cores."""
MOST = 16
MOST_TOGETHER = 16
"""So many pictures of one scene are drawn by one process in a row; a scene with more is built by several."""


def processes_for(count: int, seconds_each: float) -> int:
    """How many processes draw ``count`` pictures of so many seconds each: one where more would not pay for their start.

    At most one a core that this process may use, and 16.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MOST, int(count * seconds_each / (2 * START_SECONDS))))


def in_order(
    draw: Callable[[Item], Drawn], items: Sequence[Item], processes: int, scenes: Sequence[object] | None = None
) -> Iterator[Drawn]:
    """``draw(item)`` for each item, in the order of ``items``; with one process, drawn here.

    ``draw`` and the items must be picklable. What ``draw`` raises is raised here, where the item's turn is. A process
    whose parent is gone ends after the picture at hand: it hears so from its own pipe.

    Args:
        draw: called in one of the processes.
        items: what it is called with.
        processes: how many.
        scenes: one for each item; neighbours of one scene go to one process, which need then build it once.

    Raises:
        RuntimeError: a process died (killed for memory, say).
    """
    if processes <= 1:
        yield from map(draw, items)
        return
    context = multiprocessing.get_context("spawn")
    helpers = [_Helper(context, draw) for _ in range(processes)]
    chunks = iter(_chunks(len(items), scenes))
    answers: dict[int, tuple[Any, Exception | None]] = {}
    asked = wanted = 0
    try:
        while wanted < len(items):
            # Each helper has one chunk at hand and one waiting, so that it never idles; and none runs far ahead of the
            # picture that is wanted next, so that few pictures are held here.
            for helper in sorted(helpers, key=lambda helper: len(helper.expected)):
                ahead = asked - wanted < 2 * processes * MOST_TOGETHER
                if ahead and helper.chunks_left < 2 and (chunk := next(chunks, None)) is not None:
                    asked = chunk.stop
                    helper.ask(chunk, items)
            for pipe in wait([helper.pipe for helper in helpers if helper.expected]):
                helper = next(helper for helper in helpers if helper.pipe is pipe)
                index, answer = helper.answer()
                answers[index] = answer
            while wanted in answers:
                drawn, error = answers.pop(wanted)
                if error is not None:
                    raise error
                wanted += 1
                yield drawn
    finally:
        for helper in helpers:
            helper.end()


def _chunks(count: int, scenes: Sequence[object] | None) -> Iterator[range]:
    """Neighbours that belong together, at most `MOST_TOGETHER` of them; without scenes, one by one."""
    start = 0
    for index in range(1, count + 1):
        full = index - start == MOST_TOGETHER
        if full or index == count or scenes is None or scenes[index] != scenes[start]:
            yield range(start, index)
            start = index


class _Helper:
    def __init__(self, context: Any, draw: Callable[[Any], Any]) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_draw_all, args=(theirs, draw), daemon=True)
        self.process.start()
        theirs.close()
        self.expected: deque[int] = deque()
        self._ends: deque[int] = deque()

    @property
    def chunks_left(self) -> int:
        """How many chunks it has not finished."""
        return len(self._ends)

    def ask(self, chunk: range, items: Sequence[Any]) -> None:
        """Have a chunk drawn."""
        self.expected.extend(chunk)
        self._ends.append(chunk[-1])
        try:
            self.pipe.send([items[index] for index in chunk])
        except OSError:
            raise self._death() from None

    def answer(self) -> tuple[int, tuple[Any, Exception | None]]:
        """The next picture or error, with the number of its item."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            raise self._death() from None
        index = self.expected.popleft()
        if index == self._ends[0]:
            self._ends.popleft()
        return index, answer

    def _death(self) -> RuntimeError:
        self.process.join()
        return RuntimeError(f"a process that draws pictures died (exit code {self.process.exitcode})")

    def end(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _draw_all(pipe: Connection, draw: Callable[[Any], Any]) -> None:
    """A helper's life: items in, a picture or an exception out for each, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            for item in pipe.recv():
                answer: tuple[Any, Exception | None]
                try:
                    answer = (draw(item), None)
                except Exception as error:  # raised again where the picture was asked for
                    answer = (None, error)
                pipe.send(answer)
        except (EOFError, OSError):
            return
