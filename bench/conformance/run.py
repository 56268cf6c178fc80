"""Running the checks of every plug-in in a file, and what came of each."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench import plugins
from bench.describe import construct
from bench.errors import BenchError, UsageError

State = Literal["passed", "failed", "skipped"]
ORDER = ("refiner", "world", "task", "model")
SHORT = 6
"""Steps that a plug-in with a setting ``steps`` gets unless the user says otherwise: enough to be stopped half-way."""
MOCKS = tuple(Path(__file__).with_name(name) for name in ("mock.py", "mock_world.py"))


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one plug-in: what was asked, what came of it, why, and how long it took."""

    plugin: str
    check: str
    state: State
    detail: str = ""
    seconds: float = 0.0
    traceback: str = ""


class Failed(Exception):
    """A check that does not hold; the message says what was found."""


class Skipped(Exception):
    """A check that asks nothing of this plug-in; the message says why."""


Check = tuple[str, Callable[[], str | None]]
"""What is asked, in words, and the function that asks it: returns a remark or None, raises `Failed` or `Skipped`."""


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` items of one configuration; a value is read as TOML, else as a bare word."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting}: write KEY=VALUE, such as --set steps=6")
        try:
            found[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = text
    return found


def configuration(kind: plugins.Kind, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a plug-in has, and few steps where it has those."""
    fields = plugins.find(kind, name).load().Config.model_fields
    config = {key: value for key, value in settings.items() if key in fields}
    if "steps" in fields and isinstance(fields["steps"].default, int):
        config.setdefault("steps", SHORT)
    return config


def selftest(
    files: Sequence[Path], settings: Sequence[str] = (), tell: Callable[[Result], None] | None = None
) -> list[Result]:
    """Check every plug-in of some files.

    Args:
        files: Python files with plug-ins.
        settings: ``KEY=VALUE`` of their configurations; a plug-in takes those that it has.
        tell: called with each result as it comes.

    Raises:
        UsageError: a file without plug-ins, or a setting that none of them has.
    """
    for mock in MOCKS:
        plugins.add_file(mock)
    found = []
    for file in files:
        plugins.add_file(file)
        found += plugins.classes_in(file, plugins.module_name(file))
    values = parse_settings(settings)
    known = {key for item in found for key in item.load().Config.model_fields}
    for key in values.keys() - known:
        raise UsageError(f"--set {key}: no plug-in of {', '.join(str(file) for file in files)} has such a setting")
    results: list[Result] = []
    for item in sorted(found, key=lambda item: ORDER.index(item.kind)):
        folder = Path(tempfile.mkdtemp(prefix="selftest-"))
        try:
            for result in _results(item, values, folder):
                results.append(result)
                if tell:
                    tell(result)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return results


def _results(item: plugins.Found, values: Mapping[str, Any], folder: Path) -> Iterator[Result]:
    module = importlib.import_module(f"bench.conformance.of_{item.kind}")
    title = f"{item.kind} {item.name}"
    config = configuration(item.kind, item.name, values)
    try:
        construct(item.kind, item.name, config)
    except Exception as error:  # anything: it is somebody else's constructor
        yield Result(title, "can be made with its settings", "failed", _first_line(error), 0, traceback.format_exc())
        return
    for check, ask in module.checks(item.name, config, folder):
        started = time.monotonic()
        try:
            remark, state, trace = ask(), "passed", ""
        except Skipped as reason:
            remark, state, trace = str(reason), "skipped", ""
        except Failed as reason:
            remark, state, trace = str(reason), "failed", ""
        except Exception as error:  # a plug-in may raise anything; the other checks go on
            remark, state, trace = _first_line(error), "failed", traceback.format_exc()
        seconds = time.monotonic() - started
        yield Result(title, check, state, remark or "", seconds, trace)  # type: ignore[arg-type]


def _first_line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, BenchError) else f"{type(error).__name__}: {first}"
