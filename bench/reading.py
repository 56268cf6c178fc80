"""Reading files that may come from somebody else: bounded in size and depth, regular files only, no links that escape.

Nothing here needs numpy, so that `--help` stays quick; pictures are opened by `bench.picture_files`.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MIB = 2**20
MOST_TOML = 1 * MIB
"""A suite file is a few kilobytes, and the parser's time grows faster than its text."""
MOST_TEXT = 1024 * MIB
"""Labels of a large data set: COCO's own training annotations are under half of it."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
MOST_PARTS = 50
_DEEP_KEY = re.compile(
    rf"""(?<![\w"'-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{MOST_PARTS},}}(?![ \t.])"""
)
"""The parser takes memory by the square of a dotted key's parts: 20,000 of them, 40 kB of text, took 1.5 GB."""
LONGEST = 2000
"""So many characters of a message are shown."""


def shown(text: str) -> str:
    """Text from outside as one line of a terminal: control characters, line ends and bidi marks become escapes.

    A file name may hold what moves the cursor, forges a line or turns the text around; what is too long loses its
    middle.
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def read_bytes(path: Path, most: int = MOST_TEXT) -> bytes:
    """All bytes of a regular file.

    Raises:
        OSError: it cannot be read, or it is no regular file (a pipe would make us wait for ever).
        ValueError: it is larger than ``most``.
    """
    with open(path, "rb", opener=_opened) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "not a regular file", str(path))
        if found.st_size > most:
            raise ValueError(f"{found.st_size / MIB:,.1f} MiB, at most {most / MIB:,.0f} are read")
        return file.read()


def _opened(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def read_text(path: Path, most: int = MOST_TEXT, encoding: str = "utf-8") -> str:
    """The text of a regular file; raises as `read_bytes`, and `ValueError` where it is not UTF-8."""
    return read_bytes(path, most).decode(encoding)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as `read_bytes`.
        ValueError: broken, too large, nested too deeply, or a key that occurs twice in one object.
    """
    try:
        return json.loads(read_text(path), object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in {other for other, _ in pairs[:number]})
        raise ValueError(f"key {twice[:80]!r} occurs twice in one object")
    return table


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds, of finite numbers.

    Raises:
        OSError: as `read_bytes`.
        ValueError: broken, over `MOST_TOML`, nested too deeply, or a number that is NaN or infinite.
    """
    return parse_toml(read_text(path, MOST_TOML).replace("\r\n", "\n"))


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML text holds; raises `ValueError` as `read_toml`."""
    if _DEEP_KEY.search(text):
        raise ValueError(f"a key of more than {MOST_PARTS} parts")
    try:
        data = tomllib.loads(text)
        for name, value in _leaves(data, ""):
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is {value}; numbers must be finite")
            if isinstance(value, int) and abs(value) >= 2**63:
                raise ValueError(f"{name} is a whole number of more than 64 bits")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return data


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for child in value:
            yield from _leaves(child, name)
    else:
        yield name, value


def exists(path: Path) -> bool:
    """Whether a path is there; a name that no file can have (too long, with a NUL) is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def finite(value: Any) -> bool:
    """Whether a value of a label file is a number that single precision holds."""
    return isinstance(value, (int, float)) and -1e30 < value < 1e30


def leads_out(path: Path, roots: Iterable[Path]) -> bool:
    """Whether links make a path leave all of some folders (which may be links themselves)."""
    actual = os.path.realpath(path)
    return not any(actual == root or actual.startswith(root.rstrip(os.sep) + os.sep) for root in _real(roots))


def _real(roots: Iterable[Path]) -> list[str]:
    return [os.path.realpath(root) for root in roots]


def outward_links(root: Path, others: Iterable[Path] = ()) -> Iterator[Path]:
    """Links below a folder, hidden ones aside, whose target lies neither in it nor in ``others``; none is followed."""
    roots = _real([root, *others])
    pending = [os.fspath(root)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                if leads_out(Path(entry.path), [Path(one) for one in roots]):
                    yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
