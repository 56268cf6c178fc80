"""``plots/hybrid.png``: score against the number of images added to the real ones; the paper's figure beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.arms import Arm
from bench.report.cells import Cells
from bench.report.style import INK, MUTED, PANEL_COLUMNS, panels, save, style, tints
from bench.report.words import real_label
from bench.reported import Reported, hybrid_curves, same_name
from bench.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "os^vDPX<"


def plot_hybrid(cells: Cells, figures: Sequence[Reported], path: Path) -> bool:
    """Draw the plot; False where the run has no sweep."""
    real = real_label(cells.summary.real_kind)
    models = [model for model in cells.models if any(e.n for e in cells.entries(model, sweep=True))]
    if not models:
        return False
    curves = hybrid_curves(figures, str(cells.summary.suite.get("paper") or ""))
    with style():
        count = len(models) + bool(curves)
        figure, axes = panels(count, height=3.3, columns=2 if count in (2, 4) else PANEL_COLUMNS)
        tint = tints(cells)
        for axis, model in zip(axes, models, strict=False):
            _measured(axis, cells, model, tint, real)
        handles, labels = axes[0].get_legend_handles_labels()
        if curves:
            _reported(axes[-1], cells, curves, tint)
        text = f"{cells.metric} on {real}; bars: 95 % t interval over replicates"
        if cells.replicates < 2:
            text = f"{cells.metric} on {real}; one replicate, no intervals"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        figure.legend(handles, labels, loc="outside lower left", ncols=min(4, len(labels)))
        save(figure, path)
    return True


def _measured(axis: Axes, cells: Cells, model: str, tint: dict[str, str], real: str) -> None:
    entries = [entry for entry in cells.entries(model, sweep=True) if entry.n]
    sources = list(dict.fromkeys(entry.arm.source for entry in entries))
    start = cells.entry(model, "real") if any(str(arm) == "real" for arm in cells.arms) else None
    most = max(entry.arm.added or 0 for entry in entries)
    if start is not None and start.n:
        axis.axhline(start.mean.mean, color=INK, linewidth=1, linestyle=":")
        _bar(axis, 0, start.mean, INK)
        axis.plot(0, start.mean.mean, "*", color=INK, markersize=11, label=f"{real} alone")
    for k, name in enumerate(sources):
        points = sorted((entry.arm.added or 0, entry.mean) for entry in entries if entry.arm.source == name)
        # Curves share their numbers of images; a small shift keeps the bars of one from hiding another's.
        shift = (k - (len(sources) - 1) / 2) * 0.012 * most
        x = [added + shift for added, _ in points]
        axis.plot(
            x, [mean.mean for _, mean in points], _MARKERS[k % len(_MARKERS)] + "-", color=tint[name],
            label=f"real + {name}" if name == "synthetic" else f"real + refined({name})", markersize=6,
        )  # fmt: skip
        for place, (_, mean) in zip(x, points, strict=True):
            _bar(axis, place, mean, tint[name])
    axis.set_title(model)
    axis.set_xlabel("images added to the real ones")
    axis.set_ylabel(cells.metric)
    axis.grid(axis="y")
    axis.set_xticks(sorted({0} | {entry.arm.added or 0 for entry in entries}))
    missing = [str(e.arm) for e in cells.entries(model, sweep=True) if not e.n]
    if missing:
        text = "no value: " + "\n".join(missing)
        axis.annotate(text, (0.02, 0.02), xycoords="axes fraction", fontsize=9, color=MUTED)


def _bar(axis: Axes, x: float, interval: Interval, colour: str) -> None:
    if not math.isnan(interval.low):
        axis.plot([x, x], [interval.low, interval.high], color=colour, linewidth=1.4, alpha=0.7)


def _reported(axis: Axes, cells: Cells, curves: Sequence[Sequence[Reported]], tint: dict[str, str]) -> None:
    """The paper's own figure in its own panel: other data, other test set, other axis."""
    first = curves[0][0]
    verified = all(figure.verified for curve in curves for figure in curve)
    for k, curve in enumerate(curves):
        arm = curve[0].arm or Arm("hybrid", "synthetic")
        ours = next((name for name in tint if name and same_name(name, arm.source)), None)
        axis.plot(
            [figure.arm.added or 0 for figure in curve if figure.arm],
            [figure.value or math.nan for figure in curve],
            _MARKERS[k % len(_MARKERS)] + "--", color=tint[ours] if ours else INK, markerfacecolor="white",
            label="real + synthetic" if arm.source == "synthetic" else f"real + refined({arm.source})", markersize=6,
        )  # fmt: skip
    axis.set_title(f"Reported: {first.paper}" + ("" if verified else " (unverified)"), color=MUTED)
    axis.set_xlabel(f"images added to {first.real_images} real ones")
    axis.set_ylabel(f"{first.model}, {first.metric}")
    axis.legend(loc="lower right")
    axis.grid(axis="y")
    axis.set_facecolor("#f7f8fa")
