"""``plots/gains.png``: every arm's gain with its interval, one column of panels a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.cells import Cells, Comparison, Entry
from bench.report.style import INK, MARKERS, MUTED, PANEL_COLUMNS, RULE, panels, save, source, style, tints
from bench.report.words import arm_label, real_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Item = tuple[Entry, Comparison | None]


def plot_gains(cells: Cells, path: Path, metric: str | None = None) -> bool:
    """Draw the plot by a metric, the headline one by default; False where there is nothing to compare."""
    real = real_label(cells.summary.real_kind)
    upper = [arm for arm in cells.arms if arm.added is None and arm.family != "hybrid" and str(arm) != cells.reference]
    lower = [arm for arm in cells.arms if arm.added is None and arm.family == "hybrid"]
    groups = []
    for arms, versus, title in (
        (upper, False, f"gain over {cells.reference}"),
        (lower, True, f"gain over {real}".replace(" (", "\n(")),  # on one line it runs into the next panel's
    ):
        items = {model: [_item(cells, model, str(arm), versus, metric) for arm in arms] for model in cells.models}
        if any(comparison for row in items.values() for _, comparison in row):
            groups.append((title, items))
    if not groups:
        return False
    with style():
        columns = min(PANEL_COLUMNS, len(cells.models))
        blocks = math.ceil(len(cells.models) / columns)
        heights = [0.33 * len(next(iter(items.values()))) for _, items in groups for _ in range(blocks)]
        figure, axes = panels(
            columns * blocks * len(groups), columns=columns, heights=heights,
            around=0.35 + 1.0 * len(heights) + 0.15 * blocks * sum("\n" in title for title, _ in groups),
        )  # fmt: skip
        tint = tints(cells)
        for number, (title, items) in enumerate(groups):
            row = axes[number * columns * blocks : (number + 1) * columns * blocks]
            for k, axis in enumerate(row):
                # One scale for all models, so that lengths compare between panels.
                axis.sharex(row[0]) if k else None
                if k >= len(cells.models):
                    axis.set_visible(False)
                    continue
                _panel(axis, items[cells.models[k]], cells, tint, names=k % columns == 0)
                axis.set_title(cells.models[k])
                axis.set_xlabel(title)
            for axis, model in zip(row, cells.models, strict=False):
                _name_missing(axis, items[model])
        note = "bars: 95 % t interval over paired replicates" if cells.replicates > 1 else "one replicate, no intervals"
        text = f"Gain in {metric or cells.metric} (positive is better), scored on {real}; {note}"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _item(cells: Cells, model: str, arm: str, versus_real: bool, metric: str | None) -> _Item:
    entry = cells.entry(model, arm, metric)
    return entry, entry.versus_real if versus_real else entry.gain


def _panel(axis: Axes, items: Sequence[_Item], cells: Cells, tint: dict[str, str], names: bool) -> None:
    axis.axvline(0, color=INK, linewidth=1)
    axis.grid(axis="x")
    for y, (entry, comparison) in enumerate(items):
        control = cells.is_control(entry.arm)
        colour = tint[source(entry.arm)]
        if comparison is None:
            continue
        mean, low, high = comparison.interval
        single = math.isnan(low)
        if not single:
            axis.plot(comparison.differences, [y + 0.3] * comparison.n, ".", color=colour, alpha=0.6, markersize=4)
            axis.plot([low, high], [y, y], "|-", color=colour, linewidth=2, markersize=9, markeredgewidth=1.6)
        marker = MARKERS[entry.arm.family]
        hollow = control or single
        axis.plot(
            mean, y, "D" if control else marker, color=colour, markersize=11 if marker == "*" else 6.5,
            markerfacecolor="white" if hollow else colour, markeredgewidth=1.6,
        )  # fmt: skip
        if entry.n < entry.planned:
            text = f"n={comparison.n}"
            axis.annotate(text, (mean, y), (0, 6), textcoords="offset points", ha="center", fontsize=9, color=MUTED)
    labels = [_label(cells, entry) if names else "" for entry, _ in items]
    axis.set_yticks(range(len(items)), labels)
    axis.set_ylim(len(items) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_color(RULE if names else "none")
    axis.locator_params(axis="x", nbins=4)
    axis.margins(x=0.08)


def _name_missing(axis: Axes, items: Sequence[_Item]) -> None:
    """Say why there is no gain, on the side of 0 that has room; panels share a scale, so after all are drawn."""
    low, high = axis.get_xlim()
    side = 1 if high >= -low else -1
    for y, (entry, comparison) in enumerate(items):
        if comparison is None:
            status = entry.troubles[0].status if entry.troubles else "not compared"
            axis.annotate(
                status, (0, y), (5 * side, 0), textcoords="offset points", va="center", color=MUTED, style="italic",
                ha="left" if side > 0 else "right",
            )  # fmt: skip


def _label(cells: Cells, entry: Entry) -> str:
    """The arm's name; what "real" means goes on a second line so that it does not eat the panels' width."""
    control = ", control" if cells.is_control(entry.arm) else ""
    label = arm_label(entry.arm, cells.summary.real_kind)
    return (label.replace(" (", "\n(") if str(entry.arm) == "real" else label) + control
