"""Formats by name: every file in `bench.formats.readers` is one, and its ``OPTIONS`` become command-line options."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError, did_you_mean
from bench.formats import readers
from bench.formats.source import Option, Problems, Source
from bench.reading import outward_links

LABEL_SUFFIXES = frozenset({
    ".json", ".txt", ".xml", ".csv", ".yaml", ".yml", ".names", ".mat", ".bin", ".list",
})  # fmt: skip
_MEND = "put the file itself there, or add --follow-links if the link is yours"
Reader = Callable[[Path, Mapping[str, Any], Problems], Source]


def format_names() -> list[str]:
    """Every format that can be read; nothing is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(readers.__path__))


def _module(name: str) -> Any:
    if name not in format_names():
        raise UsageError(f"unknown format '{name}'{did_you_mean(name, format_names())}")
    return importlib.import_module(f"{readers.__name__}.{name}")


def reader_options() -> dict[Option, list[str]]:
    """Every option that a format has, with the formats that have it; options of one name share one entry."""
    found: dict[str, tuple[Option, list[str]]] = {}
    for name in format_names():
        for option in _module(name).OPTIONS:
            found.setdefault(option.name, (option, []))[1].append(name)
    return dict(found.values())


def option_help(option: Option, formats: list[str]) -> str:
    """One line for the help: what the option is in each format that has it."""
    texts: dict[str, list[str]] = {}
    for name in formats:
        own = next(o for o in _module(name).OPTIONS if o.name == option.name)
        texts.setdefault(own.help, []).append(name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in texts.items())


def summary(name: str) -> str:
    """The first line of what a format's file says of itself."""
    return str(_module(name).__doc__).split("\n")[0]


def read_source(
    name: str, path: Path, given: Mapping[str, Any] | None = None, problems: Problems | None = None,
    follow_links: bool = False,
) -> Source:
    """Read ``path`` in a format; ``given`` holds options by `Option.key`, and ``classes`` (a list of names).

    A link that leads out of the folder (and out of those that options name by their whole path) could make us copy
    files that are not part of the data. Pictures that are such links are left out; with a folder or a label file that
    is one, nothing is read. ``follow_links`` is for links that the user has made.

    Raises:
        UsageError: an unknown format, or an option that this format does not have.
        DataError: nothing usable is there, or a label file or folder is a link that leads out.
    """
    module = _module(name)
    options: dict[str, Any] = {option.key: option.default for option in module.OPTIONS} | {"classes": None}
    for key, value in (given or {}).items():
        if value is None or value is False or value == []:
            continue
        if key not in options:
            known = ", ".join(f"--{option.name}" for option in module.OPTIONS) or "none"
            raise UsageError(f"--{key.replace('_', '-')}: format '{name}' has no such option (it has: {known})")
        options[key] = value
    read: Reader = module.read
    problems = problems or Problems()
    links = [] if follow_links else list(outward_links(path if path.is_dir() else path.parent, _named(given)))
    for link in links:
        # What is no picture could be labels, and readers open those as they find them.
        if link.suffix.lower() in LABEL_SUFFIXES or link.is_dir():
            raise DataError(f"{link}: a link that leads out of {path}; {_MEND}")
    found = read(path, options, problems)
    return _without(found, links, problems) if links else found


def _named(given: Mapping[str, Any] | None) -> list[Path]:
    """Folders elsewhere that the user named in an option, and so may be read."""
    return [Path(text) for text in (given or {}).values() if isinstance(text, str) and Path(text).is_absolute()]


def _without(source: Source, links: Collection[Path], problems: Problems) -> Source:
    """The source without the items of which a file is one of the links."""
    bad = {str(link) for link in links}
    kept = []
    for item in source.items:
        linked = next((path for path in (item.path, *item.maps.values()) if str(path) in bad), None)
        if linked is None:
            kept.append(item)
        else:
            problems.add("link", item.where, f"{linked} is a link that leads out of the folder", f"left out; {_MEND}")
    if not kept:
        raise DataError(f"{next(iter(links))}: every image is a link that leads out of the folder; {_MEND}")
    backgrounds = tuple(path for path in source.backgrounds if str(path) not in bad)
    return replace(source, items=tuple(kept), backgrounds=backgrounds)
