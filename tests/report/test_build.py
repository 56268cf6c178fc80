"""The report as files: everything is there, nothing leaks in or out."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from bench.report.build import build_report
from bench.report.gallery import build_gallery
from bench.report.plot_losses import read_losses, smooth
from bench.report.summary import GalleryColumn, LossCurve, RunSummary
from bench.results import read_rows

VOID = {"meta", "link", "img", "br", "hr"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def test_every_file_is_written(built: RunSummary) -> None:
    names = {str(path.relative_to(built.out)) for path in built.out.rglob("*") if path.is_file()}
    plots = {f"plots/{name}.png" for name in ("gains", "claims", "slopes", "hybrid", "costs", "losses", "classes")}
    assert names == {"table.md", "table.csv", "index.html", "gallery.png", "losses.csv"} | plots
    for name in plots:
        with Image.open(built.out / name) as image:
            assert image.width == 1296
            # A plot is neither empty nor a solid block.
            assert 5 < np.asarray(image.convert("L")).std() < 110


def test_page_is_self_contained(built: RunSummary) -> None:
    text = (built.out / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    loads = [(t, n, v) for t, n, v in page.attributes if n in ("src", "href", "srcset", "poster", "data", "action")]
    assert loads
    for _, _, value in loads:
        assert value.startswith(("data:", "#")), value
    assert not re.search(r"@import|url\(", text)
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    assert page.tags.count("img") == 8
    assert all(value for tag, name, value in page.attributes if (tag, name) == ("img", "alt"))
    # Links within the page lead somewhere.
    ids = {value for _, name, value in page.attributes if name == "id"}
    assert {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")} <= ids


def test_nothing_from_outside_becomes_markup(make_summary: Callable[..., RunSummary]) -> None:
    bad = "<script>alert(1)</script>"
    summary = make_summary()
    suite = {**summary.suite, "title": bad, "profile": f"a{bad}", "name": '"><img src=x onerror=alert(1)>'}
    build_report(replace(summary, suite=suite, notes=[bad], command=bad, environment={bad: {"x": bad}}))
    text = (summary.out / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags.count("b") == 0
    assert page.tags.count("img") == 8
    assert bad in page.words
    assert "<script" not in (summary.out / "table.md").read_text(encoding="utf-8")


def test_page_says_what_matters(built: RunSummary) -> None:
    words = Page((built.out / "index.html").read_text(encoding="utf-8")).words
    assert "Refining helps both models." in words
    assert built.command in words
    assert "real (rendered stand-in)" in words
    assert "no measurement on photographs" in words
    assert "package <b>broken</b> is not installed" in words
    assert "step 120: total_loss is nan | see the log" in words
    assert "no result: this was not run" in words
    assert "paint: templates used: 4 <of 4>" in words
    assert "3 min 30 s" in words
    for term in ("replicate", "gain", "gap closed", "control", "±", "hybrid(S)", "inconclusive", "▲", "▼", "○"):
        assert term in words
    assert '["cpu: 2 cores"]' in words


def test_photographs_are_called_so(make_summary: Callable[..., RunSummary]) -> None:
    summary = make_summary()
    build_report(replace(summary, real_kind="photographs"))
    for name in ("index.html", "table.md"):
        text = (summary.out / name).read_text(encoding="utf-8")
        assert "real (photographs)" in text
        assert "stand-in)" not in text


def test_downloads_are_the_rows(built: RunSummary, tmp_path: Path) -> None:
    text = (built.out / "index.html").read_text(encoding="utf-8")
    data = dict(re.findall(r'download="([^"]+)" href="data:text/csv;charset=utf-8;base64,([^"]+)"', text))
    (tmp_path / "rows.csv").write_bytes(base64.b64decode(data["rows.csv"]))
    assert len(read_rows(tmp_path / "rows.csv")) == len(built.rows)
    assert base64.b64decode(data["table.csv"]) == (built.out / "table.csv").read_bytes()


def test_tables_agree(built: RunSummary) -> None:
    """The page's gains and the markdown's are the same words."""
    words = Page((built.out / "index.html").read_text(encoding="utf-8")).words
    lines = (built.out / "table.md").read_text(encoding="utf-8").splitlines()
    cells = [cell for line in lines for cell in line.split(" | ") if "(n=" in cell]
    gains = [cell[2:] for cell in cells if cell.startswith(("▲ ", "▼ ", "○ "))]
    assert len(gains) > 15
    for gain in gains:
        assert gain in words


@pytest.mark.parametrize(
    "options",
    [{"models": ("ssd",), "replicates": 1, "trouble": False}, {"lower": True}, {"models": ("ssd",), "replicates": 2}],
)
def test_other_shapes_of_run(make_summary: Callable[..., RunSummary], options: dict[str, object]) -> None:
    summary = make_summary(**options)
    build_report(summary)
    words = Page((summary.out / "index.html").read_text(encoding="utf-8")).words
    if options.get("replicates") == 1:
        assert "no interval (n=1)" in words
        assert "±" not in (summary.out / "table.md").read_text(encoding="utf-8").split("Marks:")[0]
    if options.get("lower"):
        assert "lower is better" in words
        assert "refined(paint) improves mAP50 of pvanet" in words


def test_nothing_but_failures(make_summary: Callable[..., RunSummary]) -> None:
    """A run where every cell failed still has its report, which says so; old plots do not linger."""
    summary = make_summary()
    (summary.out / "plots").mkdir()
    for name in ("plots/gains.png", "plots/losses.png", "gallery.png"):
        (summary.out / name).write_bytes(b"old")
    failed = [replace(row, status="failed", value=float("nan"), reason="no memory") for row in summary.rows]
    build_report(replace(summary, rows=failed, gallery=(), curves=(), verdicts=()))
    words = Page((summary.out / "index.html").read_text(encoding="utf-8")).words
    assert "No refined arm could be compared." in words
    assert "no memory" in words
    assert list((summary.out / "plots").iterdir()) == []
    assert not (summary.out / "gallery.png").exists()


def test_no_rows_at_all(make_summary: Callable[..., RunSummary]) -> None:
    summary = replace(make_summary(), rows=(), curves=(), gallery=(), environment={}, notes=(), costs={})
    build_report(summary)
    assert "60 of 60 cells have no value" in Page((summary.out / "index.html").read_text(encoding="utf-8")).words


def test_twice_gives_the_same_bytes(built: RunSummary, tmp_path: Path) -> None:
    again = replace(built, out=tmp_path)
    build_report(again)
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert len(files) == 11
    for path in files:
        assert path.read_bytes() == (built.out / path.relative_to(tmp_path)).read_bytes(), path.name


def test_a_report_is_fast(make_summary: Callable[..., RunSummary]) -> None:
    summary = make_summary(models=("pvanet", "ssd", "yolov3"), replicates=4)
    assert len(summary.rows) > 500
    yardstick = _seconds_of_a_figure()
    start = time.process_time()
    build_report(summary)
    assert time.process_time() - start < 20 * yardstick


def _seconds_of_a_figure() -> float:
    """CPU time of a plain figure of eight panels, here and now: what "fast" is measured by. The second one counts."""
    for _ in range(2):
        start = time.process_time()
        figure = Figure(figsize=(12, 6))
        for axis in figure.subplots(2, 4).flat:
            axis.plot(range(50), [value**2 for value in range(50)], "o-")
            axis.set_title("a panel")
        figure.savefig(io.BytesIO(), dpi=110)
    return time.process_time() - start


def test_gallery_layout() -> None:
    red, blue = np.full((20, 30, 3), (200, 0, 0), np.uint8), np.full((20, 30, 3), (0, 0, 200), np.uint8)
    boxes = np.asarray([[2, 2, 10, 12]], np.float32)
    columns = [
        GalleryColumn("synthetic", [red, red], [boxes, None], [[0], []]),
        GalleryColumn("real", [blue]),
        GalleryColumn("empty", []),
    ]
    sheet = build_gallery(columns, ["can"], "photographs")
    assert sheet is not None
    height, width = sheet.shape[:2]
    left, right = sheet[:, : width // 2], sheet[:, width // 2 :]
    assert (left == (200, 0, 0)).all(-1).mean() > 0.6
    assert not (left == (0, 0, 200)).all(-1).any()
    # The real column has one image: its lower half is paper.
    assert (right[: height // 2] == (0, 0, 200)).all(-1).mean() > 0.6
    assert (right[int(height * 0.6) :] == 255).all()
    # Box lines are drawn on the first image and not on the second.
    assert (left[: height // 2] == (200, 0, 0)).all(-1).mean() < (left[height // 2 :] == (200, 0, 0)).all(-1).mean()
    assert build_gallery([], [], "photographs") is None


def test_broken_and_missing_logs(tmp_path: Path, make_summary: Callable[..., RunSummary]) -> None:
    log = tmp_path / "losses.csv"
    log.write_text("step,a,b\n1,2,3\n2,4\n3,x,5\n4,6,7\n5,8")
    steps, losses = read_losses(log)
    assert steps.tolist() == [1, 4]
    assert losses["b"].tolist() == [3, 7]
    assert read_losses(tmp_path / "none.csv")[0].size == 0
    summary = replace(make_summary(), curves=[LossCurve("paint", tmp_path / "none.csv")])
    build_report(summary)
    assert "training curve of paint: the log is missing or empty" in (summary.out / "index.html").read_text()


def test_smooth_is_a_centred_mean() -> None:
    assert smooth(np.asarray([0.0, 3.0, 6.0, 0.0]), 3).tolist() == [1.5, 3.0, 3.0, 3.0]
    assert smooth(np.asarray([1.0, 2.0]), 1).tolist() == [1.0, 2.0]
