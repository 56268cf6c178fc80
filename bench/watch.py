"""What a training's losses tell of its health: an explosion ends it, a discriminator that won is a doubt.

Both look at logged losses alone (``losses.csv``), so a training that was killed and goes on is judged as one that was
not. NaN and infinity are found in `bench.training` itself.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

DOUBTS = "doubts"
"""In ``artifact.json`` of a fit or a score: why the cells that rest on it are degraded, one line each."""
EXPLOSION = 1e4
"""A loss has exploded when it is so many times what it was at most in the beginning (and above 1), ..."""
BEGINNING = 5
"""... that is in the first so many logged steps, ..."""
LASTING = 3
"""... and stays there for so many logged steps: a single outlier may come back."""
WON = 0.01
"""A discriminator has won when its mean loss is below this. At a balance, least squares give 0.25 to 0.5, logits 0.7 to
1.4; 0.01 of squares is an error of a tenth in telling 0 from 1."""
LAST_PART = 5
"""The mean is over the last 1/5 of the log, ..."""
FEWEST_LINES = 10
"""... and over at least so many lines: shorter trainings prove nothing."""


class LossWatch:
    """Sees the logged losses one after the other and says when one explodes."""

    def __init__(self) -> None:
        self._start: dict[str, float] = {}
        self._above: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def __call__(self, values: Mapping[str, float]) -> str:
        """Take one logged step; the name of a loss that has exploded, with its value and its first ones, or ""."""
        for name, value in values.items():
            size = abs(value)
            self._seen[name] = self._seen.get(name, 0) + 1
            if self._seen[name] <= BEGINNING:
                self._start[name] = max(self._start.get(name, 1.0), size)
                continue
            self._above[name] = self._above.get(name, 0) + 1 if size > EXPLOSION * self._start[name] else 0
            if self._above[name] >= LASTING:
                return f"{name} is {value:.3g}, over {EXPLOSION:g} times its size at the start"
        return ""


def doubts(log: Path) -> list[str]:
    """Why a finished training should not be trusted, from its ``losses.csv``: one line each, none where all is well.

    A discriminator whose loss goes to 0 tells refined from real images without fail. Its gradient then says nothing
    that the refiner could follow, and what it learns afterwards is the other losses.
    """
    if not log.exists():
        return []
    with log.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    last = lines[-(len(lines) // LAST_PART) :]
    if len(lines) // LAST_PART < FEWEST_LINES:
        return []
    found = []
    for name in lines[0]:
        if "discriminator" not in name:
            continue
        values = [float(line[name]) for line in last if line.get(name)]
        if values and all(math.isfinite(v) for v in values) and 0 <= fmean(values) < WON:
            found.append(
                f"the {name.replace('_', ' ')} won: its loss was {fmean(values):.2g} from step {last[0]['step']} on, "
                "and the refiner learnt nothing more from it; lower its learning rate, or train for fewer steps"
            )
    return found
