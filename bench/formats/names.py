"""Names from outside that become file names and class names of ours."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.errors import DataError

LONGEST_ID = 230
"""Bytes: file systems end at 255, and a suffix and a temporary file's ending are added."""
LONGEST_CLASS = 200
"""Characters: more is a label file gone wrong, and no table can show it."""
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def ids_of(names: Sequence[str]) -> list[str]:
    """File stems where they are unique (whatever their case), else the path with ``__`` between its parts."""
    stems = [name.rsplit("/", 1)[-1].rsplit(".", 1)[0] or name for name in names]
    often = Counter(map(_alike, stems))
    ids = [
        _fitting(stem if often[_alike(stem)] == 1 else name.replace("/", "__").replace(".", "_"))
        for stem, name in zip(stems, names, strict=True)
    ]
    taken = Counter(map(_alike, ids))
    if max(taken.values(), default=0) > 1:
        twice = [name for name, id in zip(names, ids, strict=True) if taken[_alike(id)] > 1]
        raise DataError(f"{twice[0]} and {twice[1]}: names too alike for one folder; rename one")
    return ids


def _alike(name: str) -> str:
    """What two names share that are one file on a system that folds case or composes accents."""
    return unicodedata.normalize("NFC", name).casefold()


def _fitting(id: str) -> str:
    """An id that stays a file name with a suffix: an over-long one ends in a digest of itself."""
    data = os.fsencode(id)
    if len(data) <= LONGEST_ID:
        return id
    digest = hashlib.sha256(data).hexdigest()[:12]
    return f"{data[: LONGEST_ID - 13].decode('utf-8', 'ignore')}-{digest}"


def check_class_names(names: Iterable[str]) -> None:
    """Raise `DataError` for a class name that lists and tables cannot hold: line ends, control characters, no end.

    Any script, bidi marks and markup are welcome: what shows names escapes them.
    """
    for name in names:
        if _NO_NAME.search(name) or len(name) > LONGEST_CLASS:
            what = "is too long" if len(name) > LONGEST_CLASS else "holds control characters"
            raise DataError(f"class {name[:40]!r} {what}; mend it where the labels come from, or see --rename")
