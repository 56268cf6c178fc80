"""What is measured of training sets, as rows: kept as ``quality.csv`` beside ``rows.csv``.

A row is one number of one set at one replicate, or the reason why there is none. It says nothing about a gain; whoever
compares both (the report, the claims) reads both files.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.csv_cells import csv_lines, guarded, unguarded
from bench.errors import DataError
from bench.reading import read_text
from bench.results import REAL_KINDS, STATUSES

SCHEMA = 1
FILE = "quality.csv"
MEASURES = {
    "label_score": "score of the model trained on real images, on this set against its synthetic labels",
    "agreement": "the same predictions against the same labels image by image, mean over the images that have any",
    "kid": "kernel distance (KID) of the features of this set to those of real training images",
    "frechet": "Frechet distance of the features of this set to those of real training images",
}


@dataclass(frozen=True, slots=True)
class QualityRow:
    """One number of one training set.

    Attributes:
        suite, profile, world, real_kind: as in `bench.results.Row`.
        arm: the arm that trains on the whole set; ``real`` for the score on the real test images, which is the
            reference of ``label_score``.
        refiner: R, or "".
        replicate: which paired repetition, from 0.
        measure: a key of `MEASURES`.
        by: what measured it: a model's name, or that of a feature extractor.
        metric: of ``label_score``, such as "mAP50"; else "".
        value: in the metric's own unit, in [0, 1] for ``agreement``; NaN where there is none.
        higher_is_better: the direction: False for distances.
        images: how many images of the set were looked at.
        status, reason: as in `bench.results.Row`.

    Raises:
        DataError: an unknown measure, status or real kind.
    """

    suite: str
    profile: str
    world: str
    real_kind: str
    arm: str
    refiner: str
    replicate: int
    measure: str
    by: str
    metric: str
    value: float
    higher_is_better: bool
    images: int
    status: str
    reason: str

    def __post_init__(self) -> None:
        for name, allowed in (("measure", MEASURES), ("status", STATUSES), ("real_kind", REAL_KINDS)):
            if getattr(self, name) not in allowed:
                raise DataError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}")
        object.__setattr__(self, "reason", " ".join(self.reason.split()))

    @property
    def usable(self) -> bool:
        """Whether the value may enter a mean."""
        return self.status == "ok" and math.isfinite(self.value)


COLUMNS = ("schema", *(field.name for field in fields(QualityRow)))
_TYPES = {field.name: str(field.type) for field in fields(QualityRow)}


def quality_csv(rows: Iterable[QualityRow]) -> str:
    """The rows as CSV; NaN is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([SCHEMA, *(_text(getattr(row, name)) for name in COLUMNS[1:])])
    return out.getvalue()


def read_quality(path: Path) -> list[QualityRow]:
    """Read what `quality_csv` wrote.

    Raises:
        DataError: not readable, other columns, another schema, or a value of the wrong kind; it names file and line.
    """
    try:
        lines = list(csv_lines(read_text(path)))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); `bench run` writes it") from None
    header = tuple(lines[0][1]) if lines else ()
    if header != COLUMNS:
        raise DataError(f"{path}, line 1: columns are not those of this version; run the suite again")
    rows = []
    for number, cells in lines[1:]:
        where = f"{path}, line {number}"
        if len(cells) != len(COLUMNS) or cells[0] != str(SCHEMA):
            raise DataError(f"{where}: not {len(COLUMNS)} values of schema {SCHEMA}; run the suite again")
        try:
            values = {name: _parse(name, text) for name, text in zip(COLUMNS[1:], cells[1:], strict=True)}
            rows.append(QualityRow(**values))
        except (DataError, ValueError, KeyError) as error:
            raise DataError(f"{where}: {error}; run the suite again") from None
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return guarded(str(value)) if isinstance(value, str) else str(value)


def _parse(name: str, text: str) -> Any:
    kind = _TYPES[name]
    if kind == "bool":
        return {"true": True, "false": False}[text]
    if kind == "float":
        return float(text) if text else math.nan
    return int(text) if kind == "int" else unguarded(text)
