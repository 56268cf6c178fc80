"""``plots/classes.png``: the metric of every class, arms down and classes across, one panel a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.report.answer import numbers_of
from bench.report.cells import Cells
from bench.report.style import MUTED, panels, save, style
from bench.report.words import Numbers, arm_label, real_label


def plot_classes(cells: Cells, path: Path, most: int = 30) -> bool:
    """Draw the heat maps of mean values over replicates; False where no row is about a class."""
    prefix = cells.class_metric()
    if prefix is None:
        return False
    classes = cells.classes(prefix)[:most]
    more = len(cells.classes(prefix)) - len(classes)
    arms = [arm for arm in cells.arms if arm.added is None]
    tables = {model: _table(cells, model, prefix, [str(arm) for arm in arms], classes) for model in cells.models}
    tables = {model: table for model, table in tables.items() if np.isfinite(table).any()}
    if not tables:
        return False
    everything = np.concatenate([table[np.isfinite(table)] for table in tables.values()])
    low, high = float(everything.min()), float(everything.max())
    upward = cells.higher_is_better(f"{prefix}/{classes[0]}")
    crowded = len(classes) > 8 or max(map(len, classes)) > 9
    # Class names stand under the last panel only.
    names = 0.05 * min(24, max(map(len, classes))) if crowded else 0.2
    with style():
        heights = [0.25 * len(arms)] * len(tables)
        figure, axes = panels(len(tables), columns=1, heights=heights, around=0.4 + names + 0.4 * len(tables))
        numbers = Numbers(2) if numbers_of(cells, f"{prefix}/{classes[0]}").decimals == 3 else Numbers(1)
        for axis, (model, table) in zip(axes, tables.items(), strict=True):
            # Lightness alone carries the order, so it survives any colour vision and a grey print.
            image = axis.imshow(
                table, cmap="Blues" if upward else "Blues_r", vmin=low, vmax=max(high, low + 1e-9), aspect="auto"
            )
            for (row, column), value in np.ndenumerate(table):
                red, green, blue, _ = image.to_rgba(np.asarray([value]))[0]
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                ink = ("white" if dark else "black") if np.isfinite(value) else MUTED
                axis.text(column, row, numbers.plain(value), ha="center", va="center", color=ink, fontsize=9)
            axis.set_xticks(range(len(classes)), [_short(name) if axis is axes[-1] else "" for name in classes])
            axis.tick_params(axis="x", length=0, labelrotation=30 if crowded else 0)
            for label in axis.get_xticklabels():
                label.set_horizontalalignment("right" if crowded else "center")
            axis.set_yticks(range(len(arms)), [arm_label(arm, cells.summary.real_kind) for arm in arms])
            axis.tick_params(axis="y", length=0)
            axis.spines[:].set_visible(False)
            axis.set_title(model)
        shown = f"; the first {len(classes)} of {len(classes) + more} classes" if more else ""
        text = f"{prefix} of each class on {real_label(cells.summary.real_kind)}, mean over replicates{shown}"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _table(cells: Cells, model: str, prefix: str, arms: list[str], classes: list[str]) -> NDArray[np.float64]:
    """(arms, classes) mean values over replicates, NaN where there is none."""
    table = np.full((len(arms), len(classes)), np.nan)
    for row, arm in enumerate(arms):
        for column, name in enumerate(classes):
            values = list(cells.values(model, arm, f"{prefix}/{name}").values())
            if values:
                table[row, column] = float(np.mean(values))
    return table


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
