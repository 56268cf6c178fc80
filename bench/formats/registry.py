"""Formats by name: every file in `bench.formats.readers` is one, and its ``OPTIONS`` become command-line options."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError, did_you_mean
from bench.formats import readers
from bench.formats.source import Option, Problems, Source

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
    name: str, path: Path, given: Mapping[str, Any] | None = None, problems: Problems | None = None
) -> Source:
    """Read ``path`` in a format; ``given`` holds options by `Option.key`, and ``classes`` (a list of names).

    Raises:
        UsageError: an unknown format, or an option that this format does not have.
        DataError: nothing usable is there.
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
    return read(path, options, problems or Problems())
