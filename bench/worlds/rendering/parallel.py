"""Pictures drawn by several processes, in order: each is a pure function of its number, so the bytes stay the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Item = TypeVar("Item")
Drawn = TypeVar("Drawn")

WORTH_A_PROCESS = 16
"""A process takes a second or two to start; with fewer pictures than this for each, it does not pay."""
MOST = 16


def processes_for(count: int) -> int:
    """How many processes draw ``count`` slow pictures here: at most one a core that this process may use, and 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MOST, count // WORTH_A_PROCESS))


def in_order(draw: Callable[[Item], Drawn], items: Sequence[Item], processes: int) -> Iterator[Drawn]:
    """``draw(item)`` for each item, in the order of ``items``; with one process, drawn here.

    ``draw`` and the items must be picklable. What ``draw`` raises is raised here. A process whose parent is gone ends
    after the picture at hand: it hears so from its own pipe.

    Raises:
        RuntimeError: a process died (killed for memory, say).
    """
    if processes <= 1:
        yield from map(draw, items)
        return
    context = multiprocessing.get_context("spawn")
    helpers = [_Helper(context, draw) for _ in range(processes)]
    try:
        # Item i is helper (i mod n)'s: answers are then read in order without a queue, and each helper has one
        # picture at hand and one waiting, so that it never idles while a slower neighbour is waited for.
        for index, item in enumerate(items[: 2 * processes]):
            helpers[index % processes].ask(item)
        for index in range(len(items)):
            drawn = helpers[index % processes].answer()
            if index + 2 * processes < len(items):
                helpers[index % processes].ask(items[index + 2 * processes])
            yield drawn
    finally:
        for helper in helpers:
            helper.end()


class _Helper:
    def __init__(self, context: Any, draw: Callable[[Any], Any]) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_draw_all, args=(theirs, draw), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, item: Any) -> None:
        try:
            self.pipe.send(item)
        except OSError:
            raise self._death() from None

    def answer(self) -> Any:
        try:
            drawn, error = self.pipe.recv()
        except (EOFError, OSError):
            raise self._death() from None
        if error is not None:
            raise error
        return drawn

    def _death(self) -> RuntimeError:
        self.process.join()
        return RuntimeError(f"a process that draws pictures died (exit code {self.process.exitcode})")

    def end(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _draw_all(pipe: Connection, draw: Callable[[Any], Any]) -> None:
    """A helper's life: an item in, a picture or an exception out, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            item = pipe.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = (draw(item), None)
            except Exception as error:  # raised again where the picture was asked for
                answer = (None, error)
            pipe.send(answer)
        except (EOFError, OSError):
            return
