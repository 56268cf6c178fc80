"""The gate's verdicts: what is caught, what is forgiven, and how often honest runs are accused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.baseline import (
    Side,
    differing_settings,
)
from bench.noise import Gains, drop_and_rise, moderated_variances, one_sided_p
from bench.regression import ALPHA, MARKS, TOLERANCE, Change, Check, as_json, compare
from bench.results import Row

ARMS = (
    "synthetic", "refined(same)", "refined(a)", "refined(b)", "refined(c)", "real", "hybrid(synthetic)", "hybrid(a)"
)  # fmt: skip
METRICS = ("score", "other", "score/x")


def row(model: str, arm: str, replicate: int, value: float, metric: str = "score") -> Row:
    return Row(
        suite="shop", profile="quick", world="shelf:2", real_kind="stand-in", task="detection", model=model, arm=arm,
        refiner="", replicate=replicate, metric=metric, value=value, higher_is_better=True, n_train=64, n_test=32,
        steps=300, seconds=1.0, peak_mib=9.0, status="ok", reason="",
    )  # fmt: skip


def table(values: np.ndarray, metrics: tuple[str, ...] = METRICS) -> list[Row]:
    """Rows of (model, arm, replicate) values; the control repeats the reference, other metrics follow the headline."""
    values = values.copy()
    values[:, 1] = values[:, 0]
    return [
        row(f"m{m}", ARMS[a], r, float(value) * (1 - 0.1 * i), metric)
        for (m, a, r), value in np.ndenumerate(values)
        for i, metric in enumerate(metrics)
    ]


def world(rng: np.random.Generator, replicates: int, models: int = 3, scatter: float = 0.5) -> tuple[np.ndarray, ...]:
    """True means and noise deviations of every cell."""
    shape = (models, len(ARMS))
    means = rng.uniform(0.3, 0.7, shape)[..., None]
    return means, 0.03 * np.exp(scatter * rng.standard_normal(shape))[..., None]


def honest(rng: np.random.Generator, replicates: int, **options: float) -> tuple[list[Row], list[Row]]:
    """Two runs of the same program whose training went different ways, such as on different hardware."""
    means, deviations = world(rng, replicates, **options)  # type: ignore[arg-type]
    shape = (*means.shape[:2], replicates)
    first, second = (table(means + deviations * rng.standard_normal(shape)) for _ in range(2))
    return first, second


def check(baseline: list[Row], run: list[Row], **options: object) -> Check:
    given = {"metric": "score", "reference": "synthetic", "controls": ["same"], **options}
    return compare(Side(Path("base/rows.csv"), baseline), Side(Path("run/rows.csv"), run), **given)  # type: ignore[arg-type]


def state(found: Check, model: str, arm: str) -> Change:
    return next(change for change in found.changes if (change.model, change.arm) == (model, arm))


def lowered(
    rows: list[Row], by: float, replicates: tuple[int, ...], metrics: tuple[str, ...] = ("score",)
) -> list[Row]:
    """A copy in which the value of one cell was lowered by hand."""
    return [
        replace(r, value=r.value - by)
        if (r.model, r.arm) == ("m0", "refined(a)") and r.replicate in replicates and r.metric in metrics
        else r
        for r in rows
    ]


@pytest.mark.parametrize("replicates", [3, 6])
@pytest.mark.parametrize("scatter", [0.0, 0.8])
def test_noise_between_two_honest_runs_is_no_regression(replicates: int, scatter: float) -> None:
    """At least 95 of 100 pairs pass, all cells of the suite together, cells noisier than others or not."""
    rng = np.random.default_rng(replicates)
    codes = [check(*honest(rng, replicates, scatter=scatter)).exit_code for _ in range(100)]
    assert set(codes) <= {0, 1}
    assert codes.count(0) >= 95


def test_noise_of_one_replicate_on_other_hardware_is_no_regression() -> None:
    rng = np.random.default_rng(1)
    found = [check(*honest(rng, 1)) for _ in range(50)]
    assert [one.exit_code for one in found] == [0] * 50
    assert any("other hardware" in change.reason for one in found for change in one.changes)


def test_a_real_drop_is_found_through_independent_noise() -> None:
    """Six replicates of each run, no seed in common: a drop of five deviations is found nearly always."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(30):
        first, second = honest(rng, 6, scatter=0.0)
        found = check(first, lowered(second, 0.03 * 5, tuple(range(6)), METRICS))
        hits += state(found, "m0", "refined(a)").state == "regressed"
    assert hits >= 25


@pytest.mark.parametrize("replicates", [1, 3, 6])
@pytest.mark.parametrize("metrics", [("score",), METRICS])
def test_a_gain_lowered_by_hand_is_a_regression(replicates: int, metrics: tuple[str, ...]) -> None:
    rows = honest(np.random.default_rng(3), replicates)[0]
    found = check(rows, lowered(rows, 0.2, tuple(range(replicates)), metrics))
    assert found.exit_code == 1
    assert [(c.model, c.arm) for c in found.changes if c.state == "regressed"] == [("m0", "refined(a)")]
    change = state(found, "m0", "refined(a)")
    assert change.change == pytest.approx(-0.2)
    assert change.p <= ALPHA
    assert {c.state for c in found.changes if c is not change} == {"same"}


def test_one_value_lowered_by_hand_among_several_replicates_is_a_regression() -> None:
    """The paired t test alone would call (-0.2, 0, 0) noise; that the others agree to the last digit says otherwise."""
    rows = honest(np.random.default_rng(4), 3)[0]
    found = check(rows, lowered(rows, 0.2, (1,), METRICS))
    assert found.exit_code == 1
    assert "last digit" in state(found, "m0", "refined(a)").reason


def test_a_gain_halved_by_hand_is_a_regression() -> None:
    """Every replicate of the headline metric changed, by different amounts; the other metrics give it away."""
    rows = honest(np.random.default_rng(5), 3)[0]
    factors = {0: 0.9, 1: 0.8, 2: 0.95}
    edited = [
        replace(r, value=r.value * factors[r.replicate])
        if (r.model, r.arm, r.metric) == ("m0", "refined(a)", "score") else r
        for r in rows
    ]  # fmt: skip
    assert check(rows, edited).exit_code == 1


def test_a_drop_within_the_tolerance_is_forgiven_and_a_rise_is_no_regression() -> None:
    rows = honest(np.random.default_rng(6), 3)[0]
    ours = [r for r in rows if (r.model, r.metric) == ("m0", "score")]
    largest = max(np.mean([r.value for r in ours if r.arm == arm]) for arm in ARMS)
    found = check(rows, lowered(rows, 0.9 * TOLERANCE * float(largest), (0, 1, 2)))
    assert (found.exit_code, state(found, "m0", "refined(a)").state) == (0, "within")
    assert state(found, "m0", "refined(a)").tolerance == pytest.approx(TOLERANCE * float(largest))
    assert state(check(rows, lowered(rows, -0.2, (0, 1, 2))), "m0", "refined(a)").state == "improved"
    assert check(rows, lowered(rows, 0.05, (0, 1, 2)), tolerance=0.06).exit_code == 0
    assert check(rows, lowered(rows, 0.07, (0, 1, 2)), tolerance=0.06).exit_code == 1


def test_a_metric_of_which_less_is_better_regresses_upwards() -> None:
    rows = [replace(r, higher_is_better=False) for r in honest(np.random.default_rng(7), 3)[0]]
    assert check(rows, lowered(rows, -0.2, (0, 1, 2))).exit_code == 1
    assert check(rows, lowered(rows, 0.2, (0, 1, 2))).exit_code == 0


def test_a_retrained_cell_within_its_noise_is_no_regression() -> None:
    """A harmless change of one refiner sends its trainings another way while everything else agrees exactly."""
    rng = np.random.default_rng(8)
    states = []
    for _ in range(40):
        means, deviations = world(rng, 3, scatter=0.0)
        values = means + deviations * rng.standard_normal((*means.shape[:2], 3))
        again = values.copy()
        again[:, 2] = means[:, 2] + deviations[:, 2] * rng.standard_normal((3, 3))
        found = check(table(values), table(again))
        states += [change.state for change in found.changes if change.arm == "refined(a)"]
    assert states.count("regressed") <= 2
    assert "same" not in states


def test_a_control_has_to_stay_zero() -> None:
    rows = honest(np.random.default_rng(9), 3)[0]
    edited = [
        replace(r, value=r.value + 1e-12) if (r.model, r.arm, r.replicate) == ("m1", "refined(same)", 2) else r
        for r in rows
    ]
    found = check(rows, edited)
    assert found.exit_code == 1
    assert "control" in state(found, "m1", "refined(same)").reason
    # Where it was not 0 in the baseline either (a GPU's arithmetic), it is judged like any other cell.
    assert state(check(edited, edited), "m1", "refined(same)").state == "same"


@pytest.mark.parametrize("status", ["failed", "skipped", "missing", ""])
def test_a_missing_cell_is_exit_code_3(status: str) -> None:
    rows = honest(np.random.default_rng(10), 3)[0]
    cell = ("m0", "refined(a)", 1)
    gone = [r for r in rows if (r.model, r.arm, r.replicate) != cell]
    if status:
        gone.append(replace(row(*cell, math.nan), status=status, reason="the disk was full"))
    found = check(rows, gone)
    assert found.exit_code == 3
    change = state(found, "m0", "refined(a)")
    assert (change.state, change.n) == ("missing", 2)
    assert ("no row" if not status else "the disk was full") in change.reason
    assert check(gone, rows).exit_code == 0, "a baseline with a hole does not accuse a whole run"
    code = check(rows, gone, expected=lambda *key: key != cell).exit_code
    assert code == (3 if status in ("failed", "missing") else 0), "not asked for, but a failure is a failure"


def test_a_missing_reference_cell_leaves_nothing_to_compare_there() -> None:
    rows = honest(np.random.default_rng(11), 2)[0]
    found = check(rows, [r for r in rows if (r.model, r.arm) != ("m0", "synthetic")])
    assert found.exit_code == 3
    assert {c.state for c in found.changes if c.model == "m0"} == {"missing"}
    assert "synthetic" in state(found, "m0", "real").reason


def test_zero_cells_compared_is_exit_code_3() -> None:
    rows = honest(np.random.default_rng(12), 2)[0]
    assert check(rows, []).exit_code == 3
    assert check(rows, rows, metric="other metric").exit_code == 3
    assert check([], rows).exit_code == 3


def test_new_cells_are_shown_and_do_not_fail() -> None:
    rows = honest(np.random.default_rng(13), 2)[0]
    found = check([r for r in rows if r.arm != "hybrid(a)"], rows)
    assert found.exit_code == 0
    assert state(found, "m2", "hybrid(a)").state == "new"


@pytest.mark.parametrize(
    ("field", "value"), [("profile", "smoke"), ("world", "shelf:3"), ("suite", "other"), ("real_kind", "photographs")]
)
def test_other_conditions_are_exit_code_4(field: str, value: str) -> None:
    rows = honest(np.random.default_rng(14), 2)[0]
    found = check(rows, [replace(r, **{field: value}) for r in rows])
    assert found.exit_code == 4
    assert found.incomparable[0].startswith(field)
    assert value in found.incomparable[0]
    mixed = [replace(r, **{field: value}) if r.model == "m0" else r for r in rows]
    assert check(mixed, mixed).exit_code == 4


@pytest.mark.parametrize("field", ["n_train", "n_test", "steps"])
def test_another_budget_of_a_cell_is_exit_code_4(field: str) -> None:
    rows = honest(np.random.default_rng(15), 2)[0]
    found = check(rows, [replace(r, **{field: 7}) if r.arm == "real" else r for r in rows])
    assert found.exit_code == 4
    assert field in state(found, "m0", "real").reason


def test_another_metric_version_or_setting_is_exit_code_4() -> None:
    rows = honest(np.random.default_rng(16), 2)[0]
    sides = [Side(Path("rows.csv"), rows, {"size": 96, "title": "x"}, {"score_version": 1})]
    sides.append(replace(sides[0], environment={"score_version": 2}))
    sides.append(replace(sides[0], settings={"size": 64, "title": "x"}))
    sides.append(replace(sides[0], settings={"size": 96, "title": "another title"}))
    assert [len(differing_settings(sides[0], side)) for side in sides] == [0, 1, 1, 0]
    here, there, dim = (
        replace(sides[0], settings={"size": 96, "world": {"root": str(Path(root).absolute()), "lamps": lamps}})
        for root, lamps in (("a", 3), ("b", 3), ("a", 1))
    )
    assert differing_settings(here, there) == []
    assert "lamps" in differing_settings(here, dim)[0]
    assert "metric version is 2" in differing_settings(sides[0], sides[1])[0]
    assert compare(sides[0], sides[1], metric="score", reference="synthetic").exit_code == 4


def test_other_versions_are_noted() -> None:
    rows = honest(np.random.default_rng(17), 2)[0]
    first = Side(Path("a"), rows, {}, {"versions": {"torch": "2.9"}, "devices": ["cpu"]})
    second = Side(Path("b"), rows, {}, {"versions": {"torch": "2.15"}, "devices": ["cuda"]})
    found = compare(first, second, metric="score", reference="synthetic")
    assert found.notes == ("torch 2.9 -> 2.15", "device cpu -> cuda")
    assert found.exit_code == 0


def test_a_regression_outweighs_a_missing_cell_and_every_mark_is_defined() -> None:
    rows = honest(np.random.default_rng(18), 3)[0]
    edited = [r for r in lowered(rows, 0.2, (0, 1, 2)) if (r.model, r.arm) != ("m1", "real")]
    found = check(rows, edited)
    assert found.exit_code == 1
    data = as_json(found)
    assert {cell["mark"] for cell in data["cells"]} <= set(data["marks"])
    assert {cell["state"] for cell in data["cells"]} <= set(MARKS)
    assert len({mark for mark, _ in MARKS.values()}) == len(MARKS)
    assert all(math.isfinite(v) for cell in data["cells"] for v in cell.values() if isinstance(v, float))


def test_one_sided_p_is_students() -> None:
    differences = np.array([-0.03, 0.01, -0.05, -0.02])
    error = differences.std(ddof=1) / 2
    expected = stats.ttest_1samp(differences, 0, alternative="less").pvalue
    assert one_sided_p(float(differences.mean()), float(error), 3) == pytest.approx(expected)
    assert one_sided_p(-0.1, 0.0, 2) == 0.0
    assert one_sided_p(0.1, 0.0, 2) == 1.0
    assert math.isnan(one_sided_p(0.1, math.nan, 2))


def test_moderated_variances_shrink_as_much_as_the_variances_scatter_by_chance() -> None:
    rng = np.random.default_rng(19)
    degrees, prior, common = 4, 10.0, 0.02
    true = prior * common / rng.chisquare(prior, 4000)
    sample = true * rng.chisquare(degrees, 4000) / degrees
    found = moderated_variances(list(sample), [degrees] * 4000)
    total = np.array([d for _, d in found])
    assert total[0] == pytest.approx(prior + degrees, rel=0.15)
    errors = [float(np.mean((np.log(v) - np.log(true)) ** 2)) for v in ([v for v, _ in found], sample)]
    assert errors[0] < 0.5 * errors[1]
    same = moderated_variances([1.0, 1.01, 0.99, 1.0], [4.0] * 4)
    assert same[0] == (pytest.approx(1.0), 16.0)
    # A control's zero stays, and a cell without a variance stays unknown.
    mixed = moderated_variances([0.0, 1.0, 1.01, 0.99, math.nan], [4.0, 4.0, 4.0, 4.0, 0.0])
    assert mixed[0] == (0.0, 4.0)
    assert math.isnan(mixed[4][0])


def test_drop_and_rise_are_adjusted_over_all_cells() -> None:
    one = Gains({0: 0.10, 1: 0.12, 2: 0.08}, {0: 0.01, 1: 0.02, 2: 0.00})
    alone = drop_and_rise([one])[0]
    assert alone[0] < 0.05 < alone[1]
    still = Gains({0: 0.1, 1: 0.2}, {0: 0.1, 1: 0.2})
    both = drop_and_rise([one, still])
    assert both[0][0] == pytest.approx(2 * alone[0])
    assert both[1] == (1.0, 1.0)
    assert all(math.isnan(p) for p in drop_and_rise([Gains({0: 1.0}, {0: 0.5})])[0])
    assert drop_and_rise([Gains({0: 1.0}, {0: 0.5}, exact=True)]) == [(0.0, 1.0)]


def of_environment(rows: list[Row], **environment: object) -> Side:
    return Side(Path("x/rows.csv"), rows, {}, environment)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"versions": {"torch": "2.15"}}, {"versions": {"torch": "2.14"}}),
        ({"hardware": ["A, 2 cores"]}, {"hardware": ["B, 2 cores"]}),
        ({"devices": ["cpu"]}, {"devices": ["cuda"]}),
    ],
)
def test_other_versions_or_hardware_prove_nothing(here: dict[str, object], there: dict[str, object]) -> None:
    """One kernel agrees to the last digit, the next does not: with one replicate that accuses nobody."""
    rows = honest(np.random.default_rng(3), 1)[0]
    moved = lowered(rows, 0.2, (0,), METRICS)

    def found(first: dict[str, object], second: dict[str, object]) -> Check:
        return compare(
            of_environment(rows, **first), of_environment(moved, **second), metric="score", reference="synthetic"
        )

    assert found(here, there).exit_code == 0
    change = state(found(here, there), "m0", "refined(a)")
    assert (change.state, "other hardware or versions" in change.reason) == ("noise", True)
    assert found(here, there).notes
    for same in (here, there, {}):
        assert found(same, same).exit_code == 1
    assert found(here, {}).exit_code == 1, "a run that does not say where it ran is taken to have run here"


def test_our_own_version_and_the_number_of_cores_are_no_other_place() -> None:
    rows = honest(np.random.default_rng(3), 1)[0]
    sides = [
        of_environment(r, versions={"refiner-bench": v, "torch": "2"}, hardware=[f"A, {n} cores", *more])
        for r, v, n, more in ((rows, "0.1", 2, ["unknown"]), (lowered(rows, 0.2, (0,), METRICS), "0.2", 64, []))
    ]
    found = compare(*sides, metric="score", reference="synthetic")
    assert (found.exit_code, found.notes) == (1, ())
