"""Committed baselines: where they lie, what is read of a run's folder, and whether two runs may be compared."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.csv_cells import csv_lines
from bench.errors import BenchError, DataError
from bench.reading import read_json, read_text, read_toml
from bench.results import SCHEMA, Row, read_rows

COMPARED_SETTINGS = ("version", "task", "metric", "reference_arm", "size", "precision", "counts", "hybrid", "train")
"""Keys of a resolved suite without which two numbers do not mean the same. Options of models and refiners are not
among them: whether a change there costs gain is what a check is run for."""


class NotComparableError(BenchError):
    """Two results that must not be held against each other (exit code 4)."""

    exit_code = 4


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the rows of a run and what lies beside them.

    Attributes:
        path: the rows file.
        rows: all of it.
        settings: the resolved suite (``suite.toml``); empty where there is none.
        environment: versions and devices (``environment.json``); empty where there is none.
    """

    path: Path
    rows: list[Row]
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def cells(self, metric: str) -> dict[tuple[str, str, int], Row]:
        """(model, arm, replicate) -> the row of a metric, in the file's order.

        Raises:
            DataError: a cell that occurs twice.
        """
        found: dict[tuple[str, str, int], Row] = {}
        for row in self.rows:
            if row.metric == metric:
                key = (row.model, row.arm, row.replicate)
                if key in found:
                    raise DataError(f"{self.path}: {row.model} on {row.arm} #{row.replicate} {metric} occurs twice")
                found[key] = row
        return found

    def values(self) -> dict[tuple[str, str, int], dict[str, float]]:
        """(model, arm, replicate) -> every metric's usable value."""
        found: dict[tuple[str, str, int], dict[str, float]] = {}
        for row in self.rows:
            if row.usable:
                found.setdefault((row.model, row.arm, row.replicate), {})[row.metric] = row.value
        return found

    def metric(self) -> str:
        """The headline metric: the suite's, or else the first one that is not of a single class."""
        named = str(self.settings.get("metric") or "")
        return named or next((row.metric for row in self.rows if "/" not in row.metric), "")

    def facts(self) -> dict[str, str]:
        """What all rows must agree in, as text."""
        names = ("suite", "profile", "world", "real_kind", "task")
        return {name: ", ".join(sorted({str(getattr(row, name)) for row in self.rows})) for name in names}


def load_side(path: Path) -> Side:
    """Read a rows file, or the one in a run's folder, with ``suite.toml`` and ``environment.json`` beside it.

    Raises:
        NotComparableError: rows of another schema.
        DataError: no such file, or one that cannot be read.
    """
    rows_file = path / "rows.csv" if path.is_dir() else path
    _check_schema(rows_file)
    return Side(rows_file, read_rows(rows_file), *_beside(rows_file.parent))


def _check_schema(path: Path) -> None:
    if not path.is_file():
        return
    try:
        lines = [cells for _, cells in itertools.islice(csv_lines(read_text(path)), 2)]
    except (OSError, ValueError):
        return  # reading the rows says what is wrong
    first = dict(zip(*lines, strict=False)) if len(lines) == 2 else {}
    if first.get("schema", str(SCHEMA)) != str(SCHEMA):
        raise NotComparableError(
            f"{path}: rows of schema {first['schema']}, this version writes {SCHEMA}; make them again (`--update`)"
        )


def _beside(folder: Path) -> Iterator[dict[str, Any]]:
    for name, read in (("suite.toml", read_toml), ("environment.json", read_json)):
        file = folder / name
        try:
            found = read(file) if file.is_file() else {}
            if not isinstance(found, dict):
                raise ValueError("no table")
            yield found
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read ({error}); run the suite again") from None


def differing_settings(baseline: Side, run: Side) -> list[str]:
    """Everything that forbids holding the run against the baseline, a line each."""
    found = []
    old, new = baseline.facts(), run.facts()
    for name in old:
        if old[name] != new[name] and baseline.rows and run.rows:
            found.append(f"{name} is {new[name]}, in the baseline {old[name]}")
        elif "," in old[name] or "," in new[name]:
            found.append(f"{name}: one rows file holds several ({old[name]})")
    before = baseline.environment.get("score_version")
    after = run.environment.get("score_version")
    if before is not None and after is not None and before != after:
        found.append(f"metric version is {after}, in the baseline {before}")
    if baseline.settings and run.settings:
        for name in (*COMPARED_SETTINGS, "world"):
            ours, theirs = (_without_folders(side.settings.get(name)) for side in (run, baseline))
            if ours != theirs:
                found.append(f"{name} is {ours}, in the baseline {theirs}")
    return found


def _without_folders(value: Any) -> Any:
    """Where a user keeps the images is no setting: absolute paths are left out of a table."""
    if not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if not (isinstance(one, str) and Path(one).is_absolute())}


def folders() -> list[Path]:
    """Where committed results are looked for: below the working directory, then in the checkout of the program."""
    return list(dict.fromkeys([Path("results").resolve(), Path(__file__).resolve().parent.parent / "results"]))


def default_baseline(suite: str, profile: str) -> Path:
    """``results/baselines/<suite>-<profile>/rows.csv``: the first that exists, or where a new one goes."""
    places = [folder / "baselines" / f"{suite}-{profile}" / "rows.csv" for folder in folders()]
    return next((path for path in places if path.is_file()), places[0])


def update_baseline(run: Side, target: Path) -> list[Path]:
    """Make the run the baseline: rows, suite, environment, quality, and every other file that the baseline has already.

    Each file is replaced atomically, the rows last, so a reader never sees rows without what belongs to them.

    Returns:
        The files written.
    """
    source, folder = run.path.parent, target.parent
    folder.mkdir(parents=True, exist_ok=True)
    names = {Path("suite.toml"), Path("environment.json"), Path("quality.csv")}
    names |= {file.relative_to(folder) for file in folder.rglob("*") if file.is_file() and file != target}
    written = []
    for name in sorted(name for name in names if (source / name).is_file()):
        _replace(source / name, folder / name)
        written.append(folder / name)
    _replace(run.path, target)
    return [*written, target]


def _replace(source: Path, target: Path) -> None:
    if target.exists() and source.samefile(target):
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def changed_rows(old: Side, new: Side) -> list[str]:
    """What differs between two rows files in value or status, a line each; costs such as seconds are left out."""
    before, after = ({(r.model, r.arm, r.replicate, r.metric): r for r in side.rows} for side in (old, new))
    lines = []
    for key in dict.fromkeys([*before, *after]):
        name = f"{key[0]} on {key[1]} #{key[2]} {key[3]}"
        then, now = before.get(key), after.get(key)
        if then is None or now is None:
            lines.append(f"{'+' if then is None else '-'} {name} {_shown(now or then)}")
        elif _shown(then) != _shown(now):
            lines.append(f"  {name} {_shown(then)} -> {_shown(now)}")
    return lines


def _shown(row: Row | None) -> str:
    if row is None:
        return ""
    return repr(row.value) if row.usable else row.status
