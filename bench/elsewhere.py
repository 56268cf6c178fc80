"""Results that were computed in another store: on another machine, or before this store was begun.

A run's folder says by ``keys.json`` what its numbers were made of. Where the keys are those that this plan has for the
same cells, the numbers are the ones that this machine would compute, and they may stand in the same table: paired
repetitions can be split over machines and days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.baseline import load_side
from bench.errors import DataError, UsageError
from bench.graph import Cell, Plan, Quality
from bench.keys import is_key
from bench.quality import FILE, QualityRow, read_quality
from bench.reading import read_json
from bench.results import Row
from bench.store import Store

CellName = tuple[str, str, int]
MEASURED = ("ok", "degraded", "failed")
"""Statuses of rows that are worth taking over: a cell that was skipped or missing there says nothing about here."""


@dataclass(frozen=True)
class Elsewhere:
    """What other runs of the same plan found.

    Attributes:
        rows: (model, arm, replicate) -> all rows of that cell.
        quality: (arm, replicate) -> all rows of that training set, ``real`` left out: it follows from ``rows``.
        environments: of the runs, as their ``environment.json`` has them.
        notes: a line for each run: where it lies and which replicates are from there.
    """

    rows: dict[CellName, list[Row]] = field(default_factory=dict)
    quality: dict[tuple[str, int], list[QualityRow]] = field(default_factory=dict)
    environments: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def has(self, cell: Cell) -> bool:
        """Whether another run measured a cell."""
        return name_of(cell) in self.rows

    def measured(self, one: Quality) -> bool:
        """Whether another run measured a training set."""
        return (str(one.arm), one.replicate) in self.quality


NOWHERE = Elsewhere()


def name_of(cell: Cell) -> CellName:
    """What a cell is called in a rows file."""
    return cell.model, str(cell.arm), cell.replicate


def read_elsewhere(plan: Plan, store: Store, folders: Sequence[Path]) -> Elsewhere:
    """Read what the folders of other runs have and this store lacks; the first one that has a cell is taken.

    Args:
        plan: the whole plan, with as many replicates as the table will have.
        store: what it has stands before what was computed elsewhere.
        folders: each with ``rows.csv``, ``keys.json`` and, where sets were measured, ``quality.csv``.

    Raises:
        UsageError: a folder whose numbers were made of other inputs than this plan's, or of replicates that it lacks.
        DataError: a file that is missing or damaged.
    """
    found = Elsewhere()
    cells = {name_of(cell): cell for cell in plan.cells}
    sets = {(str(one.arm), one.replicate): one for one in plan.quality}
    for folder in folders:
        side, keys = load_side(folder), _keys(folder)
        groups: dict[CellName, list[Row]] = {}
        for row in side.rows:
            if row.status in MEASURED:
                groups.setdefault((row.model, row.arm, row.replicate), []).append(row)
        _check(folder, groups, cells, keys)
        taken = {name for name in groups if name not in found.rows and not store.has(cells[name].score_key)}
        found.rows.update({name: groups[name] for name in taken})
        measured: dict[tuple[str, int], list[QualityRow]] = {}
        for one in read_quality(folder / FILE) if (folder / FILE).is_file() else []:
            place = sets.get((one.arm, one.replicate))
            if place is not None and one.status in MEASURED and keys.issuperset(place.keys):
                measured.setdefault((one.arm, one.replicate), []).append(one)
        for where, values in measured.items():
            found.quality.setdefault(where, values)
        if taken:
            found.environments.append(side.environment)
            replicates = ", ".join(str(number) for number in sorted({replicate for _, _, replicate in taken}))
            found.notes.append(f"replicates {replicates}: computed in another store ({folder.name})")
    return found


def _keys(folder: Path) -> set[str]:
    try:
        return {key for key in read_json(folder / "keys.json") if isinstance(key, str) and is_key(key)}
    except FileNotFoundError:
        raise UsageError(f"{folder}: not the folder of a finished run (it has no keys.json)") from None
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder / 'keys.json'}: cannot be read ({error}); run that suite again") from None


def _check(folder: Path, groups: dict[CellName, list[Row]], cells: dict[CellName, Cell], keys: set[str]) -> None:
    if not groups:
        raise UsageError(f"{folder}: holds no result")
    for model, arm, replicate in groups:
        cell = cells.get((model, arm, replicate))
        if cell is None:
            most = max(number for _, _, number in groups) + 1
            mend = f"give --replicates {most}" if replicate >= _replicates(cells) else "it is of another suite"
            raise UsageError(f"{folder}: {model} on {arm} #{replicate} is not in this plan; {mend}")
    other = [name for name in groups if cells[name].score_key not in keys]
    if other:
        model, arm, replicate = other[0]
        raise UsageError(
            f"{folder}: {len(other)} of {len(groups)} cells were made of other inputs than this plan's "
            f"(the first: {model} on {arm} #{replicate}); run them anew"
        )


def _replicates(cells: dict[CellName, Cell]) -> int:
    return max((replicate for _, _, replicate in cells), default=-1) + 1


def joined(environment: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One environment for all runs: every version and device is named, seconds and stages add up."""
    result = dict(environment)
    for other in others:
        versions = {name: set(str(text).split(", ")) for name, text in result["versions"].items()}
        for name, text in dict(other.get("versions", {})).items():
            versions.setdefault(name, set()).update(str(text).split(", "))
        result["versions"] = {name: ", ".join(sorted(found)) for name, found in sorted(versions.items())}
        for name in ("devices", "hardware"):
            result[name] = sorted({*result[name], *other.get(name, ())} - {""})
        result["stage_seconds"] = round(result["stage_seconds"] + float(other.get("stage_seconds", 0)), 1)
        result["peak_mib"] = max(result["peak_mib"], int(other.get("peak_mib", 0)))
        result["stages"] += int(other.get("stages", 0))
    return result
