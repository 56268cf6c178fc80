"""A finished run's folder, and what it leads to in the store: its image sets, refiners and their facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.arms import arm_of_set
from bench.errors import StoreError, UsageError, did_you_mean
from bench.keys import is_key
from bench.reading import read_json
from bench.store import Store

_LABEL = re.compile(r"^(?:fit|refine with) (?P<name>.+?)(?: with (?P<model>.+))? #(?P<replicate>\d+)$")


@dataclass(frozen=True, slots=True)
class Made:
    """One artifact of a run: ``name`` is the suite's name of a refiner, or a split such as ``real-test``."""

    kind: str
    name: str
    replicate: int
    key: str
    meta: Mapping[str, Any]

    @property
    def arm(self) -> str:
        """The arm that trains on this set alone; "" for a fit and for sets that no such arm trains on."""
        if self.kind == "refine":
            return str(arm_of_set(self.name))
        return "synthetic" if self.name == "synthetic-train" else ""


def is_run(folder: Path) -> bool:
    """Whether a folder holds the results of ``bench run``."""
    return (folder / "keys.json").is_file()


def made(folder: Path, store: Store) -> list[Made]:
    """What is left in the store of a run's renders, fits and refined sets.

    Raises:
        UsageError: not the folder of a run, or a store that has nothing of it.
    """
    try:
        listed = [key for key in read_json(folder / "keys.json") if isinstance(key, str) and is_key(key)]
    except (OSError, ValueError, TypeError):
        raise UsageError(f"{folder}: not the folder of a finished run (no readable keys.json in it)") from None
    found = []
    for key in listed:
        if not store.has(key):
            continue
        meta = store.meta(key)
        try:
            if meta["stage"] == "render":
                request = meta["spec"]["request"]
                found.append(Made("render", f"{request['domain']}-{request['split']}", 0, key, meta))
            elif meta["stage"] in ("fit", "refine") and (match := _LABEL.match(meta["label"])):
                found.append(Made(meta["stage"], match["name"], int(match["replicate"]), key, meta))
        except (KeyError, TypeError, ValueError) as error:
            mend = "remove that folder and run the suite again"
            raise StoreError(f"{store.path(key)}: artifact.json does not say what it is ({error!r}); {mend}") from None
    if not found:
        raise UsageError(f"{store.root}: holds nothing of the run {folder}; name the store that it used with --store")
    return found


def choose(found: list[Made], name: str | None, replicate: int, option: str, what: str) -> Made:
    """The one of a name and replicate; the only one where no name is given.

    Raises:
        UsageError: several, none, or another name; what there is stands in the message.
    """
    names = sorted({item.name for item in found})
    if name is None and len(names) != 1:
        raise UsageError(f"{option}: say which {what}: {', '.join(names) or 'none is in the store'}")
    wanted = name or names[0]
    if wanted not in names:
        raise UsageError(f"{option} {wanted}: the run has no such {what}{did_you_mean(wanted, names)}")
    for item in found:
        if item.name == wanted and (item.replicate == replicate or item.kind == "render"):
            return item
    have = sorted(item.replicate for item in found if item.name == wanted)
    raise UsageError(f"--replicate {replicate}: {wanted} has {', '.join(map(str, have))}")
