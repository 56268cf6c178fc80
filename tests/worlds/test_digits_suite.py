"""The suite over the digits: the paper's pairs stand beside the paper's own figures."""

from __future__ import annotations

import pytest

from bench.reported import chosen, read_reported, reported_for
from bench.suite import load_suite

PROFILES = ("smoke", "quick", "standard", "full")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("variant", "figures"), [("mnist-usps", (78.9, 95.9, 85.1, 96.5)), ("mnist-mnist-m", (63.6, 98.2, 77.4, 96.4))]
)
def test_pairs_of_the_paper(profile: str, variant: str, figures: tuple[float, ...]) -> None:
    """Table 1: source only, PixelDA, DANN, target only."""
    suite = load_suite("digits", profile, variant=variant)
    assert suite.world["synthetic"] == "mnist" and variant == f"mnist-{suite.world['real']}"
    found = chosen(read_reported(), suite.model_dump()["reported"])
    arms = ("synthetic", "joint(pixelda)", "joint(dann)", "real")
    assert tuple(reported_for(found, suite.paper, "mnist-tower", arm)[0].value for arm in arms) == figures
    assert set(arms) <= set(suite.arms)


@pytest.mark.parametrize("profile", PROFILES)
def test_printed_digits_have_no_figures_of_the_paper(profile: str) -> None:
    suite = load_suite("digits", profile)
    assert suite.world == {"name": "digits"}
    assert not chosen(read_reported(), suite.model_dump()["reported"])
