"""``plots/claims.png``: a panel for each sentence of the papers that the run tested: gains, limit and verdict."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.claims import Verdict
from bench.report.cells import Cells
from bench.report.style import INK, MUTED, PALETTE, RULE, panels, save, style
from bench.report.words import real_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHAPES = {"holds": "o", "fails": "X", "inconclusive": "D"}
COLOURS = {"holds": PALETTE[2], "fails": PALETTE[1], "inconclusive": MUTED}
LINE = 96
"""Characters of a sentence in one line of a panel's title."""


def by_claim(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Verdicts with a gain, those of one claim together, in the files' order."""
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if math.isfinite(verdict.gain.mean):
            groups.setdefault((verdict.paper, verdict.claim.id), []).append(verdict)
    return list(groups.values())


def plot_claims(cells: Cells, verdicts: Sequence[Verdict], path: Path) -> bool:
    """Draw the panels; False where no claim was tested by this run."""
    groups = by_claim(verdicts)
    if not groups:
        return False
    titles = [textwrap.fill(f"{group[0].paper}: {group[0].claim.sentence}", LINE) for group in groups]
    with style():
        heights = [0.34 * len(group) + 0.12 for group in groups]
        around = 0.4 + sum(0.62 + 0.17 * (title.count("\n") + 1) for title in titles)
        figure, axes = panels(len(groups), columns=1, heights=heights, around=around)
        for axis, group, title in zip(axes, groups, titles, strict=True):
            _panel(axis, cells, group)
            axis.set_title(title, fontsize=9.5)
        real = real_label(cells.summary.real_kind)
        text = f"Sentences of the papers on {real}: on which side of the dashed limit does the 95 % t interval lie?"
        figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, color=MUTED)
        save(figure, path)
    return True


def _panel(axis: Axes, cells: Cells, group: Sequence[Verdict]) -> None:
    claim = group[0].claim
    limit = claim.margin if claim.direction == "above" else -claim.margin
    axis.axvline(0, color=RULE, linewidth=1)
    axis.axvline(limit, color=INK, linewidth=1.1, linestyle="--")
    for place, verdict in enumerate(group):
        colour, (mean, low, high) = COLOURS.get(verdict.verdict, MUTED), verdict.gain
        single = math.isnan(low)
        if not single:
            axis.plot([low, high], [place, place], "|-", color=colour, linewidth=2, markersize=8, markeredgewidth=1.6)
            pairs = cells.compare(verdict.model, claim.arm, claim.reference, claim.metric)
            differences = pairs.differences if pairs else ()
            axis.plot(differences, [place + 0.28] * len(differences), ".", color=colour, alpha=0.6, markersize=4)
        shape = SHAPES.get(verdict.verdict, "o")
        face = "white" if single or verdict.verdict == "inconclusive" else colour
        axis.plot(mean, place, shape, color=colour, markersize=7, markerfacecolor=face, markeredgewidth=1.5)
        axis.annotate(
            verdict.verdict, (1.02, place), xycoords=("axes fraction", "data"), va="center", annotation_clip=False,
            color=colour, weight="bold",
        )  # fmt: skip
    axis.set_yticks(range(len(group)), [verdict.model for verdict in group])
    axis.set_ylim(len(group) - 0.45, -0.55)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    axis.margins(x=0.1)
    axis.locator_params(axis="x", nbins=7)
    axis.set_xlabel(f"{claim.metric}: {claim.arm} over {claim.reference} (positive is better)")
