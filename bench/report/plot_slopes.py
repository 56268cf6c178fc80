"""``plots/slopes.png``: every replicate's way from the reference arm to each other arm, one panel a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.cells import Cells
from bench.report.style import INK, MARKERS, MUTED, panels, save, source, style, tints
from bench.report.words import arm_label, real_label, replicates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 0.62
"""Of an arm's place, which is 1, how much its lines take."""


def plot_slopes(cells: Cells, path: Path) -> bool:
    """Draw the lines of paired values; False where no arm has a replicate in common with the reference arm."""
    arms = [str(arm) for arm in cells.arms if arm.added is None and str(arm) != cells.reference]
    paired = {model: [arm for arm in arms if cells.entry(model, arm).gain] for model in cells.models}
    models = [model for model in cells.models if paired[model]]
    if not models:
        return False
    with style():
        figure, axes = panels(len(models), columns=1, heights=[1.9] * len(models), around=0.5 + 0.75 * len(models))
        for axis, model in zip(axes, models, strict=True):
            # An arm that only other models are trained on would be an empty place.
            _panel(axis, cells, model, paired[model])
        each = f"each of {replicates(cells.replicates)}; thick: their mean" if cells.replicates > 1 else "the replicate"
        real = real_label(cells.summary.real_kind)
        text = f"{cells.metric} on {real}: a line from {cells.reference} (open) to the arm (filled) for {each}"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _panel(axis: Axes, cells: Cells, model: str, arms: list[str]) -> None:
    tint, reference = tints(cells), cells.values(model, cells.reference, cells.metric)
    axis.grid(axis="y")
    labels = []
    for place, arm in enumerate(arms):
        entry, values = cells.entry(model, arm), cells.values(model, arm, cells.metric)
        shared = [replicate for replicate in values if replicate in reference]
        colour = tint[source(entry.arm)]
        for replicate in shared:
            ends = [place, place + WIDTH], [reference[replicate], values[replicate]]
            axis.plot(*ends, color=colour, linewidth=1.1, alpha=0.75)
            axis.plot(ends[0][:1], ends[1][:1], "o", color=colour, markerfacecolor="white", markersize=4)
            marker = MARKERS[entry.arm.family]
            axis.plot(ends[0][1:], ends[1][1:], marker, color=colour, markersize=8 if marker == "*" else 4.5)
        means = [sum(side[r] for r in shared) / len(shared) for side in (reference, values)]
        if len(shared) > 1:
            axis.plot([place, place + WIDTH], means, color=colour, linewidth=3, solid_capstyle="round")
        labels.append(_label(cells, arm))
    axis.set_xticks([place + WIDTH / 2 for place in range(len(arms))], labels, rotation=20 if len(arms) > 5 else 0)
    for label in axis.get_xticklabels():
        label.set_horizontalalignment("right" if len(arms) > 5 else "center")
        label.set_rotation_mode("anchor")
    axis.set_xlim(-0.3, max(len(arms), 4) - 0.1)
    axis.tick_params(axis="x", length=0)
    axis.set_ylabel(cells.metric)
    axis.set_title(f"{model} ({'higher' if cells.higher_is_better(cells.metric) else 'lower'} is better)", color=INK)


def _label(cells: Cells, arm: str) -> str:
    return "real" if arm == "real" else arm_label(arm, cells.summary.real_kind)
