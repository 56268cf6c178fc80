"""What a task draws for the report: who is shown, where it lands, and what happens when it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import plugins
from bench.arms import parse_arm
from bench.engines.execution import execute
from bench.errors import DataError
from bench.finish import finish
from bench.heatmaps import class_map, confusion_picture, ramp, round_up, value_map
from bench.report.build import build_report
from bench.report.gallery import build_gallery, depth_span, label_words
from bench.report.summary import GalleryColumn, RunSummary
from bench.showing import Showing, Shown, TaskPicture
from bench.store import Store

RED = np.full((20, 30, 3), (200, 0, 0), np.uint8)


def picture(name: str, image: Any = RED) -> TaskPicture:
    return TaskPicture(name, "A title & more", "A caption.", image)


def test_pictures_are_written_and_shown(make_summary: Callable[..., RunSummary]) -> None:
    summary = make_summary()
    build_report(replace(summary, pictures=[picture("confusion"), picture("depth-strip")]))
    with Image.open(summary.out / "plots" / "confusion.png") as image:
        assert np.array_equal(np.asarray(image), RED)
    assert (summary.out / "plots" / "depth-strip.png").exists()
    text = (summary.out / "index.html").read_text(encoding="utf-8")
    assert text.count("A title &amp; more</h3>") == 2
    assert 'href="#seen"' in text
    assert text.count("<img ") == 10
    build_report(summary)
    assert not (summary.out / "plots" / "confusion.png").exists()
    assert 'id="seen"' not in (summary.out / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (picture("../../evil"), "its name must be small letters"),
        (picture("..\\evil"), "its name must be small letters"),
        (picture("/evil"), "its name must be small letters"),
        (picture("evil.png"), "its name must be small letters"),
        (picture("evil\n"), "its name must be small letters"),
        (picture(""), "its name must be small letters"),
        (picture("gains"), "another plot has its name"),
        (picture("gains-evil"), "another plot has its name"),
        (picture("good"), "another plot has its name"),
        (picture("evil", RED[..., 0]), "its image must be (H, W, 3) uint8"),
        (picture("evil", RED / 255), "its image must be (H, W, 3) uint8"),
        (picture("evil", RED[:0]), "its image is empty"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_a_note(
    make_summary: Callable[..., RunSummary], bad: TaskPicture, reason: str, tmp_path: Path
) -> None:
    summary = replace(make_summary(), rows=(), curves=(), gallery=(), verdicts=(), pictures=[picture("good"), bad])
    build_report(summary)
    assert {path.name for path in (summary.out / "plots").iterdir()} == {"good.png"}
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    text = (summary.out / "index.html").read_text(encoding="utf-8")
    assert "is not shown: " + reason in text
    assert 'id="seen"' in text


def shown(arm: str, value: float, control: bool = False) -> Shown:
    return Shown(parse_arm(arm), arm, Path(), value, control)


def test_the_best_adapted_arms_are_chosen() -> None:
    arms = (
        shown("refined(a)", 0.4), shown("synthetic", 0.3), shown("refined(same)", 0.9, True), shown("joint(b)", 0.7),
        shown("separate(c)", 0.6), shown("hybrid(a)", 0.95), shown("real", 0.8),
    )  # fmt: skip
    view = Showing("m", "x", True, "real (photographs)", [None] * 7, arms)  # type: ignore[arg-type]
    assert [str(s.arm) for s in view.chosen()] == ["synthetic", "joint(b)", "real"]
    assert [str(s.arm) for s in view.chosen(2)] == ["synthetic", "joint(b)", "separate(c)", "real"]
    lower = replace(view, higher_is_better=False)
    assert [str(s.arm) for s in lower.chosen()] == ["synthetic", "refined(a)", "real"]
    assert view.spread(3) == [1, 3, 5]
    assert view.spread(99) == list(range(7))


@pytest.fixture
def run_toy(toy_plan: Callable[..., Any], store: Store, tmp_path: Path) -> Callable[[], str]:
    """A finished toy run's page."""

    def run() -> str:
        plan = toy_plan()
        for stage in plan.stages.values():
            assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
        assert finish(plan, store, tmp_path / "out", "bench run").exit_code == 0
        return (tmp_path / "out" / "index.html").read_text(encoding="utf-8")

    return run


def test_a_task_draws_what_it_is_given(
    run_toy: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Showing] = []

    def pictures(self: Any, showing: Showing) -> list[TaskPicture]:
        seen.append(showing)
        return [picture("levels")]

    monkeypatch.setattr(plugins.find("task", "toy-task").load(), "pictures", pictures)
    page = run_toy()
    assert 'id="seen"' in page
    assert (tmp_path / "out" / "plots" / "levels.png").exists()
    (showing,) = seen
    assert (showing.model, showing.metric, showing.real) == ("toy-level", "closeness", "real (rendered stand-in)")
    assert showing.truth.labels(0).boxes is not None
    assert len(showing.truth) == 4
    by_arm = {str(s.arm): s for s in showing.arms}
    assert list(by_arm) == ["synthetic", "refined(toy-same)", "refined(toy-brighten)", "real", "hybrid(toy-brighten)"]
    assert by_arm["real"].title == "real (rendered stand-in)"
    assert by_arm["refined(toy-same)"].control
    assert [str(s.arm) for s in showing.chosen()] == ["synthetic", "refined(toy-brighten)", "real"]
    levels = {arm: json.loads((s.predictions / "level.json").read_text()) for arm, s in by_arm.items()}
    assert levels["real"] > levels["synthetic"] + 0.1
    brighter, synthetic = by_arm["refined(toy-brighten)"].images, showing.synthetic
    assert brighter is not None
    assert synthetic is not None
    assert brighter.images().mean() > synthetic.images().mean() + 20
    assert by_arm["synthetic"].images is None


def test_a_task_that_cannot_draw_costs_nothing_but_a_note(
    run_toy: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pictures(self: Any, showing: Showing) -> list[TaskPicture]:
        raise DataError("no <paint> left")

    monkeypatch.setattr(plugins.find("task", "toy-task").load(), "pictures", pictures)
    page = run_toy()
    assert "task &#39;toy-task&#39; drew no pictures: no &lt;paint&gt; left" in page
    assert 'id="seen"' not in page
    assert "toy-brighten" in page


def test_ramps_begin_and_end_where_they_should() -> None:
    assert ramp([0, 1, 2, -1], "error")[[0, 3]].tolist() == [[255, 255, 255]] * 2
    assert ramp(2.0, "share").tolist() == [8, 48, 107]
    light = ramp(np.linspace(0, 1, 9), "depth").astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(light) < 0).all()
    picture = value_map(np.array([[0.0, 5.0], [np.nan, 10.0]]), 10, "depth", np.array([[False, True], [True, True]]))
    assert picture[0, 0].tolist() == picture[1, 0].tolist() == [150, 150, 150]
    assert picture[0, 1].tolist() == [33, 145, 140]
    assert [round_up(v) for v in (0, 0.34, 1.2, 8.5, 10, 24)] == [1.0, 0.4, 1.5, 10.0, 10.0, 25.0]
    assert class_map(np.array([[0, 255]]))[0, 1].tolist() == [150, 150, 150]


def test_confusion_colours_are_the_rows_shares() -> None:
    names = ["a", "b", "c"]
    drawn = confusion_picture([[8, 0, 2], [0, 0, 0], [0, 5, 5]], names, "arm", cell=40)
    colours = {tuple(colour) for colour in drawn.reshape(-1, 3)}
    for share in (0.8, 0.2, 0.5):
        assert tuple(ramp(share, "share")) in colours
    assert tuple(ramp(1.0, "share")) not in colours
    with pytest.raises(ValueError, match="2 class names"):
        confusion_picture([[1]], ["a", "b"], "arm")


def test_gallery_shows_maps_with_one_scale() -> None:
    semantic = np.zeros((20, 30), np.uint8)
    depth = np.full((20, 30), 4.0, np.float32)
    plain = [GalleryColumn("synthetic", [RED]), GalleryColumn("real", [RED])]
    full = [
        GalleryColumn("synthetic", [RED], [None], [[]], [semantic], [depth]),
        GalleryColumn("real", [RED], [None], [[]], [semantic], [depth / 4]),
    ]
    without, sheet = (build_gallery(columns, ["path"], "photographs") for columns in (plain, full))
    assert without is not None
    assert sheet is not None
    assert sheet.shape[0] > without.shape[0] + 100
    assert depth_span(full) == 4
    half = sheet.shape[1] // 2
    near, far = ramp([0.25, 1.0], "depth")
    rows = slice(0, without.shape[0] + 100)
    assert (sheet[rows, :half] == far).all(-1).sum() > 5000
    assert (sheet[rows, half:] == near).all(-1).sum() > 5000
    assert not (sheet[rows, half:] == far).all(-1).any()
    assert (sheet[rows, :half] == class_map(semantic)[0, 0]).all(-1).sum() > 5000
    assert "its class map and its depth" in label_words(full)
    assert label_words(plain).startswith("Boxes are")


def test_gallery_names_the_one_object_of_an_image() -> None:
    box = np.asarray([[2, 2, 10, 12]], np.float32)
    columns = [GalleryColumn("synthetic", [RED, RED], [box, box], [[0], [1]])]
    assert "Below each stands its class" in label_words(columns)
    named, other = (build_gallery(columns, names, "stand-in") for names in (["can", "duck"], ["can", "jug"]))
    assert named is not None
    assert other is not None
    height = named.shape[0] // 2
    assert np.array_equal(named[:height], other[:height])
    assert not np.array_equal(named[height:], other[height:])
