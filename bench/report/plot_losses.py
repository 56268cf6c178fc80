"""``plots/losses.png``: training curves of the refiners, from their ``losses.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from bench.report.style import PALETTE, panels, save, style
from bench.report.summary import LossCurve

_DASHES = ("-", "--", ":")


def read_losses(path: Path) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Steps and named losses of a log; lines that a killed run left broken are dropped, a missing file is empty."""
    if not path.is_file():
        return np.empty(0), {}
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if not lines or lines[0][:1] != ["step"]:
        return np.empty(0), {}
    numbers = []
    for line in lines[1:]:
        try:
            numbers.append([float(cell) for cell in line])
        except ValueError:
            continue
    kept = [line for line in numbers if len(line) == len(lines[0])]
    table = np.asarray(kept, np.float64).reshape(-1, len(lines[0]))
    return table[:, 0], {name: table[:, k + 1] for k, name in enumerate(lines[0][1:])}


def smooth(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred moving mean over up to ``window`` logged steps, shorter at the ends."""
    half = max(0, window // 2)
    return np.asarray([values[max(0, k - half) : k + half + 1].mean() for k in range(len(values))])


def _labelled(positive: NDArray[np.float64]) -> tuple[int, ...]:
    """What is labelled in each decade of a logarithmic axis: labels of more than three decades would touch."""
    return (1, 2, 5) if positive.max() / positive.min() < 1000 else (1,)


def plot_losses(curves: Sequence[LossCurve], path: Path, most: int = 24) -> list[str]:
    """Draw a panel a log, up to ``most``; return notes for the page about what was left out.

    Nothing is written where no log has a line; the notes then say so for each.
    """
    read = [(curve, *read_losses(curve.path)) for curve in curves]
    full = [(curve, steps, losses) for curve, steps, losses in read if steps.size]
    empty = [curve.title for curve, steps, _ in read if not steps.size]
    notes = [f"training curve of {title}: the log is missing or empty" for title in empty]
    if len(full) > most:
        notes.append(f"training curves: the first {most} of {len(full)} are drawn")
        full = full[:most]
    if not full:
        return notes
    with style():
        names = list(dict.fromkeys(name for _, _, losses in full for name in losses))
        looks = {n: (PALETTE[k % len(PALETTE)], _DASHES[k // len(PALETTE) % len(_DASHES)]) for k, n in enumerate(names)}
        figure, axes = panels(len(full), height=2.9)
        drawn = {}
        for axis, (curve, steps, losses) in zip(axes, full, strict=True):
            everything = np.concatenate(list(losses.values()) or [np.ones(1)])
            positive = everything[everything > 0]
            # Losses of one refiner differ by orders of magnitude; a linear axis would show the largest only. A loss may
            # be 0 at a step (no foreground in the crop): such points are left out of a logarithmic axis.
            if positive.size > 0.9 * everything.size and positive.max() / np.percentile(positive, 1) > 30:
                axis.set_yscale("log", nonpositive="mask")
                axis.yaxis.set_major_locator(LogLocator(subs=_labelled(positive), numticks=8))
                axis.yaxis.set_major_formatter("{x:g}")
                axis.yaxis.set_minor_locator(NullLocator())  # a third of the time for what nobody reads
            for name, values in losses.items():
                colour, dash = looks[name]
                window = math.ceil(len(values) / 20)
                axis.plot(steps, values, color=colour, alpha=0.22, linewidth=0.8)
                (drawn[name],) = axis.plot(steps, smooth(values, window), color=colour, linestyle=dash, label=name)
            axis.set_title(curve.title)
            axis.set_xlabel("step")
            axis.grid(axis="y")
        figure.legend(list(drawn.values()), list(drawn), loc="outside lower left", ncols=4)
        save(figure, path)
    return notes
