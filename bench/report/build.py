"""Build a report: tables, plots, gallery and page into the run's folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from bench.report.cells import Cells
from bench.report.csv_table import table_csv
from bench.report.gallery import build_gallery, label_words, write_sheet
from bench.report.markdown import markdown
from bench.report.page import Picture, download, picture_of_file, picture_of_sheet, render_page
from bench.report.plot_claims import plot_claims
from bench.report.plot_classes import plot_classes
from bench.report.plot_costs import plot_costs
from bench.report.plot_gains import plot_gains
from bench.report.plot_hybrid import plot_hybrid
from bench.report.plot_losses import plot_losses
from bench.report.plot_slopes import plot_slopes
from bench.report.summary import RunSummary
from bench.report.task_pictures import write_pictures
from bench.report.words import real_label
from bench.reported import Reported, chosen, read_reported
from bench.results import rows_csv

PLOTS = ("gains", "claims", "slopes", "hybrid", "costs", "classes", "losses")


def build_report(summary: RunSummary) -> None:
    """Write table.md, table.csv, plots/*.png, gallery.png and index.html into ``summary.out``.

    Files of an earlier report that this run has nothing for (a plot without data) are removed. Raises `DataError`
    where the reported figures do not parse and `UsageError` where a row names an impossible arm.
    """
    summary.out.mkdir(parents=True, exist_ok=True)
    figures = chosen(read_reported(summary.reported), summary.suite.get("reported") or {})
    cells = Cells(summary)
    table = table_csv(cells, figures)
    _write(summary.out / "table.md", markdown(cells, figures))
    _write(summary.out / "table.csv", table)
    plots, notes = _plots(cells, figures)
    gallery = _gallery(summary)
    seen, trouble = write_pictures(summary.pictures, summary.out / "plots", PLOTS)
    rows = io.StringIO(newline="")
    rows_csv(rows, summary.rows)
    downloads = [download("rows.csv", rows.getvalue()), download("table.csv", table)]
    page = render_page(cells, figures, plots, gallery, downloads, [*summary.notes, *notes, *trouble], seen)
    _write(summary.out / "index.html", page)


def _plots(cells: Cells, figures: Sequence[Reported]) -> tuple[dict[str, Picture], list[str]]:
    folder = cells.summary.out / "plots"
    for stale in folder.glob("*.png"):
        stale.unlink()
    real = real_label(cells.summary.real_kind)
    notes = plot_losses(cells.summary.curves, folder / "losses.png")
    drawn = {
        "gains": plot_gains(cells, folder / "gains.png"),
        "claims": plot_claims(cells, cells.summary.verdicts, folder / "claims.png"),
        "slopes": plot_slopes(cells, folder / "slopes.png"),
        "hybrid": plot_hybrid(cells, figures, folder / "hybrid.png"),
        "costs": plot_costs(cells, folder / "costs.png"),
        "classes": plot_classes(cells, folder / "classes.png"),
        "losses": (folder / "losses.png").exists(),
    }
    captions = {
        "gains": (
            "Gains of every arm, one panel a model",
            f"Gains in {cells.metric} on {real}. Bars: 95 % t interval; small dots: the replicates’ differences; right "
            "of the line is better. A hollow diamond is a control, which must lie on the line; any other hollow mark "
            "has one replicate and no interval.",
        ),
        "claims": (
            "Gain and limit of every claim that this run tested",
            f"A panel for each sentence of the papers, on {real} as everything here. Bars: 95 % t interval; small "
            "dots: the replicates’ differences; dashed: the limit of the claim, its margin included. Filled disc: the "
            "whole interval lies on the claim’s side; cross: on the other; hollow: it includes the limit, or there is "
            "no interval.",
        ),
        "slopes": (
            "Paired values of every replicate, from the reference arm to each arm",
            f"{cells.metric} on {real}. Each thin line is one replicate, from {cells.reference} (open disc) to the "
            "arm: both share every seed, so that lines which rise together are a gain however far apart they start.",
        ),
        "costs": (
            "Gain of every refiner against what it costs",
            f"Gains in {cells.metric} on {real} against the mean seconds of fitting a refiner and refining, once a "
            "replicate for all models; time is on a logarithmic axis. Up and to the left is better. Hollow: one "
            "replicate, no interval. The time of training the models themselves is the same in every arm.",
        ),
        "hybrid": (
            "Score against the number of images added to the real ones",
            f"{cells.metric} on {real} when images are added to the labelled real ones; bars: 95 % t interval. The "
            "paper’s own figure, where there is one, has a panel of its own: other data, other test set, other axis.",
        ),
        "classes": (
            "Metric of every class for every arm",
            f"Every class on {real}, mean over replicates; darker is better.",
        ),
        "losses": (
            "Training curves of the refiners",
            "Losses of the refiners while they train: pale as logged, strong as a moving mean. The axis is logarithmic "
            "where losses differ thirtyfold or more. Low losses do not mean useful images; the gains say that.",
        ),
    }
    pictures = {
        name: picture_of_file(folder / f"{name}.png", *captions[name]) for name in PLOTS if drawn[name]
    }
    for metric in cells.also:
        path = folder / f"gains-{metric}.png"
        if plot_gains(cells, path, metric):
            title, caption = captions["gains"]
            caption = caption.replace(f"Gains in {cells.metric}", f"Gains in {metric}", 1)
            first = {key: pictures[key] for key in pictures if key.startswith("gains")}
            pictures = {**first, f"gains-{metric}": picture_of_file(path, title, caption), **pictures}
    return pictures, notes


def _gallery(summary: RunSummary) -> Picture | None:
    path = summary.out / "gallery.png"
    path.unlink(missing_ok=True)
    sheet = build_gallery(summary.gallery, summary.class_names, summary.real_kind)
    if sheet is None:
        return None
    write_sheet(sheet, path)
    real = real_label(summary.real_kind)
    return picture_of_sheet(
        sheet,
        "The same samples as rendered and as refined, beside a real image",
        f"Each row is one sample: as rendered, as each refiner made it, and a {real} image, which is another scene. "
        + label_words(summary.gallery),
    )


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)
