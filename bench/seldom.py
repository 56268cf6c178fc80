"""Work that grows with what is done, and that is asked for whenever something is: done seldom enough to cost little."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.02
"""Of the time that passes."""


class Seldom:
    """Calls ``work`` when it is called, but not while that would take more than `SHARE` of the time."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work, self._next, self._owed = work, 0.0, False

    def __call__(self) -> None:
        """Do the work, unless it was done too short a time ago; then it is owed."""
        begun = time.monotonic()
        self._owed = begun < self._next
        if not self._owed:
            self._work()
            ended = time.monotonic()
            self._next = ended + (ended - begun) / SHARE

    def last(self) -> None:
        """Do the work if it is owed."""
        if self._owed:
            self._owed = False
            self._work()
