"""What papers report: ``results/reported.csv``, every figure with its source and whether it was verified (rule 7).

Reported figures come from other data, budgets and test sets. They are shown beside measured ones and never averaged
or compared with them by the program.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.arms import Arm, parse_arm
from bench.errors import DataError

COLUMNS = (
    "paper", "table", "suite", "task", "model", "train_data", "refiner", "metric", "value", "higher_is_better",
    "verified", "source",
)
_FEW = re.compile(r"^(?P<source>source(?P<refined>\+refined)?\+)?\d+ labeled real(?: \(hybrid\))?$")
_HYBRID = re.compile(r"^hybrid (?P<real>\d+) real\+(?P<added>\d+) (?P<kind>source|refined)$")


@dataclass(frozen=True, slots=True)
class Reported:
    """One figure of a paper.

    Attributes:
        paper: key that suites name in ``paper``, such as "Author2019".
        table: where in the paper; "unknown" where that could not be read.
        suite, task, model, train_data, refiner, metric: in the paper's words.
        value: in the unit that ``metric`` names; None where the figure could not be found.
        higher_is_better: direction of the metric.
        verified: whether the figure was seen in the paper or in a source that quotes it.
        source: where it was read.
    """

    paper: str
    table: str
    suite: str
    task: str
    model: str
    train_data: str
    refiner: str
    metric: str
    value: float | None
    higher_is_better: bool
    verified: bool
    source: str

    @property
    def text(self) -> str:
        """The figure as it is shown everywhere: "93.12", "0.17 (unverified)" or "not found"."""
        if self.value is None:
            return "not found"
        return f"{self.value:g}" if self.verified else f"{self.value:g} (unverified)"

    @property
    def arm(self) -> Arm | None:
        """The training data in our words, or None where no arm of ours is the same.

        A model trained on "source+refined" or "source+unlabeled real" together with its adaptation is ``joint(R)``.
        """
        name = "" if self.refiner == "none" else self.refiner
        if match := _HYBRID.match(self.train_data):
            return Arm("hybrid", name if match["kind"] == "refined" else "synthetic", int(match["added"]))
        if match := _FEW.match(self.train_data):
            added = name if match["refined"] else "synthetic"
            return Arm("hybrid", added) if match["source"] else Arm("real")
        if self.train_data == "source":
            return Arm("synthetic")
        if self.train_data == "real":
            return Arm("real")
        if name and self.train_data == "refined":
            return Arm("refined", name)
        if self.train_data == "hybrid":
            return Arm("hybrid", name or "synthetic")
        if name and self.train_data in ("source+refined", "source+unlabeled real"):
            return Arm("joint", name)
        return None

    @property
    def real_images(self) -> int | None:
        """Labelled real images in the training data of a hybrid, where the paper says how many."""
        match = _HYBRID.match(self.train_data)
        return int(match["real"]) if match else None


def default_path() -> Path | None:
    """``results/reported.csv`` of the checkout, or the copy that an installation holds; None where there is neither."""
    package = Path(__file__).resolve().parent
    for path in (
        package.parent / "results" / "reported.csv",
        package / "results" / "reported.csv",
        Path(sys.prefix) / "share" / "refiner-bench" / "reported.csv",
    ):
        if path.is_file():
            return path
    return None


def read_reported(path: Path | None = None) -> list[Reported]:
    """Read the reported figures; without ``path``, `default_path` (and nothing where there is none).

    Raises:
        DataError: a wrong header, or a row that does not parse; the message names file, line and column.
    """
    path = path or default_path()
    if path is None:
        return []
    reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
    header = tuple(next(reader, []))
    if header != COLUMNS:
        raise DataError(f"{path}, line 1: the columns must be {','.join(COLUMNS)}")
    figures = []
    for cells in reader:
        where = f"{path}, line {reader.line_num}"
        if len(cells) != len(COLUMNS):
            raise DataError(f"{where}: {len(cells)} values, but {len(COLUMNS)} columns")
        record = dict(zip(COLUMNS, cells, strict=True))
        value = record.pop("value")
        try:
            number = float(value) if value else None
        except ValueError:
            raise DataError(f"{where}: value is {value!r}; write a number or nothing") from None
        higher, verified = (_yes(where, name, record.pop(name)) for name in ("higher_is_better", "verified"))
        empty = [name for name, text in record.items() if not text.strip()]
        if empty:
            raise DataError(f"{where}: {', '.join(empty)} is empty; every figure needs it")
        figures.append(Reported(value=number, higher_is_better=higher, verified=verified, **record))
    return figures


def _yes(where: str, name: str, text: str) -> bool:
    if text not in ("yes", "no"):
        raise DataError(f"{where}: {name} is {text!r}; write yes or no")
    return text == "yes"


def same_name(ours: str, theirs: str) -> bool:
    """Whether two names agree but for case and punctuation ("mask-net" and "MaskNet")."""
    return _plain(ours) == _plain(theirs)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def reported_for(figures: Sequence[Reported], paper: str, model: str, arm: str) -> list[Reported]:
    """The figures of a paper for one of our models and arms, in the file's order.

    An arm with a number of added images (``hybrid(R)@50``) matches that number only; without, it matches the
    paper's hybrids that name no number.
    """
    wanted = parse_arm(arm)
    found = []
    for figure in figures:
        theirs = figure.arm
        if figure.paper != paper or theirs is None or not same_name(model, figure.model):
            continue
        if (theirs.family, theirs.added) == (wanted.family, wanted.added) and same_name(wanted.source, theirs.source):
            found.append(figure)
    return found


def chosen(figures: Sequence[Reported], choice: Mapping[str, Any]) -> list[Reported]:
    """The figures that a suite wants shown, in the names that it uses.

    Args:
        figures: all of them.
        choice: the suite's table ``[reported]``. ``tables`` and ``suites`` keep figures whose table or suite starts
            with one of them; ``models`` and ``refiners`` map our names to the paper's.
    """
    renamed = list(figures)
    for kind in ("table", "suite"):
        starts = tuple(choice.get(f"{kind}s", ()))
        renamed = [figure for figure in renamed if not starts or getattr(figure, kind).startswith(starts)]
    for kind in ("model", "refiner"):
        ours = {theirs: name for name, theirs in choice.get(f"{kind}s", {}).items()}
        renamed = [
            replace(figure, **{kind: ours.get(getattr(figure, kind), getattr(figure, kind))}) for figure in renamed
        ]
    return renamed


def hybrid_curves(figures: Sequence[Reported], paper: str) -> list[list[Reported]]:
    """The paper's hybrid figures that name a number of added images: a list per (model, source, metric), by it."""
    curves: dict[tuple[str, str, str], list[Reported]] = {}
    for figure in figures:
        arm = figure.arm
        if figure.paper == paper and figure.value is not None and arm is not None and arm.added is not None:
            curves.setdefault((figure.model, arm.source, figure.metric), []).append(figure)
    return [sorted(curve, key=_added) for curve in curves.values()]


def _added(figure: Reported) -> int:
    arm = figure.arm
    return arm.added or 0 if arm else 0
