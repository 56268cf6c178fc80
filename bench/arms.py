"""Arms: what a model is trained on. ``synthetic``, ``refined(R)``, ``real``, ``hybrid(S)``, ``joint(R)``, ...

``joint(R)`` is the model that R itself trains together with its networks; ``separate(R)`` is like ``refined(R)``, with
R trained without any task network.
A sweep arm ``hybrid(S)@N`` adds N images of source S ("synthetic" or a refiner's name) to the labelled real ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bench.errors import UsageError, did_you_mean

Family = Literal["synthetic", "refined", "real", "hybrid", "joint", "separate"]
_FAMILIES: tuple[Family, ...] = ("synthetic", "refined", "real", "hybrid", "joint", "separate")
_APART = ", trained apart"
_PATTERN = re.compile(r"^(?P<family>[a-z]+)(?:\((?P<source>[^()]+)\))?(?:@(?P<added>\d+))?$")


@dataclass(frozen=True, slots=True)
class Arm:
    """One parsed arm.

    Attributes:
        family: which kind of arm.
        source: what is in the brackets: a refiner's name, or "synthetic" for ``hybrid(synthetic)``; else "".
        added: for a sweep arm, the number of images of ``source`` added to the real ones; else None.
    """

    family: Family
    source: str = ""
    added: int | None = None

    @property
    def refiner(self) -> str:
        """The refiner that the arm rests on, or ""."""
        return "" if self.source in ("", "synthetic") else self.source

    def __str__(self) -> str:
        text = f"{self.family}({self.source})" if self.source else self.family
        return text if self.added is None else f"{text}@{self.added}"


def parse_arm(text: str) -> Arm:
    """Parse an arm; raises `UsageError` with a suggestion for anything else."""
    match = _PATTERN.match(text.strip())
    family = match["family"] if match else text.split("(")[0]
    for known in _FAMILIES:
        if match and family == known:
            source, added = match["source"] or "", match["added"]
            if (known in ("refined", "hybrid", "joint", "separate")) != bool(source):
                shape = f"'{known}'" if source else f"'{known}(NAME)'"
                raise UsageError(f"arm '{text}': write {shape}")
            if added is not None and known != "hybrid":
                raise UsageError(f"arm '{text}': only hybrid arms take @N")
            if known in ("refined", "joint", "separate") and source == "synthetic":
                raise UsageError(f"arm '{text}': '{known}' takes a refiner's name")
            return Arm(known, source, None if added is None else int(added))
    raise UsageError(f"unknown arm '{text}'{did_you_mean(family, _FAMILIES)}")


def set_name(arm: Arm) -> str:
    """What the refined set is called that a ``refined(R)`` or ``separate(R)`` arm trains on."""
    return f"{arm.source}{_APART}" if arm.family == "separate" else arm.source


def arm_of_set(name: str) -> Arm:
    """The arm that trains on the refined set of this name alone: the way back from `set_name`."""
    return Arm("separate", name.removesuffix(_APART)) if name.endswith(_APART) else Arm("refined", name)
