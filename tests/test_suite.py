from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.plan import build_plan
from bench.suite import built_in_suites, load_suite


@pytest.mark.parametrize("name", sorted(built_in_suites()))
def test_every_profile_of_every_built_in_suite_can_be_planned(name: str) -> None:
    import tomllib

    for profile in tomllib.loads(built_in_suites()[name].read_text())["profiles"]:
        suite = load_suite(name, profile)
        assert suite.profile == profile
        assert suite.reference_arm in suite.arms
        assert build_plan(suite).cells


def test_profile_and_settings_are_merged_in_that_order(toy_suite: Path) -> None:
    assert load_suite(str(toy_suite)).replicates == 2
    assert load_suite(str(toy_suite), "smoke").replicates == 1
    suite = load_suite(str(toy_suite), "smoke", ["replicates=5", "refiner.toy-brighten.gain=0.5", "train.steps=7"])
    assert suite.replicates == 5
    assert suite.refiner == {"toy-brighten": {"gain": 0.5}}
    assert suite.train == {"steps": 7}


def test_world_can_be_replaced_by_name(toy_suite: Path) -> None:
    assert load_suite(str(toy_suite), None, ["world=other", "world.root=here"]).world == {
        "name": "other",
        "root": "here",
    }


def test_folders_are_relative_to_the_suite_file(toy_suite: Path) -> None:
    (toy_suite.parent / "renders").mkdir()
    suite = load_suite(str(toy_suite), None, ["world.folder=renders"])
    assert suite.world["folder"] == str((toy_suite.parent / "renders").resolve())


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (["replicats=3"], "did you mean 'replicates'"),
        (["refinr.x.steps=3"], "did you mean 'refiner'"),
        (["replicates=0"], "replicates"),
        (["replicates=many"], "replicates"),
        (["size"], "KEY=VALUE"),
        (["counts.real_tst=3"], "counts.real_tst"),
        (["size.x=3"], "'size' is a value"),
        (["reference_arm=reel"], "did you mean 'real'"),
        (["sweep.models=['toy-levl']"], "did you mean 'toy-level'"),
        (["schema=2"], "schema 2"),
        (["checkpoint_rule=best"], "checkpoint_rule"),
        (["arms=['synthetic','refned(x)']"], "did you mean 'refined'"),
    ],
)
def test_mistakes_get_one_line(toy_suite: Path, settings: list[str], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_suite(str(toy_suite), None, settings)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_suite_profile_and_broken_file(tmp_path: Path, toy_suite: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'vending'"):
        load_suite("vendign")
    with pytest.raises(UsageError, match="no such suite file"):
        load_suite(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        load_suite(str(toy_suite), "quik")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_suite(str(broken))
