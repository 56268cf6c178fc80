"""Result rows: one a cell (model, arm, replicate, metric), kept as CSV with a schema version.

The file is what everything downstream reads (tables, plots, the page, baselines), so a run is written once and
interpreted many times. A failed cell is a row as well: it says so in ``status`` and ``reason`` (rule 6).
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from bench.csv_cells import csv_lines, guarded, unguarded
from bench.errors import DataError, did_you_mean
from bench.reading import read_text

SCHEMA = 1
STATUSES = ("ok", "degraded", "failed", "skipped", "missing")
REAL_KINDS = ("stand-in", "photographs")


@dataclass(frozen=True, slots=True)
class Row:
    """One value, or the reason why there is none.

    Attributes:
        suite, profile: results of different profiles never mix.
        world: "name:version".
        real_kind: "stand-in" or "photographs": what the word "real" means in this row.
        task, model: what was learned, and by which network.
        arm: what the model was trained on: synthetic, real, refined(R), hybrid(synthetic), hybrid(R), joint(R);
            sweep arms end in "@N", the number of synthetic images added to the real ones.
        refiner: R, or "" where the arm has none.
        replicate: which paired repetition, from 0.
        metric: "mAP50", or "AP50/can" for one class.
        value: in the metric's own unit; NaN where there is none.
        higher_is_better: the direction of ``metric``.
        n_train, n_test: images trained on and scored on.
        steps: optimizer steps.
        seconds: wall time of training and prediction; NaN when unknown.
        peak_mib: peak memory in MiB; NaN when unknown.
        status: ok; degraded (there is a value, and a doubt about it: ``reason``); failed, skipped or missing.
        reason: one line (line breaks become spaces); "" when ok.

    Raises:
        DataError: a field that the file format cannot hold; the message names it and what is allowed.
    """

    suite: str
    profile: str
    world: str
    real_kind: str
    task: str
    model: str
    arm: str
    refiner: str
    replicate: int
    metric: str
    value: float
    higher_is_better: bool
    n_train: int
    n_test: int
    steps: int
    seconds: float
    peak_mib: float
    status: str
    reason: str

    def __post_init__(self) -> None:
        for name, allowed in (("status", STATUSES), ("real_kind", REAL_KINDS)):
            given = getattr(self, name)
            if given not in allowed:
                raise DataError(f"{name} is {given!r}; it must be one of {', '.join(allowed)}")
        if min(self.replicate, self.n_train, self.n_test, self.steps) < 0:
            raise DataError("replicate, n_train, n_test and steps must not be negative")
        object.__setattr__(self, "reason", " ".join(self.reason.split()))

    @property
    def usable(self) -> bool:
        """Whether the value may enter a mean: the cell has one (a degraded cell's counts), and it is finite."""
        return self.status in ("ok", "degraded") and math.isfinite(self.value)


COLUMNS = ("schema", *(field.name for field in fields(Row)))
_TYPES = {field.name: str(field.type) for field in fields(Row)}


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as CSV, atomically: a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            rows_csv(file, rows)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def rows_csv(file: TextIO, rows: Iterable[Row]) -> None:
    """Write rows as CSV to an open text file."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([SCHEMA, *(_text(getattr(row, name)) for name in COLUMNS[1:])])


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` wrote, in the file's order.

    Raises:
        DataError: no such file, another schema, an unknown, missing or doubled column, or a value of the wrong kind;
            the message names the file and the line.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `bench run` writes it") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable text file ({error})") from None
    try:
        lines = list(csv_lines(text))
    except ValueError as error:
        raise DataError(f"{path}, {error}; run the suite again") from None
    header = lines[0][1] if lines else []
    _check_header(path, header)
    rows = []
    for number, cells in lines[1:]:
        where = f"{path}, line {number}"
        if not cells:
            continue
        if len(cells) != len(header):
            raise DataError(f"{where}: {len(cells)} values, but the header has {len(header)} columns")
        record = dict(zip(header, cells, strict=True))
        if (schema := record.pop("schema")) != str(SCHEMA):
            raise DataError(f"{where}: schema {schema!r}, this version reads {SCHEMA}; run the suite again")
        values = {name: _parse(where, name, value) for name, value in record.items()}
        try:
            rows.append(Row(**values))
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
    return rows


def _check_header(path: Path, header: Sequence[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise DataError(f"{path}, line 1: unknown column '{name}'{did_you_mean(name, COLUMNS)}")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(f"{path}, line 1: missing column {', '.join(missing)}; is this a rows.csv?")
    if len(set(header)) != len(header):
        raise DataError(f"{path}, line 1: a column occurs twice")


def _text(value: Any) -> str:
    """The shortest text that `_parse` turns back into exactly this value; NaN becomes an empty cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    return guarded(str(value)) if isinstance(value, str) else str(value)


def _parse(where: str, name: str, text: str) -> Any:
    kind = _TYPES[name]
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text]
        if kind == "float":
            return float(text) if text else math.nan
        return int(text) if kind == "int" else unguarded(text)
    except (ValueError, KeyError):
        wanted = {"bool": "true or false", "float": "a number or nothing", "int": "a whole number"}[kind]
        raise DataError(f"{where}: {name} is {text[:80]!r}; it must be {wanted}") from None
