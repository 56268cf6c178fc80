"""Markup in names, titles, reasons and notes: on the page it is text, in tables no formula, in Markdown no link."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.csv_cells import FORMULA, guarded, unguarded
from bench.formats.card import data_card
from bench.quality import quality_csv, read_quality
from bench.report.build import build_report
from bench.results import Row, read_rows, write_rows
from tests.hostile import seeds
from tests.report.conftest import summary_in

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # plots have no room for such names

ATTACKS = (
    "<script>window.evil=1</script>", "<img src=x onerror=evil()>", "<svg onload=evil()><circle/></svg>",
    "</td></tr></table><iframe src='//evil'></iframe>", "</style><style>*{display:none}</style>", "<!-- evil -->",
    '" onmouseover="evil()', "' onfocus='evil()' autofocus='", "javascript:evil()", "{{ 7 * 191 }}", "{% evil %}",
    "![x](http://evil/p.png)", "[x](javascript:evil())", "| evil | row |", "`evil`",
    "&lt;script&gt;evil&lt;/script&gt;",
    "<a href=//evil>x</a>",
    "<math><mi xlink:href=evil>", "$\\mathrm{evil}$", "a\u202eevil\u202c",
)  # fmt: skip
ALL = " ".join(ATTACKS)


class Page(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.comments: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path, Page]:
    """A page in which everything that comes from outside is an attack, its folder, and the page without."""
    calm = summary_in(tmp_path_factory.mktemp("calm") / "out", models=("ssd",), replicates=2)
    build_report(calm)
    summary = summary_in(tmp_path_factory.mktemp("hostile") / "out", models=("ssd",), replicates=2)
    name = "<img src=x onerror=e>|`"  # short, since plots write the names of models and arms
    rows = [
        dataclasses.replace(
            row, model=f"{row.model}{name}", arm=row.arm.replace("paint", f"paint{name}"), world=ALL,
            refiner=row.refiner.replace("paint", f"paint{name}"), reason=f"{row.reason}{ALL}" if row.reason else "",
            metric=f"{row.metric}{name}" if "/" in row.metric else row.metric,
        )
        for row in summary.rows
    ]  # fmt: skip
    suite = dict(summary.suite) | {
        "name": ALL, "title": ALL, "task": ALL, "models": tuple(f"{m}{name}" for m in summary.suite["models"]),
        "arms": tuple(arm.replace("paint", f"paint{name}") for arm in summary.suite["arms"]), "sweep": {}, "note": ALL,
    }  # fmt: skip
    gallery = [dataclasses.replace(column, title=f"{column.title}{name}") for column in summary.gallery]
    build_report(dataclasses.replace(
        summary, rows=rows, suite=suite, notes=[ALL], command=ALL, environment={ALL: ALL, "x": [ALL]}, gallery=gallery,
        class_names=tuple(ATTACKS[:3]), costs={f"paint{name}": 3.0}, curves=[], resamples={},
    ))  # fmt: skip
    texts = [(folder / "index.html").read_text(encoding="utf-8") for folder in (summary.out, calm.out)]
    return Page(texts[0]), summary.out, Page(texts[1])


def test_no_element_of_theirs_exists(page: tuple[Page, Path, Page]) -> None:
    hostile, _, calm = page
    assert hostile.tags <= calm.tags | {"h3"} and not hostile.tags & {"script", "iframe", "svg", "math", "object"}
    assert not hostile.comments


def test_no_attribute_of_theirs_exists(page: tuple[Page, Path, Page]) -> None:
    hostile, _, calm = page
    names = {name for _, name, _ in hostile.attributes}
    assert names <= {name for _, name, _ in calm.attributes} and not any(name.startswith("on") for name in names)
    for tag, name, value in hostile.attributes:
        if name in ("src", "href"):
            assert value.startswith(("#", "data:image/", "data:text/csv", "data:,")), (tag, value[:80])


def test_it_is_there_to_be_read(page: tuple[Page, Path, Page]) -> None:
    hostile, _, _ = page
    for attack in ATTACKS:
        assert " ".join(attack.split()) in " ".join(hostile.text.split()), attack
    assert "1337" not in hostile.text, "a template in a name was run"


def test_markdown_has_neither_tags_nor_links(page: tuple[Page, Path, Page]) -> None:
    text = (page[1] / "table.md").read_text(encoding="utf-8")
    assert "<" not in re.sub(r"\\.", "", text) and not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"(?<!\\)`", text)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    calm = [line for line in tables if line.startswith("| ---")]
    assert widths == {len(re.findall(r"\|", line)) for line in calm}, "no attack adds a cell to a row"


def test_a_data_card_has_neither(tmp_path: Path) -> None:
    facts = {"Made by": ALL, ALL: {"x": ALL}, "lines": "a\n# b\n\n<b>"}
    card = data_card(ALL, f"3 images; classes: {ALL}", facts, "Not measured.")
    assert "<" not in card and not re.search(r"(?<!\\)\]\(", card) and "\n# b" not in card


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "'=1", "''@x", "-", "plain", "", "a=b", "'",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_marked_and_come_back(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(FORMULA) and unguarded(cell) == text


@pytest.mark.parametrize("text", [text for text in FORMULAS if "\t" not in text and "\r" not in text])
def test_rows_and_quality_come_back_exactly(text: str, tmp_path: Path) -> None:
    row = dataclasses.replace(seeds.ROW, suite=text, model=text, world=text, status="failed", reason=text, value=-0.5)
    write_rows(tmp_path / "rows.csv", [row])
    assert read_rows(tmp_path / "rows.csv") == [row]
    quality = dataclasses.replace(seeds.QUALITY, suite=text, arm=text, reason=text)
    (tmp_path / "quality.csv").write_text(quality_csv([quality]), encoding="utf-8")
    assert read_quality(tmp_path / "quality.csv") == [quality]
    for name in ("rows.csv", "quality.csv"):
        for cells in csv.reader(io.StringIO((tmp_path / name).read_text())):
            assert all(cell == "-0.5" or not cell.startswith(FORMULA) for cell in cells)


def test_no_cell_of_a_table_is_a_formula(page: tuple[Page, Path, Page], tmp_path: Path) -> None:
    summary = summary_in(tmp_path / "out")
    evil = "=HYPERLINK(\"http://evil\")"
    rows = [dataclasses.replace(row, model=evil) for row in summary.rows]
    build_report(dataclasses.replace(summary, rows=rows, suite=dict(summary.suite) | {"name": evil, "models": (evil,)}))
    for cells in csv.reader(io.StringIO((tmp_path / "out" / "table.csv").read_text(encoding="utf-8"))):
        for cell in cells:
            assert not cell.startswith(FORMULA) or re.fullmatch(r"-[\d.e-]+", cell), cell


def test_rows_written_before_are_read_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, [seeds.ROW])
    assert isinstance(read_rows(path)[0], Row) and "'" not in path.read_text()
