"""Gain against seconds of training: the suite that is derived, and when half of a gain is reached."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.arms import parse_arm
from bench.engines.execution import execute
from bench.graph import Plan
from bench.store import Store
from bench.suite import load_suite
from benchmarks.time_to_gain import Point, derived, draw, points, report, spent, time_until
from tests.cli.test_check import result

FILES = sorted((Path(__file__).parents[2] / "benchmarks" / "gain").glob("*.toml"))


def curve(*found: tuple[float, float]) -> list[Point]:
    return [Point("r", "m", number, seconds, (gain,)) for number, (seconds, gain) in enumerate(found, 1)]


def test_half_of_a_gain_by_hand() -> None:
    line = curve((10, 0.1), (30, 0.3), (20, 0.05))
    assert time_until(line, 0.05) == pytest.approx(5), "straight from no gain at no seconds"
    assert time_until(line, 0.2) == pytest.approx(26), "0.05 at 20 s, 0.3 at 30 s"
    assert math.isinf(time_until(line, 0.4))
    assert time_until([Point("augment", "m", 0, 15, (0.2,))], 0.1) == 15, "it does not train"


def test_the_derived_suite_has_other_images_and_only_what_is_asked() -> None:
    settings = {"fast": {"base": "vtr", "ngf": 8, "steps": [10, 20]}, "fourier": {}}
    asked = {"suite": "vending", "models": ["ssd"], "settings": settings}
    suite, built_in = derived(asked, "search", 2), load_suite("vending")
    assert suite.name == "vending-search", "seeds come from the name"
    refined = [parse_arm(text).refiner for text in suite.arms if text.startswith("refined(fast")]
    assert refined == ["fast-10", "fast-20"]
    assert suite.refiner_plugin("fourier") == ("fourier", {}) and "refined(fourier)" in suite.arms
    base, config = suite.refiner_plugin("fast-20")
    assert (base, config) == ("vtr", {**built_in.refiner["vtr"], "ngf": 8, "steps": 20})
    assert (suite.models, suite.replicates, suite.counts) == (("ssd",), 2, built_in.counts)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_files_that_are_shipped_can_be_derived(file: Path) -> None:
    asked = tomllib.loads(file.read_text())
    assert all(suite_arm for suite_arm in derived(asked, "time", 1).parsed_arms())


def test_points_are_paired_and_drawn(tmp_path: Path) -> None:
    asked = {"suite": "vending", "models": ["toy-level"], "settings": {"r": {"steps": [5]}}}
    suite = derived({**asked, "models": ["ssd"], "settings": {"vtr": {"steps": [5]}}}, "time", 2)
    suite = suite.model_copy(update={"models": ("toy-level",), "metric": "error"})
    rows = [
        result(arm, replicate, "error", value + replicate)
        for arm, value in (("synthetic", 0.5), ("refined(r-5)", 0.2)) for replicate in (0, 1)
    ]  # fmt: skip
    found = list(points(asked, suite, rows[:-1], {"r-5": 7.0}))
    assert found == [Point("r", "toy-level", 5, 7.0, (pytest.approx(0.3),))], "lower is better; one lacks its pair"
    curves = {("toy-level", "r"): found}
    assert list(report(curves, {"r": "r"}))[2] == "| toy-level | r | 7 s | +0.300 |  | 4 s | 4 s |  |"
    draw(curves, "Toy", "error", tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size > 5000


def test_a_setting_is_held_against_the_first_of_its_base() -> None:
    def line(setting: str, *found: tuple[float, float, float]) -> list[Point]:
        return [Point(setting, "m", n, seconds, (low, high)) for n, (seconds, low, high) in enumerate(found, 1)]

    curves = {
        ("m", "old"): line("old", (10, 0.0, 0.0), (20, 0.1, 0.3)),
        ("m", "new"): line("new", (5, 0.1, 0.3), (9, 0.2, 0.4)),
        ("m", "other"): line("other", (5, -0.1, -0.3)),
        ("m", "worse"): line("worse", (5, -0.1, -0.3)),
    }
    bases = {"old": "r", "new": "r", "other": "s", "worse": "r"}
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in list(report(curves, bases))[2:]]
    assert rows[0] == ["m", "old", "20 s", "+0.200 [-1.071, +1.471]", "", "15 s", "15 s", ""]
    # Half of 0.2 at 2.5 s on the way from nothing to 0.2 at 5 s; half of 0.3 at 3.75 s.
    assert rows[1] == ["m", "new", "9 s", "+0.300 [-0.971, +1.571]", "+0.100 [+0.100, +0.100]", "4 s", "2 s", "6.0"]
    assert rows[2][4:] == ["", "not reached", "not reached", ""], "another refiner; it gains nothing"
    assert rows[3][4:] == ["-0.400 [-2.941, +2.141]", "not reached", "not reached", ""]


def test_seconds_are_those_of_the_quickest_replicate_whatever_an_artifact_was_called(
    toy_plan: Callable[..., Plan], store: Store, toy_suite: Path
) -> None:
    """Stored under one name, asked for under another one with the same configuration."""
    plan = toy_plan("replicates=2")
    for stage in plan.stages.values():
        if stage.kind in ("render", "fit", "refine"):
            assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    suite = load_suite(str(toy_suite), "quick", ("replicates=2",))
    first = spent(suite, store)
    (name,) = {stage.run["name"] for stage in plan.stages.values() if stage.kind == "fit"}
    taken: dict[str, list[float]] = {"fit": [], "refine": []}
    for key, stage in plan.stages.items():
        if stage.kind in taken and stage.run["name"] == name:
            taken[stage.kind].append(float(store.meta(key)["seconds"]))
    assert [len(one) for one in taken.values()] == [2, 2]
    assert first[name] == pytest.approx(min(taken["fit"]) + min(taken["refine"]))
    table = suite.refiner.get(name, {})
    arms = tuple(arm.replace(f"({name})", "(other)") for arm in suite.arms)
    renamed = suite.model_copy(update={"arms": arms, "refiner": {"other": {"base": name, **table}}})
    assert spent(renamed, store)["other"] == first[name]
