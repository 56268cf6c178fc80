"""Errors that a user can mend: one line that names the file, key or image, and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 60
"""So many names stand in a message."""


class BenchError(Exception):
    """Something that the user can mend; the command line prints its message and nothing else."""

    exit_code = 2


class UsageError(BenchError):
    """A misspelt or impossible request (exit code 2)."""


class DataError(BenchError):
    """An image set, file or label that cannot be used (exit code 2)."""


class LabelsHiddenError(BenchError):
    """Code that must not read labels (a refiner, on real images) asked for them."""


class DivergedError(BenchError):
    """Training produced NaN or infinity; the cell is recorded as failed and everything else goes on."""

    exit_code = 3


class StoreError(BenchError):
    """The store cannot be written or holds something damaged (exit code 3)."""

    exit_code = 3


class DiskError(StoreError):
    """The store's disk is full or cannot be written: no stage can come off, so the run stops (exit code 3)."""


class IncompleteError(BenchError):
    """Cells are missing or failed (exit code 3)."""

    exit_code = 3


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or a list of what is known when nothing is close."""
    names = sorted(set(known))
    # Comparing takes as long as the words are and as many as they are: a hostile label file has thousands of each.
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5) if len(word) < 100 and len(names) < 500 else []
    if close:
        return f" (did you mean '{close[0]}'?)"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" (known: {', '.join(names[:SHOWN])}{more})" if names else ""
