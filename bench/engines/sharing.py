"""Several runs on one store: which stages other processes are at, so that nobody stands idle behind a lease."""

from __future__ import annotations

import time

from bench.lease import Lease
from bench.store import Store

LOOK_SECONDS = 1.0


class Elsewhere:
    """Which keys other processes hold; each is looked at once in `LOOK_SECONDS`, however often one asks.

    The leases are kept, because whether a silent holder is dead shows only by watching (`bench.lease`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._leases: dict[str, Lease] = {}
        self._looked: dict[str, float] = {}

    def holds(self, key: str) -> bool:
        """Whether somebody who may be alive is computing ``key``; what a dead one left is taken away."""
        now = time.monotonic()
        if now - self._looked.get(key, -LOOK_SECONDS) < LOOK_SECONDS:
            return True
        if self._leases.setdefault(key, self._store.lease(key)).clear():
            del self._leases[key]
            self._looked.pop(key, None)
            return False
        self._looked[key] = now
        return True
