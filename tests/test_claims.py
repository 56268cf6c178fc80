"""Claims: verdicts against hand-made rows, and that every shipped claim can be tested."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from bench.claims import VERDICTS, ClaimFile, Verdict, judge, read_claims, replace_defaults
from bench.errors import DataError
from bench.reported import Reported, read_reported
from bench.results import Row
from bench.suite import built_in_suites, load_suite

FOLDER = Path(__file__).parent.parent / "results" / "claims"


def row(arm: str, replicate: int, value: float, **other: Any) -> Row:
    plain = Row(
        suite="shop", profile="quick", world="shelf:2", real_kind="stand-in", task="detection", model="net", arm=arm,
        refiner="", replicate=replicate, metric="score", value=value, higher_is_better=True, n_train=64, n_test=32,
        steps=300, seconds=1.0, peak_mib=9.0, status="ok", reason="",
    )  # fmt: skip
    return replace(plain, **other)


def rows(gains: list[float], **other: Any) -> list[Row]:
    """Reference values of 0.5, and the arm's that many above."""
    pairs = [(row("plain", r, 0.5, **other), row("better", r, 0.5 + gain, **other)) for r, gain in enumerate(gains)]
    return [one for pair in pairs for one in pair]


def paper(**claim: Any) -> ClaimFile:
    given = {"id": "c", "sentence": "s", "metric": "score", "arm": "better", "reference": "plain", "direction": "above"}
    file = {"paper": "P", "source": "P 2020", "suite": "shop", "task": "detection", "models": {"Net": ["net"]}}
    return replace_defaults(ClaimFile.model_validate({**file, "claims": [{**given, **claim}]}))


def one(given: list[Row], profile: str | None = None, **claim: Any) -> Verdict:
    (verdict,) = judge([paper(**claim)], given, profile=profile)
    return verdict


def test_gain_interval_and_p_are_those_of_the_paired_differences() -> None:
    gains = [0.10, 0.14, 0.06, 0.12]
    found = one(rows(gains))
    mean = sum(gains) / 4
    half = stats.t.ppf(0.975, 3) * (sum((g - mean) ** 2 for g in gains) / 3) ** 0.5 / 2
    assert found.gain == pytest.approx((mean, mean - half, mean + half))
    assert found.verdict == "holds"
    flips = [abs(sum(s * g for s, g in zip(signs, gains, strict=True))) for signs in product((1, -1), repeat=4)]
    assert found.p == sum(value >= abs(sum(gains)) - 1e-9 for value in flips) / 16 == 0.125
    assert (found.n, found.profile, found.real_kind, found.model) == (4, "quick", "stand-in", "net")


@pytest.mark.parametrize(
    ("gains", "direction", "margin", "verdict"),
    [
        ([0.10, 0.11, 0.09], "above", 0.0, "holds"),
        ([0.10, 0.11, 0.09], "above", 0.2, "fails"),
        ([0.10, -0.10, 0.12], "above", 0.0, "inconclusive"),
        ([-0.10, -0.11, -0.09], "above", 0.0, "fails"),
        ([-0.10, -0.11, -0.09], "at least", 0.0, "fails"),
        ([-0.010, -0.011, -0.009], "at least", 0.02, "holds"),
        ([-0.010, -0.011, -0.009], "at least", 0.0, "fails"),
        ([0.001, -0.001, 0.0], "at least", 0.0, "inconclusive"),
        ([0.0, 0.0, 0.0], "at least", 0.0, "holds"),
        ([0.0, 0.0, 0.0], "above", 0.0, "fails"),
        ([0.3], "above", 0.0, "inconclusive"),
    ],
)
def test_verdicts(gains: list[float], direction: str, margin: float, verdict: str) -> None:
    found = one(rows(gains), direction=direction, margin=margin)
    assert found.verdict == verdict
    assert verdict in VERDICTS


def test_less_is_better_turns_the_gain() -> None:
    found = one([replace(r, higher_is_better=False) for r in rows([-0.10, -0.11, -0.09])])
    assert found.verdict == "holds"
    assert found.gain.mean == pytest.approx(0.10)


def test_inconclusive_says_how_many_replicates_would_settle_it() -> None:
    found = one(rows([0.10, -0.05, 0.12]))
    assert found.verdict == "inconclusive"
    assert found.needed is not None
    # 80 % power by the noncentral t distribution, with one replicate fewer not enough.
    mean, deviation = found.gain.mean, float(stats.tstd([0.10, -0.05, 0.12]))
    power = [
        1 - stats.nct.cdf(stats.t.ppf(0.975, n - 1), n - 1, mean / deviation * math.sqrt(n))
        for n in (found.needed - 1, found.needed)
    ]
    assert power[0] < 0.8 < power[1] + 1e-3
    assert one(rows([0.1, -0.1, 1e-9])).needed is None


def test_three_replicates_decide_by_the_interval_though_p_cannot_fall_below_a_quarter() -> None:
    found = one(rows([0.30, 0.31, 0.29]))
    assert (found.verdict, found.p) == ("holds", 0.25)


def test_p_is_adjusted_over_the_claims_of_the_suite_missing_ones_included() -> None:
    first, other = rows([0.1, 0.11, 0.12, 0.13, 0.1, 0.12]), paper(id="absent", arm="nowhere")
    elsewhere = paper(suite="farm")
    verdicts = judge([paper(), other, elsewhere], first)
    assert [v.verdict for v in verdicts] == ["holds", "missing", "missing"]
    assert verdicts[0].p == 2 / 64
    assert verdicts[0].p_holm == 4 / 64
    assert math.isnan(verdicts[1].p_holm)


def test_missing_says_what_is_missing() -> None:
    assert one([]).reason == "no results of suite 'shop', task 'detection'"
    given = rows([0.1, 0.2])
    without = [r for r in given if r.arm == "plain"]
    assert one(without).reason == "no score of net on better at profile quick"
    bad = [replace(r, value=math.nan, status="failed", reason="loss is nan") for r in given if r.arm == "better"]
    assert one(without + bad).reason == "better #0 failed: loss is nan"
    assert one(without + bad).verdict == "missing"
    unpaired = [row("plain", 0, 0.1), row("better", 1, 0.2)]
    assert "share no replicate" in one(unpaired).reason


@pytest.mark.parametrize("field", [{"world": "shelf:3"}, {"real_kind": "photographs"}, {"steps": 7}, {"n_test": 7}])
def test_what_must_not_be_subtracted_is_not_comparable(field: dict[str, Any]) -> None:
    found = one([replace(r, **field) if r.arm == "better" else r for r in rows([0.1, 0.2, 0.3])])
    assert found.verdict == "not comparable"
    assert next(iter(field)) in found.reason


def test_two_values_of_one_cell_are_not_comparable_but_the_same_row_twice_is() -> None:
    given = rows([0.1, 0.11, 0.12])
    assert one([*given, *given]).verdict == "holds"
    assert one([*given, replace(given[0], value=0.4)]).verdict == "not comparable"


def test_profiles_never_mix_and_smoke_counts_only_when_asked_for() -> None:
    quick, smoke = rows([0.1, 0.11, 0.12]), rows([-0.1, -0.11, -0.12], profile="smoke")
    half = [row("better", r, 0.9, profile="standard") for r in range(3)]
    assert one(quick + smoke + half).profile == "quick"
    assert one(quick + rows([0.2, 0.21], profile="standard")).profile == "standard"
    assert one(smoke).verdict == "not comparable"
    assert one(quick + smoke, profile="smoke").verdict == "fails"


def test_the_first_model_that_was_run_counts_and_a_star_takes_all() -> None:
    given = rows([0.1, 0.11], model="old") + rows([0.1, 0.11], model="new") + [row("plain", 0, 0.1, model="first")]

    def models(names: list[str]) -> list[str]:
        file = paper().model_copy(update={"models": {"Net": tuple(names)}})
        return [v.model for v in judge([file], given)]

    assert models(["first", "new", "old"]) == ["new"]
    assert models(["first"]) == ["first"]
    assert models(["*"]) == ["old", "new"]
    assert models(["unheard of"]) == ["Net"]


FIGURE = Reported("P", "Table 1", "theirs", "t", "Net", "refined", "R", "score_pct", 93.0, True, True, "the paper")


def test_reported_figures_stand_beside_with_what_is_unverified() -> None:
    figures = [FIGURE, replace(FIGURE, train_data="source", refiner="none", value=90.5, verified=False)]
    pair = {"arm": {"train_data": "refined"}, "reference": {"train_data": "source"}}
    (found,) = judge([paper(reported=pair)], rows([0.1, 0.2]), figures)
    assert found.reported == "93 against 90.5 (unverified) score_pct"
    (found,) = judge([paper(reported={"arm": {"train_data": "refined"}})], [], [replace(FIGURE, value=None)])
    assert found.reported == "not found"
    with pytest.raises(DataError, match="0 rows"):
        judge([paper(reported={"arm": {"train_data": "nothing"}})], [], figures)
    with pytest.raises(DataError, match="2 rows"):
        judge([paper(reported={"arm": {"metric": "score_pct"}})], [], figures)
    with pytest.raises(DataError, match="unknown column 'tabel'"):
        judge([paper(reported={"arm": {"tabel": "x"}})], [], figures)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("paper = ", "cannot be read"),
        ("claims = []", "is missing"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"c\.toml") as caught:
        read_claims(path)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_doubled_ids_and_unknown_models_are_errors(tmp_path: Path) -> None:
    head = 'paper = "P"\nsource = "s"\nsuite = "s"\ntask = "t"\n[models]\nNet = ["net"]\n'
    claim = '[[claims]]\nid = "c"\nsentence = "s"\nmetric = "m"\narm = "a"\nreference = "b"\ndirection = "above"\n'
    path = tmp_path / "c.toml"
    for text, part in (
        (head + claim + claim, "'c' occurs twice"),
        (head + claim + 'models = ["Nte"]\n', "'Nte' is not in"),
        (head + claim.replace("above", "beyond"), "direction"),
        (head + claim + "margn = 0.1\n", "did you mean 'margin'"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=part):
            read_claims(path)
    path.write_text(head + claim)
    (only,) = read_claims(path).claims
    assert (only.suite, only.task, only.models) == ("s", "t", ("Net",))


def test_every_shipped_claim_resolves_its_reported_figures() -> None:
    files = [read_claims(path) for path in sorted(FOLDER.glob("*.toml"))]
    assert {file.paper for file in files} == {"Wang2019-VTR", "PixelDA", "GeneSIS-RT", "T2Net"}
    verdicts = judge(files, [], read_reported())
    assert {v.verdict for v in verdicts} == {"missing"}
    assert all(v.reported for v in verdicts)
    texts = {f"{v.paper} {v.claim.id}": v.reported for v in verdicts}
    assert texts["PixelDA angle-above-dann"] == "23.5 against 56.58 mean_angle_error_deg"
    assert texts["T2Net translation-beats-synthetic"] == "0.257 (unverified) against 0.304 (unverified) abs_rel"


def test_claims_of_built_in_suites_name_arms_models_and_metrics_that_these_have() -> None:
    """A misspelt arm would be "missing" for ever; suites that are not built yet cannot be checked."""
    checked = 0
    for path in sorted(FOLDER.glob("*.toml")):
        file = read_claims(path)
        for claim in file.claims:
            if claim.suite not in built_in_suites():
                continue
            for profile in ("quick", "smoke"):
                suite = load_suite(claim.suite, profile)
                arms = {str(arm) for arm in suite.parsed_arms()}
                assert {claim.arm, claim.reference} <= arms
                assert suite.task == claim.task
                for paper_model in claim.models:
                    assert "*" in file.models[paper_model] or set(file.models[paper_model]) & set(suite.models)
                checked += 1
    assert checked >= 4
