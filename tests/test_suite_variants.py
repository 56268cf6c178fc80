"""Variants of a suite, sensors, and configurations of one refiner side by side: from the file to the table's label."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bench.cli.options import add_suite_options, open_suite, out_directory
from bench.errors import UsageError
from bench.suite import load_suite

VARIANTS = """
[train]
steps = 11
[profiles.smoke.train]
steps = 12
[profiles.quick.refiner.toy-brighten]
gain = 0.5
[variants.few]
title = "with few images"
arms = ["synthetic", "real"]
[variants.few.train]
steps = 13
[variants.few.profiles.smoke]
size = 32
[variants.few.profiles.smoke.train]
steps = 14
[variants.other]
"""


@pytest.fixture
def suite_file(toy_suite: Path) -> Path:
    """The toy suite with two variants."""
    toy_suite.write_text(toy_suite.read_text() + VARIANTS)
    return toy_suite


def test_merge_order_is_suite_profile_variant_its_profile_settings(suite_file: Path) -> None:
    def steps(profile: str, variant: str | None, *settings: str) -> int:
        return load_suite(str(suite_file), profile, settings, variant).train["steps"]

    assert steps("quick", None) == 11
    assert steps("smoke", None) == 12
    assert steps("quick", "few") == 13
    assert steps("smoke", "few") == 14
    assert steps("smoke", "few", "train.steps=15") == 15
    assert steps("smoke", "other") == 12


def test_a_variant_keeps_what_it_does_not_change(suite_file: Path) -> None:
    plain, few = load_suite(str(suite_file), "smoke"), load_suite(str(suite_file), "smoke", variant="few")
    assert (few.arms, few.size, few.title) == (("synthetic", "real"), 32, "with few images")
    assert (few.counts, few.replicates, few.models) == (plain.counts, plain.replicates, plain.models)
    assert load_suite(str(suite_file), "quick", variant="few").size == 16
    assert (plain.variant, plain.label) == ("", "toy")
    assert (few.variant, few.label, few.name) == ("few", "toy/few", "toy")


def test_a_variant_takes_sensors_away_and_adds_to_other_tables(suite_file: Path) -> None:
    text = suite_file.read_text().replace("[hybrid]", "sensors = { depth = 0.4 }\n[hybrid]")
    suite_file.write_text(text + "sensors = {}\nworld = { depth = true }\n")
    assert load_suite(str(suite_file)).sensors == {"depth": 0.4}
    other = load_suite(str(suite_file), variant="other")
    assert other.sensors == {}
    assert other.world == {"name": "toy-world", "depth": True}


def test_a_misspelt_variant_gets_a_suggestion(suite_file: Path) -> None:
    with pytest.raises(UsageError, match=r"toy\.toml: unknown variant 'fwe' \(did you mean 'few'"):
        load_suite(str(suite_file), variant="fwe")
    with pytest.raises(UsageError, match="unknown variant 'few'"):
        load_suite("vending", variant="few")


def test_a_mistake_inside_a_variant_is_named(suite_file: Path) -> None:
    suite_file.write_text(suite_file.read_text() + "replicats = 3\n")
    load_suite(str(suite_file), variant="few")
    with pytest.raises(UsageError, match="did you mean 'replicates'"):
        load_suite(str(suite_file), variant="other")


def test_the_command_line_chooses_a_variant_and_its_folder(suite_file: Path) -> None:
    parser = argparse.ArgumentParser()
    add_suite_options(parser)
    for words, label, folder in (
        (["--variant", "few"], "toy/few", "toy-few-smoke"),
        ([], "toy", "toy-smoke"),
    ):
        args = parser.parse_args(["--suite", str(suite_file), "--profile", "smoke", *words])
        args.out = None
        suite = open_suite(args)
        assert suite.label == label
        assert out_directory(args, suite) == Path("runs") / folder


def test_a_second_configuration_has_the_first_ones_table_under_its_own(toy_suite: Path) -> None:
    suite = load_suite(
        str(toy_suite), None,
        ["refiner.toy-brighten.gain=0.5", "refiner.toy-brighten.crash=x", "refiner.half.base=toy-brighten",
         "refiner.half.gain=0.25"],
    )  # fmt: skip
    assert suite.refiner_plugin("half") == ("toy-brighten", {"gain": 0.25, "crash": "x"})
    assert suite.refiner_plugin("toy-brighten") == ("toy-brighten", {"gain": 0.5, "crash": "x"})
    assert suite.refiner_plugin("toy-same") == ("toy-same", {})


@pytest.mark.parametrize("settings", [["refiner.a.base=3"], ["refiner.a.base=b", "refiner.b.base=toy-same"]])
def test_a_base_is_the_name_of_a_plug_in(toy_suite: Path, settings: list[str]) -> None:
    with pytest.raises(UsageError, match=r"\[refiner.a\]: base must be the name of a plug-in"):
        load_suite(str(toy_suite), None, settings).refiner_plugin("a")
