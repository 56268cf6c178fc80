"""``plots/realism.png``: realism against gain, a panel a model, a point a refiner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.arms import parse_arm
from bench.report.quality import Sets
from bench.report.style import INK, MUTED, panels, save, source, style, tints
from bench.statistics import Interval, spearman

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHAPES = ("o", "s", "^", "v", "P", "X", "p", "h")
"""A shape of its own for every refiner, beside its colour: nobody has to tell colours apart."""


@dataclass(frozen=True, slots=True)
class Point:
    """A refiner in the plot: its mean distance to real images, and its gain."""

    arm: str
    distance: float
    gain: Interval
    control: bool


def realism_points(sets: Sets, model: str, extractor: str) -> list[Point]:
    """The refined arms of a model that have both numbers, in the order of the sets."""
    found = []
    for arm in sets.arms:
        parsed = parse_arm(arm)
        gain = sets.cells.entry(model, arm).gain if parsed.refiner else None
        distance = sets.mean(arm, "kid", extractor).mean
        if gain is not None and not math.isnan(distance):
            found.append(Point(arm, distance, gain.interval, sets.cells.is_control(parsed)))
    return found


def plot_realism(sets: Sets, path: Path) -> bool:
    """Draw the plot by the first extractor; False where no refiner has both numbers."""
    cells = sets.cells
    if not sets.extractors:
        return False
    extractor = sets.extractors[0]
    points = {model: found for model in cells.models if (found := realism_points(sets, model, extractor))}
    if not points:
        return False
    plain = sets.mean("synthetic", "kid", extractor).mean
    with style():
        figure, axes = panels(len(points), columns=min(2, len(points)), height=3.9, width=9.0)
        tint = tints(cells)
        shapes = {arm: SHAPES[k % len(SHAPES)] for k, arm in enumerate(sets.arms)}
        for axis, (model, found) in zip(axes, points.items(), strict=True):
            _panel(axis, found, plain, cells.reference, tint, shapes)
            axis.set_title(model)
            axis.set_xlabel(f"KID ({extractor}) to real training images: ← more real")
            axis.set_ylabel(f"gain in {cells.metric} over {cells.reference}")
        bars = "; bars: 95 % t interval over replicates" if cells.replicates > 1 else "; one replicate, no intervals"
        text = f"Realism against gain (up is better, left looks more real){bars}"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _panel(
    axis: Axes, points: Sequence[Point], plain: float, reference: str, tint: dict[str, str], shapes: dict[str, str]
) -> None:
    axis.axhline(0, color=INK, linewidth=1)
    axis.grid()
    for point in points:
        colour = tint[source(parse_arm(point.arm))]
        if not math.isnan(point.gain.low):
            ends = [point.gain.low, point.gain.high]
            axis.plot([point.distance] * 2, ends, "_-", color=colour, linewidth=1.2, markersize=6, alpha=0.7)
        axis.plot(
            point.distance, point.gain.mean, "D" if point.control else shapes[point.arm], color=colour, markersize=8,
            markerfacecolor="white" if point.control else colour, markeredgewidth=1.6,
        )  # fmt: skip
    named = [(p.distance, p.gain.mean, p.arm.removeprefix("refined(").removesuffix(")")) for p in points]
    if not math.isnan(plain):
        axis.plot(plain, 0, "o", color=MUTED, markersize=9, markerfacecolor="none", markeredgewidth=1.4)
        named.append((plain, 0.0, reference))
    axis.margins(x=0.28, y=0.18)
    _name(axis, named)
    compared = [p for p in points if not p.control]
    rho, p = spearman([-point.distance for point in compared], [point.gain.mean for point in compared])
    if not math.isnan(rho):
        text = f"rank correlation of realism and gain {rho:+.2f}\n(p = {p:.3f}, {len(compared)} refiners, no control)"
        axis.annotate(text, (0.02, 0.98), xycoords="axes fraction", va="top", fontsize=8.5, color=MUTED)
        # Room for that line above the highest point.
        low, high = axis.get_ylim()
        axis.set_ylim(low, high + 0.18 * (high - low))


def _name(axis: Axes, named: Sequence[tuple[float, float, str]]) -> None:
    """Names right of their points; where they would lie on each other, the lower one moves down."""
    low, high = axis.get_ylim()
    left, right = axis.get_xlim()
    line, width = 0.062 * (high - low), 0.3 * (right - left)
    taken: list[tuple[float, float]] = []
    for x, y, name in sorted(named, key=lambda item: -item[1]):
        height = y
        while any(abs(x - other) < width and abs(height - at) < line for other, at in taken):
            height -= line / 4
        taken.append((x, height))
        moved = abs(height - y) > line / 2
        axis.annotate(
            name, (x, y), (x + 0.03 * (right - left), height), va="center", fontsize=9, color=INK,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6} if moved else None,
        )  # fmt: skip
