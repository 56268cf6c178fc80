"""``plots/drift.png``: of every refiner the images whose labels fit least after refining, beside the rendered ones."""

from __future__ import annotations

from collections.abc import Sequence

from bench.drawing import contact_sheet
from bench.report.gallery import depth_span, labelled_picture
from bench.report.summary import Drift
from bench.samples import U8

TILE = 150


def drift_sheet(drifts: Sequence[Drift]) -> U8 | None:
    """Two rows a refiner, rendered and refined, the worst first; (H, W, 3) uint8, None where nothing drifted."""
    shown = [drift for drift in drifts if drift.before]
    if not shown:
        return None
    across = max(len(drift.before) for drift in shown)
    far = depth_span([column for drift in shown for column in (drift.rendered, drift.refined)])
    tiles, titles, rows = [], [], []
    for drift in shown:
        for column, values, word in ((drift.rendered, drift.before, "as rendered"), (drift.refined, drift.after, "")):
            width = column.images[0].shape[1]
            scale = float(max(1, round(TILE / width))) if width <= TILE else TILE / width
            pictures = [labelled_picture(column, index, scale, far) for index in range(len(values))]
            # A row with fewer images is filled with paper, so that the next refiner begins on a row of its own.
            pictures += [pictures[0][:1, :1] * 0 + 255] * (across - len(pictures))
            tiles += pictures
            titles += [f"{value:.2f}" for value in values] + [""] * (across - len(values))
            rows.append(f"{drift.arm}, {word}" if word else drift.arm)
    return contact_sheet(tiles, across, titles, row_titles=rows)
