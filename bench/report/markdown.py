"""``table.md``: the table as GitHub markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.cells import Cells
from bench.report.definitions import MARK_MEANINGS
from bench.report.lines import HEADINGS, Line, grouped, lines, other_metrics, spreads
from bench.report.quality import TITLE, Sets, quality_words
from bench.report.words import real_label, replicates
from bench.reported import Reported


def markdown(cells: Cells, figures: Sequence[Reported]) -> str:
    """``table.md``: GitHub markdown, one table a model."""
    summary, suite = cells.summary, cells.summary.suite
    real = real_label(summary.real_kind)
    arrow = "higher" if cells.higher_is_better(cells.metric) else "lower"
    out = [
        f"# {_cell(str(suite.get('title') or suite.get('name') or 'Results'))}",
        "",
        f"{_cell(cells.metric)}, {arrow} is better, on {real} test images. Profile {_cell(str(suite.get('profile')))}, "
        f"{replicates(cells.replicates)}.",
        "",
    ]
    headings = [cells.metric if name == "metric" else name for name in HEADINGS]
    for sweep in (False, True):
        if sweep and any(cells.entries(model, sweep=True) for model in cells.models):
            out += ["## Hybrid curve", "", f"N images added to the labelled {real} ones.", ""]
        for model in cells.models:
            table = lines(cells, model, figures, sweep)
            if table:
                out += [f"{'###' if sweep else '##'} {_cell(model)}", "", *_markdown_table(headings, table), ""]
    for metric in cells.also:
        out += _also(cells, figures, metric)
    out += _small_tables("Standard deviation over replicates", cells, spreads(cells))
    out += _small_tables("Other metrics", cells, other_metrics(cells))
    out += _quality(Sets(cells))
    troubles = grouped(cells.all_troubles())
    if troubles:
        out += ["## Cells without a value, or in doubt", ""]
        out += [_row(["model", "arm", "replicates", "status", "reason"]), _row(["---"] * 5)]
        out += [_row([t.model, t.arm, t.replicates, t.status, t.reason]) for t in troubles] + [""]
    out += [f"Marks: {'; '.join(f'{mark} {text}' for mark, text in MARK_MEANINGS.items())}."]
    out += [
        f"“gain” is the mean paired difference to “{cells.reference}”, positive is better, with its 95 % t interval "
        "and the number of pairs; “over test images” is another interval of the same gain, from drawing the test "
        "images again (whole scenes together), and is never mixed with the first; “over real” is the gain over real "
        "images, for hybrids; “±” is half the width of "
        "such an interval; “gap closed” has Fieller’s 95 % interval; "
        "“reported” figures are the paper’s own, on its own data.",
        "",
    ]
    return "\n".join(out)


def _markdown_table(headings: Sequence[str], table: Sequence[Line]) -> list[str]:
    rows = [_row(headings), _row(["---", *["---:"] * 10, "---"])]
    for line in table:
        gain = line.gain if line.gain in ("reference", "—") else f"{line.mark} {line.gain}"
        mean = f"{line.mean} ({line.trouble})" if line.trouble and line.mean == "—" else line.mean
        over_real = f"{line.over_real_mark} {line.over_real}" if line.over_real != "—" else "—"
        tail = [line.test_images, over_real, line.gap, line.images, line.steps, line.time, line.refiner, line.reported]
        rows.append(_row([line.arm, mean, line.n, gain, *tail]))
    return rows


def _also(cells: Cells, figures: Sequence[Reported], metric: str) -> list[str]:
    """The same tables by another metric that the suite tells gains in."""
    arrow = "higher" if cells.higher_is_better(metric) else "lower"
    out = [f"## By {_cell(metric)} ({arrow} is better)", ""]
    headings = [metric if name == "metric" else name for name in HEADINGS]
    for model in cells.models:
        out += [f"### {_cell(model)}", "", *_markdown_table(headings, lines(cells, model, figures, metric=metric)), ""]
    return out


def _small_tables(title: str, cells: Cells, tables: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    out: list[str] = []
    for metric, table in tables.items():
        out += [f"### {_cell(metric)}", "", _row(["arm", *cells.models]), _row(["---", *["---:"] * len(cells.models)])]
        out += [*map(_row, table), ""]
    return [f"## {title}", "", *out] if out else []


def _quality(sets: Sets) -> list[str]:
    """Label preservation and realism, beside the gain of the same model."""
    if not sets.measured:
        return []
    headings = sets.headings()
    out = [f"## {TITLE}", "", _row(["set", *headings]), _row(["---", *["---:"] * len(headings)])]
    for line in sets.lines():
        out.append(_row([f"{line.arm} ({line.trouble})" if line.trouble else line.arm, *line.texts]))
    return [*out, "", *(f"- {_cell(word)}: {_cell(meaning)}" for word, meaning in quality_words(sets).items()), ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Text that cannot break the table, nor be taken for markup."""
    flat = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("](", "]\\(")
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("`", "\\`").replace("*", "\\*")
