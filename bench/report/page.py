"""``index.html``: one self-contained page with everything on it, without JavaScript, for the dark and for paper."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from bench.report.answer import build_answer, numbers_of
from bench.report.cells import Cells
from bench.report.claim_lines import claim_lines
from bench.report.definitions import MARK_MEANINGS, definitions
from bench.report.lines import grouped, lines, other_metrics, spreads
from bench.report.plot_costs import device_hours
from bench.report.quality import TITLE, Sets, quality_words
from bench.report.words import real_label, replicates, seconds
from bench.reported import Reported
from bench.samples import U8

OWN_SECTIONS = ("claims", "costs")
"""Plots that stand beside the table of the same numbers."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the page: its bytes as a data URI, its size in CSS pixels, and its words."""

    kind: str
    data: str
    width: int
    height: int
    alt: str
    caption: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that the page carries in itself."""

    name: str
    data: str


def picture_of_file(path: Path, alt: str, caption: str) -> Picture:
    """A plot, as it lies on disk; shown at 100 % where the page is wide enough."""
    with Image.open(path) as image:
        width, height = image.size
    data = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return Picture("plot", data, width, height, alt, caption)


def picture_of_sheet(sheet: U8, alt: str, caption: str, title: str = "") -> Picture:
    """A sheet of photographs, (H, W, 3) uint8, as JPEG without chroma subsampling: small, and lines stay crisp."""
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "JPEG", quality=88, subsampling=0)
    data = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Picture("gallery", data, sheet.shape[1], sheet.shape[0], alt, caption, title)


def download(name: str, text: str) -> Download:
    """A CSV file as a data URI."""
    return Download(name, "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode())


def render_page(
    cells: Cells,
    figures: Sequence[Reported],
    plots: Mapping[str, Picture],
    gallery: Picture | None,
    downloads: Sequence[Download],
    notes: Sequence[str],
    seen: Sequence[Picture] = (),
) -> str:
    """The page as text; ``seen`` are the task's pictures. Everything from outside goes through jinja2's autoescape."""
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    summary, suite = cells.summary, cells.summary.suite
    sweeps = {model: table for model in cells.models if (table := lines(cells, model, figures, sweep=True))}
    paper = str(suite.get("paper") or "")
    reported = [figure for figure in figures if figure.paper == paper]
    context: dict[str, Any] = {
        "css": Markup((folder / "page.css").read_text(encoding="utf-8")),
        "title": str(suite.get("title") or suite.get("name") or "Results"),
        "name": suite.get("name", "—"),
        "profile": suite.get("profile", "—"),
        "task": suite.get("task", "—"),
        "metric": cells.metric,
        "direction": "higher" if cells.higher_is_better(cells.metric) else "lower",
        "reference": cells.reference,
        "real": real_label(summary.real_kind),
        "replicates": replicates(cells.replicates),
        "worlds": sorted({row.world for row in summary.rows if row.world}),
        "answer": build_answer(cells),
        "marks": MARK_MEANINGS,
        "command": summary.command,
        "tables": {model: lines(cells, model, figures) for model in cells.models},
        "also": {m: {model: lines(cells, model, figures, metric=m) for model in cells.models} for m in cells.also},
        "directions": {m: "higher" if cells.higher_is_better(m) else "lower" for m in cells.metrics},
        "spreads": spreads(cells),
        "others": other_metrics(cells),
        "downloads": downloads,
        "troubles": grouped(cells.all_troubles()),
        "model_names": list(cells.models),
        "claims": claim_lines(summary.verdicts),
        "plots": [plot for name, plot in plots.items() if name not in OWN_SECTIONS],
        **{f"{name}_plot": plots.get(name) for name in OWN_SECTIONS},
        "hours": device_hours(cells),
        "sweeps": sweeps,
        "gallery": gallery,
        "seen": seen,
        "quality": _quality(Sets(cells)),
        "costs": _costs(cells),
        "notes": notes,
        "paper": paper,
        "reported": reported,
        "sources": list(dict.fromkeys(figure.source for figure in reported)),
        "definitions": definitions(cells),
        "environment": flat(summary.environment),
        "suite_json": json.dumps(plain(suite), indent=2, ensure_ascii=False),
    }
    context["sections"] = _sections(context)
    return environment.get_template("page.html").render(context)


def _sections(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Links for the sections that this page has."""
    always = ("answer", "command", "table", "definitions")
    names = {
        "answer": "Answer", "command": "Command", "table": "Table", "troubles": "Cells without a value, or in doubt",
        "claims": "Claims", "plots": "Plots", "sweeps": "Hybrid curve", "gallery": "Gallery",
        "seen": "What the models see", "quality": "Refined sets",
        "costs": "Costs", "notes": "Notes",
        "reported": "Reported", "definitions": "Words and marks", "environment": "Provenance",
    }  # fmt: skip
    ids = {"sweeps": "sweep"}
    return [(ids.get(key, key), text) for key, text in names.items() if key in always or context[key]]


def _quality(sets: Sets) -> dict[str, Any]:
    """What ``quality.html`` shows; nothing for a run that measured no set."""
    if not sets.measured:
        return {}
    return {"title": TITLE, "headings": sets.headings(), "lines": sets.lines(), "words": quality_words(sets)}


def _costs(cells: Cells) -> list[dict[str, Any]]:
    numbers = numbers_of(cells)
    return [
        {
            "refiner": name,
            "time": seconds(cost),
            "hours": f"{cost / 3600:.2g}",
            "gains": [numbers.gain(cells.entry(model, f"refined({name})").gain) for model in cells.models],
        }
        for name, cost in sorted(cells.summary.costs.items(), key=lambda item: item[1])
    ]


def plain(value: Any) -> Any:
    """Any value as JSON can hold it; what it cannot becomes text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def flat(environment: Mapping[str, Any]) -> dict[str, str]:
    """Key -> text; what is nested becomes one line of JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
        for key, value in environment.items()
    }
