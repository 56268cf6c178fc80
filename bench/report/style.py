"""How plots look: one size, one font, a colour-blind-safe palette; figures are drawn without pyplot's global state."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
from PIL import Image

from bench.arms import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from bench.report.cells import Cells

# Okabe and Ito's colours, told apart by all common kinds of colour vision; their yellow is too pale for lines.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99")
INK, MUTED, RULE = "#1f2933", "#616e7c", "#cbd2d9"
MARKERS = {"synthetic": "o", "refined": "o", "real": "*", "hybrid": "s", "joint": "D", "separate": "v"}
DPI = 144
PANEL_COLUMNS = 3

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "text.color": INK,
    "text.parse_math": False,  # a "$" in a class name is a dollar, not a formula
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.8,
    "figure.facecolor": "white",
    "lines.linewidth": 1.6,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Settings of every plot; a character that the font lacks is drawn as a box and is no reason to warn."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def panels(
    count: int,
    *,
    height: float = 2.6,
    columns: int = PANEL_COLUMNS,
    heights: Sequence[float] = (),
    around: float = 0.0,
    width: float = 9.0,
) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, at most ``columns`` in a row, and sizes in inches.

    Args:
        count: panels.
        height: of every row, its titles and labels included.
        columns: most panels in a row.
        heights: instead, the bare height of each row; ``around`` is then what all titles and labels need together.
        around: see ``heights``.
        width: of the figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across = min(columns, count)
    down = math.ceil(count / across)
    rows = list(heights) or [height] * down
    figure = Figure(figsize=(width, sum(rows) + around), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    FigureCanvasAgg(figure)
    grid = figure.subplots(down, across, squeeze=False, height_ratios=rows)
    axes = [grid[k // across][k % across] for k in range(down * across)]
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of 256 colours (a third of the bytes), without the date and version that would make plots differ."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    canvas = cast("FigureCanvasAgg", figure.canvas)
    # `savefig` would draw twice, and write a file that is read again for its colours.
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    image = Image.fromarray(pixels).convert("RGB")
    palette = image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(temporary, "PNG", optimize=True)
    temporary.replace(path)


def colours(sources: Sequence[str]) -> dict[str, str]:
    """A colour for each source of images: grey for synthetic, black for real, the palette in order for refiners."""
    named = [name for name in dict.fromkeys(sources) if name not in ("", "synthetic", "real")]
    return {"": INK, "real": INK, "synthetic": MUTED} | {n: PALETTE[k % len(PALETTE)] for k, n in enumerate(named)}


def tints(cells: Cells) -> dict[str, str]:
    """The colours of a run's sources, the same in every plot; controls stay grey."""
    named = [source(arm) for arm in cells.arms if not cells.is_control(arm)]
    return dict.fromkeys(cells.controls, MUTED) | colours(named)


def source(arm: Arm) -> str:
    """What gives an arm its colour."""
    return arm.source or arm.family
