"""``plots/realism.png``: realism against gain, a panel a model, a point a refiner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter, StrMethodFormatter

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
        columns = min(2, len(points))
        figure, axes = panels(len(points), columns=columns, height=3.9)
        tint = tints(cells)
        shapes = {arm: SHAPES[k % len(SHAPES)] for k, arm in enumerate(sets.arms)}
        for axis, (model, found) in zip(axes, points.items(), strict=True):
            _panel(axis, found, plain, cells.reference, tint, shapes, columns)
            axis.set_title(model)
            axis.set_xlabel(f"← more real    KID ({extractor})")
            axis.set_ylabel(f"gain in {cells.metric} over {cells.reference}")
        bars = "; bars: 95 % t interval over replicates" if cells.replicates > 1 else "; one replicate, no intervals"
        text = f"Gain against realism: distance to real training images (up is better, left looks more real){bars}"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _panel(
    axis: Axes, points: Sequence[Point], plain: float, reference: str, tint: dict[str, str], shapes: dict[str, str],
    columns: int,
) -> None:  # fmt: skip
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
    axis.margins(x=0.15, y=0.18)
    distances = [x for x, *_ in named]
    if min(distances) > 0 and max(distances) > 20 * min(distances):
        # A set that looks like nothing real would press all others into one spot.
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    compared = [p for p in points if not p.control]
    rho, p = spearman([-point.distance for point in compared], [point.gain.mean for point in compared])
    if not math.isnan(rho):
        text = f"rank correlation of realism and gain {rho:+.2f}\n(p = {p:.3f}, {len(compared)} refiners, no control)"
        axis.annotate(text, (0.02, 0.98), xycoords="axes fraction", va="top", fontsize=8.5, color=MUTED)
        # Room for that line above the highest point.
        low, high = axis.get_ylim()
        axis.set_ylim(low, high + 0.2 * (high - low))
    _name(axis, named, columns)


def _name(axis: Axes, named: Sequence[tuple[float, float, str]], columns: int) -> None:
    """Names beside their points, right of them where there is room: none on a point, none on another name."""
    place = axis.transData + axis.transAxes.inverted()
    points = [tuple(map(float, place.transform((x, y)))) for x, y, _ in named]
    letter, line = (0.0125 if columns == 1 else 0.026), 0.062
    taken = [(x - 0.012 * columns, y - 0.03, x + 0.012 * columns, y + 0.03) for x, y in points]
    for (x, y), (_, _, name) in zip(points, named, strict=True):
        width, gap = letter * len(name), 0.018 * columns
        spots = [
            (left, y + rise * line)
            for rise in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0)
            for left in (x + gap, x - gap - width)
        ]
        boxes = [(left, height - line / 2, left + width, height + line / 2) for left, height in spots]
        free = (k for k, box in enumerate(boxes) if box[0] > 0 and box[2] < 1 and not any(_meet(box, b) for b in taken))
        chosen = next(free, 0)
        taken.append(boxes[chosen])
        moved = abs(spots[chosen][1] - y) > line / 2
        axis.annotate(
            name, (x, y), spots[chosen], xycoords="axes fraction", textcoords="axes fraction", va="center", fontsize=9,
            color=INK, arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6} if moved else None,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
