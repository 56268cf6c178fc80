"""Files encoded and written beside the work that makes the pictures: a GPU need not wait for a PNG."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

MOST_WAITING = 16
"""So many files wait at most; then whoever makes them waits too, and memory stays bounded."""


class Background:
    """Threads that do small pieces of work in the order in which they came; used in a ``with`` block.

    What a piece of work raises is raised by a later `submit` or by `finish`. Leaving the block drops what has not begun
    and waits for what has, so that nothing is written into a folder which the caller clears away after an error.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="background")
        self._waiting: deque[Future[None]] = deque()

    def submit(self, work: Callable[[], None]) -> None:
        """Have ``work`` done soon."""
        while self._waiting and (len(self._waiting) >= MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work))

    def finish(self) -> None:
        """Wait until everything is done."""
        while self._waiting:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
