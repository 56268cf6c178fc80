"""Realism against gain over refiners: correlations by hand, verdicts, and what is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.claims import VERDICTS
from bench.errors import DataError
from bench.plan import build_plan
from bench.quality import QualityRow
from bench.rankings import Ranked, Ranking, rank, read_ranking
from bench.results import Row
from bench.suite import built_in_suites, load_suite

FOLDER = Path(__file__).parent.parent / "results" / "claims" / "rankings"
RANKING = Ranking(
    id="looks", sentence="Looks do not matter.", source="us", suites={"shop": "score"}, controls=("same",), margin=0.7
)
NAMES = "abcdefgh"


def row(arm: str, replicate: int, value: float, **more: Any) -> Row:
    given: dict[str, Any] = {
        "suite": "shop", "profile": "quick", "world": "shelf:2", "real_kind": "stand-in", "task": "detection",
        "model": "net", "arm": arm, "refiner": "", "replicate": replicate, "metric": "score", "value": value,
        "higher_is_better": True, "n_train": 1, "n_test": 1, "steps": 1, "seconds": 1.0, "peak_mib": 1.0,
        "status": "ok", "reason": "",
    }  # fmt: skip
    return Row(**given | more)


def kid(refiner: str, replicate: int, value: float, **more: Any) -> QualityRow:
    given: dict[str, Any] = {
        "suite": "shop", "profile": "quick", "world": "shelf:2", "real_kind": "stand-in", "arm": f"refined({refiner})",
        "refiner": refiner, "replicate": replicate, "measure": "kid", "by": "random-convolutions", "metric": "",
        "value": value, "higher_is_better": False, "images": 9, "status": "ok", "reason": "",
    }  # fmt: skip
    return QualityRow(**given | more)


def run(gains: list[float], distances: list[float], **more: Any) -> tuple[list[Row], list[QualityRow]]:
    """Two replicates of refiners a, b, ... whose gains and distances are given, and a control."""
    rows, quality = [], []
    for r in (0, 1):
        luck = 0.1 * r
        rows.append(row("synthetic", r, 0.3 + luck, **more))
        rows.append(row("refined(same)", r, 0.3 + luck, **more))
        wander = 0.001 * (2 * r - 1)
        rows += [row(f"refined({n})", r, 0.3 + luck + g + wander, **more) for n, g in zip(NAMES, gains, strict=False)]
        given = {name: value for name, value in more.items() if name in ("suite", "profile")}
        quality.append(kid("same", r, 99.0, **given))
        quality += [kid(n, r, d + wander, **given) for n, d in zip(NAMES, distances, strict=False)]
        quality.append(replace(kid("a", r, 5.0, **given), arm="synthetic", refiner=""))
    return rows, quality


def one(gains: list[float], distances: list[float], **more: Any) -> Ranked:
    return rank([RANKING], *run(gains, distances, **more))[0]


def test_rho_by_hand_controls_and_the_unrefined_set_left_out() -> None:
    """Real first: b a d c e, gains rank 1 2 4 3 5 from the most real on: rho = -(1 - 6 * 2 / 120) = -.9."""
    found = one([0.02, 0.01, 0.03, 0.04, 0.05], [2, 1, 4, 3, 5])
    assert found.refiners == tuple(f"refined({name})" for name in "badce")
    assert found.rho.mean == pytest.approx(-0.9)
    assert found.gains == pytest.approx([0.01, 0.02, 0.04, 0.03, 0.05])
    assert found.realism == pytest.approx([-1, -2, -3, -4, -5])
    assert found.p == pytest.approx(10 / 120)
    assert (found.suite, found.model, found.profile, found.real_kind) == ("shop", "net", "quick", "stand-in")
    assert found.verdict == "holds"


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([0.05, 0.04, 0.03, 0.02, 0.01], "fails"),
        ([0.01, 0.02, 0.03, 0.04, 0.05], "holds"),
        ([0.03, 0.01, 0.05, 0.02, 0.04], "inconclusive"),
        ([0.04, 0.03, 0.02, 0.01], "inconclusive"),
        ([0.02, 0.02, 0.02, 0.02], "inconclusive"),
        ([0.04, 0.03, 0.02], "not comparable"),
    ],
)
def test_verdicts(gains: list[float], verdict: str) -> None:
    """Of four refiners even a perfect order has p = 2 / 24, which shows nothing."""
    found = one(gains, [1, 2, 3, 4, 5][: len(gains)])
    if len(set(gains)) == 1:
        found = rank([RANKING], [replace(r, value=round(r.value, 2)) for r in run(gains, [1, 2, 3, 4])[0]],
                     run(gains, [1, 2, 3, 4])[1])[0]  # fmt: skip
    assert found.verdict == verdict
    assert found.verdict in VERDICTS
    assert bool(found.reason) == (verdict == "not comparable" or len(set(gains)) == 1)


def test_less_is_better_turns_the_gain() -> None:
    found = one([-0.05, -0.04, -0.03, -0.02, -0.01], [1, 2, 3, 4, 5], higher_is_better=False)
    assert found.rho.mean == 1


def test_missing_says_what_is_missing() -> None:
    rows, quality = run([0.05, 0.04, 0.03, 0.02, 0.01], [1, 2, 3, 4, 5])
    (found, together) = rank([RANKING], [], quality)
    assert (found.verdict, found.reason) == ("missing", "no score of suite 'shop'")
    assert together.verdict == "missing"
    (found, _) = rank([RANKING], rows, [])
    assert found.verdict == "missing"
    assert "no quality.csv beside its rows; run the suite again" in found.reason
    failed = [replace(q, status="failed", value=math.nan) for q in quality]
    assert rank([RANKING], rows, failed)[0].verdict == "missing"
    (found, _) = rank([RANKING], rows, [replace(q, by="inception") for q in quality])
    assert "no kid (random-convolutions)" in found.reason


@pytest.mark.parametrize("field", [{"world": "shelf:3"}, {"real_kind": "photographs"}])
def test_what_is_of_other_images_is_not_comparable(field: dict[str, str]) -> None:
    rows, quality = run([0.05, 0.04, 0.03, 0.02, 0.01], [1, 2, 3, 4, 5])
    (found, together) = rank([RANKING], rows, [replace(q, **field) for q in quality])
    assert found.verdict == "not comparable"
    assert next(iter(field)) in found.reason
    assert together.verdict == "missing"


def test_profiles_never_mix_and_smoke_counts_only_when_asked_for() -> None:
    quick = run([0.01, 0.02, 0.03, 0.04, 0.05], [1, 2, 3, 4, 5])
    smoke = run([0.05, 0.04, 0.03, 0.02, 0.01], [1, 2, 3, 4, 5], profile="smoke")
    both = [a + b for a, b in zip(quick, smoke, strict=True)]
    assert rank([RANKING], *both)[0].profile == "quick"
    assert rank([RANKING], *both)[0].rho.mean == -1
    assert rank([RANKING], *both, profile="smoke")[0].rho.mean == 1
    assert rank([RANKING], *smoke)[0].verdict == "missing"


def test_holm_over_models_and_suites() -> None:
    rows, quality = run([0.05, 0.04, 0.03, 0.02, 0.01], [1, 2, 3, 4, 5])
    first, second, _ = rank([RANKING], rows + [replace(r, model="other") for r in rows], quality)
    assert (first.model, second.model) == ("net", "other")
    assert first.p == pytest.approx(2 / 120)
    assert first.p_holm == pytest.approx(4 / 120)


def test_together_ranks_within_suites_and_averages_models_first() -> None:
    """Each suite runs against looks; that the second one's images all look better and gain more must not count."""
    ranking = RANKING.model_copy(update={"suites": {"shop": "score", "farm": "score"}})
    shop = run([0.01, 0.02, 0.03, 0.04], [11, 12, 13, 14])
    farm = run([0.51, 0.52, 0.53], [1, 2, 3], suite="farm")
    rows, quality = (a + b for a, b in zip(shop, farm, strict=True))
    *singles, together = rank([ranking], rows, quality)
    assert [single.verdict for single in singles] == ["inconclusive", "not comparable"]
    assert (together.suite, together.model) == ("together", "2 suites")
    assert together.rho.mean == -1
    assert together.p == pytest.approx(2 / (24 * 6))
    assert together.verdict == "holds"
    assert len(together.refiners) == 7
    # A second model of the same suite adds no refiner.
    again = rank([ranking], rows + [replace(r, model="other") for r in rows], quality)[-1]
    assert (again.rho, again.p) == (together.rho, together.p)


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    good = 'id = "a"\nsentence = "s"\nsource = "t"\nmargin = 0.5\n[suites]\nshop = "score"\n'
    for text, part in (
        ("id = ", "cannot be read"),
        (good.replace("margin = 0.5", ""), "margin: is missing"),
        (good.replace("margin = 0.5", "margin = 1.5"), "margin"),
        (good.replace("[suites]", "margn = 1\n[suites]"), "did you mean 'margin'"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=r"r\.toml") as caught:
            read_ranking(path)
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)
    path.write_text(good)
    assert read_ranking(path).suites == {"shop": "score"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_rankings_name_suites_metrics_controls_and_features_that_there_are(path: Path) -> None:
    """A misspelt metric would be "missing" for ever."""
    ranking, checked = read_ranking(path), 0
    for name, metric in ranking.suites.items():
        suite, _, variant = name.partition("/")
        if suite in built_in_suites():
            plan = build_plan(load_suite(suite, "quick", variant=variant or None))
            assert metric in plan.task.facts["metrics"]
            assert set(ranking.controls) <= set(plan.suite.controls)
            assert ranking.by in plan.suite.quality.features
            assert ranking.reference == plan.suite.reference_arm
            checked += 1
    assert checked >= 5
