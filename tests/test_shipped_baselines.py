"""The gate on every baseline that comes with the project: its proofs hold for those rows, not only for made-up ones."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.baseline import Side, load_side
from bench.regression import Check, compare
from bench.results import Row, read_rows, write_rows

FOLDERS = sorted(path.parent for path in (Path(__file__).parent.parent / "results" / "baselines").glob("*/rows.csv"))


@pytest.fixture(params=FOLDERS, ids=[folder.name for folder in FOLDERS])
def baseline(request: pytest.FixtureRequest) -> Path:
    """Each committed baseline in turn."""
    return Path(request.param)


@pytest.fixture
def copy(baseline: Path, tmp_path: Path) -> Path:
    """A run that is a copy of it."""
    (tmp_path / "run").mkdir()
    for name in ("rows.csv", "suite.toml", "environment.json"):
        if (baseline / name).is_file():
            shutil.copyfile(baseline / name, tmp_path / "run" / name)
    return tmp_path / "run"


def check(baseline: Path, run: Path) -> Check:
    settings = tomllib.loads((baseline / "suite.toml").read_text(encoding="utf-8"))
    return compare(
        load_side(baseline), load_side(run), metric=load_side(baseline).metric(),
        reference=str(settings["reference_arm"]), controls=settings.get("controls") or (),
    )  # fmt: skip


def edit(run: Path, change: Callable[[Row], Row | None]) -> None:
    write_rows(run / "rows.csv", [new for row in read_rows(run / "rows.csv") if (new := change(row)) is not None])


def headline_arms(side: Side) -> list[Row]:
    """A row of each model and arm that gains are told of, controls left out."""
    reference, controls = side.settings["reference_arm"], side.settings.get("controls") or ()
    left_out = {reference, *(f"refined({name})" for name in controls)}
    rows = [row for row in side.rows if row.metric == side.metric() and row.usable and row.arm not in left_out]
    return list({(row.model, row.arm): row for row in rows}.values())


def worse(row: Row, share: float, scale: float) -> Row:
    return replace(row, value=row.value - (1 if row.higher_is_better else -1) * share * scale)


def test_a_copy_passes(baseline: Path, copy: Path) -> None:
    found = check(baseline, copy)
    assert (found.exit_code, found.incomparable) == (0, ())
    assert {change.state for change in found.changes} == {"same"}


def test_a_gain_lowered_by_hand_is_exit_code_1_whichever_it_is(baseline: Path, copy: Path) -> None:
    side = load_side(baseline)
    scale = max(abs(row.value) for row in side.rows if row.metric == side.metric())
    for victim in headline_arms(side):
        cell = (victim.model, victim.arm, victim.metric)
        edit(copy, lambda row, cell=cell: worse(row, 0.3, scale) if (row.model, row.arm, row.metric) == cell else row)
        found = check(baseline, copy)
        assert found.exit_code == 1, cell
        assert [(c.model, c.arm) for c in found.changes if c.state == "regressed"] == [cell[:2]]
        shutil.copyfile(baseline / "rows.csv", copy / "rows.csv")


def test_a_missing_cell_is_exit_code_3_whichever_it_is(baseline: Path, copy: Path) -> None:
    for victim in headline_arms(load_side(baseline)):
        cell = (victim.model, victim.arm, victim.replicate)
        edit(copy, lambda row, cell=cell: None if (row.model, row.arm, row.replicate) == cell else row)
        assert check(baseline, copy).exit_code == 3, cell
        shutil.copyfile(baseline / "rows.csv", copy / "rows.csv")


@pytest.mark.parametrize("field", [{"profile": "other"}, {"world": "other:9"}, {"real_kind": None}, {"suite": "other"}])
def test_another_profile_or_world_is_exit_code_4(baseline: Path, copy: Path, field: dict[str, str | None]) -> None:
    kinds = {"stand-in": "photographs", "photographs": "stand-in"}
    edit(copy, lambda row: replace(row, **{k: v or kinds[row.real_kind] for k, v in field.items()}))
    found = check(baseline, copy)
    assert found.exit_code == 4
    assert next(iter(field)) in found.incomparable[0]


def test_another_metric_version_is_exit_code_4(baseline: Path, copy: Path) -> None:
    text = (copy / "environment.json").read_text(encoding="utf-8")
    assert '"score_version": 1' in text
    (copy / "environment.json").write_text(text.replace('"score_version": 1', '"score_version": 2'), encoding="utf-8")
    found = check(baseline, copy)
    assert found.exit_code == 4
    assert "metric version is 2" in found.incomparable[0]


def test_honest_reruns_elsewhere_pass_95_times_of_100(baseline: Path, copy: Path) -> None:
    """Every value of the baseline moves as it does from replicate to replicate; the gate must not call it a regression.

    With one replicate nothing is known of that, and values move by a tenth.
    """
    side = load_side(baseline)
    random, codes = np.random.default_rng(5), []
    cells: dict[tuple[str, str, str], list[float]] = {}
    for row in side.rows:
        cells.setdefault((row.model, row.arm, row.metric), []).append(row.value)
    deviation = {key: float(np.std(v, ddof=1)) if len(v) > 1 else 0.1 * abs(v[0]) for key, v in cells.items()}
    controls = {f"refined({name})" for name in side.settings.get("controls") or ()}
    reference = side.settings["reference_arm"]
    elsewhere = {**side.environment, "versions": {**side.environment["versions"], "numpy": "0"}}
    for _ in range(100):
        rows, drawn = [], {}
        for row in side.rows:
            # A control has the reference arm's values here as there.
            arm = reference if row.arm in controls else row.arm
            key = (row.model, arm, row.metric, row.replicate)
            if key not in drawn:
                drawn[key] = float(random.normal(0, deviation.get(key[:3], 0.0)))
            rows.append(replace(row, value=row.value + drawn[key]))
        found = compare(
            side, Side(copy / "rows.csv", rows, side.settings, elsewhere), metric=side.metric(), reference=reference,
            controls=side.settings.get("controls") or (),
        )  # fmt: skip
        codes.append(found.exit_code)
    assert set(codes) <= {0, 1}
    assert codes.count(0) >= 95
