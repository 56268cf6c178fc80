"""``plots/costs.png``: what each refiner costs against what it gains, one panel a model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from bench.report.cells import Cells, Comparison, Entry
from bench.report.style import INK, MUTED, panels, save, source, style, tints
from bench.report.words import real_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHAPES = "os^vDPX<>ph"


def device_hours(cells: Cells) -> str:
    """What an hour is an hour of: "GPU hours" where a stage ran on one, else hours of one CPU thread."""
    devices = cells.summary.environment.get("devices") or ()
    names = [devices] if isinstance(devices, str) else list(devices)
    return "GPU hours" if any(str(name).startswith("cuda") for name in names) else "CPU hours, one thread"


def plot_costs(cells: Cells, path: Path) -> bool:
    """Draw gain against seconds of fitting and refining; False where no cost is known for any gain."""
    points = {model: found for model in cells.models if (found := _points(cells, model))}
    if not points:
        return False
    names = list(dict.fromkeys(str(entry.arm) for found in points.values() for entry, _ in found))
    costs = [entry.refiner_seconds for found in points.values() for entry, _ in found]
    with style():
        columns = min(3, len(points))
        figure, axes = panels(len(points), height=3.45, columns=columns)
        for number, (axis, (model, found)) in enumerate(zip(axes, points.items(), strict=True)):
            if number:
                axis.sharex(axes[0])
            _panel(axis, cells, found, names)
            _ticks(axis, max(costs) / min(costs))
            axis.set_title(model)
            axis.set_xlabel(f"seconds\n(above: {device_hours(cells)})")  # on one line it may leave the picture
            if number % columns == 0:
                axis.set_ylabel(f"gain in {cells.metric}")
        marks = {name: handle for axis in axes for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend([marks[name] for name in names], names, loc="outside lower left", ncols=min(4, len(names)))
        real = real_label(cells.summary.real_kind)
        text = f"Gain in {cells.metric} over {cells.reference} on {real}; time of fitting and refining, a replicate"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _points(cells: Cells, model: str) -> list[tuple[Entry, Comparison]]:
    """Arms that rest on a refiner of known cost and on no real label, with their gains."""
    found = []
    for arm in cells.arms:
        if arm.family in ("refined", "joint"):
            entry = cells.entry(model, str(arm))
            if entry.gain is not None and entry.refiner_seconds > 0:
                found.append((entry, entry.gain))
    return found


def _panel(axis: Axes, cells: Cells, points: list[tuple[Entry, Comparison]], names: list[str]) -> None:
    tint = tints(cells)
    axis.axhline(0, color=INK, linewidth=1)
    axis.grid(axis="both")
    for entry, gain in points:
        # Two arms of one refiner cost the same: a small step aside keeps one bar from hiding the other.
        place, name = entry.refiner_seconds * (1.05 if entry.arm.family == "joint" else 1), str(entry.arm)
        colour, (mean, low, high) = tint[source(entry.arm)], gain.interval
        hollow = math.isnan(low)
        if not hollow:
            axis.plot([place, place], [low, high], color=colour, linewidth=1.8)
        axis.plot(
            place, mean, SHAPES[names.index(name) % len(SHAPES)], color=colour, markersize=7, label=name,
            markerfacecolor="white" if hollow else colour, markeredgewidth=1.6, linestyle="none",
        )  # fmt: skip


def _ticks(axis: Axes, span: float) -> None:
    """Plain numbers along both axes of time; between powers of ten too where there are few of them."""
    axis.set_xscale("log")
    axis.margins(x=0.12)
    hours = axis.secondary_xaxis("top", functions=(_to_hours, _to_seconds))
    hours.tick_params(labelsize=8, colors=MUTED)
    for one in (axis.xaxis, hours.xaxis):
        one.set_major_locator(LogLocator(subs=(1.0,) if span > 30 else (1.0, 2.0, 5.0), numticks=8))
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        one.set_minor_formatter(NullFormatter())


def _to_hours(value: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(value, np.float64) / 3600


def _to_seconds(value: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(value, np.float64) * 3600
