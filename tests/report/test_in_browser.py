"""The page opened and clicked in headless Chromium, its scripts switched off: what a reader meets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browser, found

from bench.report.summary import RunSummary
from bench.results import read_rows

PROGRAM = found()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium found; install one, or name its program in the variable CHROMIUM"
)
LEAST_CONTRAST = 4.5
"""WCAG 2.1, success criterion 1.4.3, level AA, for text of usual size."""
COLOURS = """(() => {
  const shown = e => e.getClientRects().length && getComputedStyle(e).visibility === 'visible';
  const behind = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; }
    return 'rgb(255, 255, 255)'; };
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return [...document.body.querySelectorAll('*')].filter(e => own(e) && shown(e))
    .map(e => [getComputedStyle(e), behind(e), e.textContent.trim().slice(0, 40)])
    .map(([style, back, text]) => [style.color, back, parseFloat(style.fontSize), text]);
})()"""


@pytest.fixture(scope="module")
def page(built: RunSummary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all tests, in which pages may run no script of their own."""
    assert PROGRAM is not None
    with browser(PROGRAM, tmp_path_factory.mktemp("browser")) as opened:
        opened.call("Emulation.setScriptExecutionDisabled", value=True)
        yield opened


def load(page: Page, built: RunSummary, width: int = 1200, dark: bool = False) -> None:
    page.look(width, dark=dark)
    page.open(built.out / "index.html")


def luminance(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.1)."""
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(colour: str, other: str) -> float:
    light, dark = sorted((luminance(colour), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_it_loads_nothing_and_says_nothing_went_wrong(page: Page, built: RunSummary) -> None:
    load(page, built)
    requests = [e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"]
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    assert [e for e in page.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []
    pictures = page.ask("[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width, i.alt])")
    assert len(pictures) == 8
    for natural, shown, alternative in pictures:
        assert natural > 300
        assert shown > 300
        assert alternative


def test_everything_that_the_issue_asks_for_is_there_without_a_script(page: Page, built: RunSummary) -> None:
    load(page, built)
    words = page.ask("document.body.innerText")
    for expected in (
        "Refining helps both models.", "Every refined arm, gain over synthetic", "over test images", "holds", "fails",
        "package <b>broken</b> is not installed", "CPU hours, one thread", "Provenance", "rows.csv",
        "cpu: 2 cores", built.command,
    ):  # fmt: skip
        assert expected in words
    for section in ("answer", "table", "claims", "troubles", "plots", "sweep", "gallery", "costs", "environment"):
        assert page.ask(f"document.getElementById('{section}').getClientRects().length") == 1, section


def test_every_link_leads_to_its_section(page: Page, built: RunSummary) -> None:
    load(page, built)
    links = page.ask("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
    assert len(links) > 9
    for link in (links[2], links[-1]):
        load(page, built)
        page.click(f"nav a[href='{link}']")
        place = f"document.querySelector('{link}').getBoundingClientRect().top"
        deadline = time.monotonic() + 10
        while not (seen := -2 <= page.ask(place) < 790) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert seen, link
        assert page.ask("location.hash") == link


def test_the_resolved_suite_opens_on_a_click(page: Page, built: RunSummary) -> None:
    load(page, built)
    seen = "document.querySelector('details pre').checkVisibility({contentVisibilityAuto: true})"
    assert page.ask(seen) is False
    page.click("details summary")
    assert page.ask(seen) is True
    assert json.loads(page.ask("document.querySelector('details pre').innerText"))["name"] == "shop"


def test_a_click_saves_the_rows(page: Page, built: RunSummary, tmp_path: Path) -> None:
    load(page, built)
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=False)
    page.click("a[download='rows.csv']")
    deadline = time.monotonic() + 20
    while not (tmp_path / "rows.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [repr(row) for row in read_rows(tmp_path / "rows.csv")] == [repr(row) for row in built.rows]


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_no_width_makes_the_page_scroll_sideways(page: Page, built: RunSummary, width: int) -> None:
    load(page, built, width)
    assert page.ask("document.documentElement.scrollWidth") == width
    small = [text for _, _, size, text in page.ask(COLOURS) if size < 11]
    assert small == []


def test_on_a_phone_the_gains_need_no_scrolling(page: Page, built: RunSummary) -> None:
    """Rows are cards there: each gain lies within the window, under its own name."""
    load(page, built, 360)
    cells = "document.querySelectorAll('table.wide td[data-h^=gain], table.matrix td[data-h]')"
    ends = page.ask(f"[...{cells}].filter(c => c.getClientRects().length).map(c => c.getBoundingClientRect().right)")
    assert len(ends) > 20
    assert max(ends) <= 360
    named = "getComputedStyle(document.querySelector('table.wide td[data-h^=gain]'), '::before').content"
    assert "gain over synthetic" in page.ask(named)


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast_by_day_and_by_night(page: Page, built: RunSummary, dark: bool) -> None:
    load(page, built, dark=dark)
    found_colours = page.ask(COLOURS)
    assert len(found_colours) > 200
    assert (luminance(page.ask("getComputedStyle(document.body).backgroundColor")) < 0.1) == dark
    weak = {(c, b, text) for c, b, _, text in found_colours if contrast(c, b) < LEAST_CONTRAST}
    assert weak == set()


def test_no_verdict_is_told_by_colour_alone(page: Page, built: RunSummary) -> None:
    load(page, built)
    for state, mark in (("better", "▲"), ("worse", "▼"), ("inconclusive", "○")):
        cells = f"[...document.querySelectorAll('td.{state}, li.{state}, tr.{state}')].map(e => e.innerText)"
        told = page.ask(cells)
        assert told, state
        assert all(mark in text for text in told), state
