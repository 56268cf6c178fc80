"""Reported figures: the committed file parses row by row, and is matched to our models and arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import DataError
from bench.reported import (
    COLUMNS,
    Reported,
    chosen,
    default_path,
    hybrid_curves,
    read_reported,
    reported_for,
    same_name,
)


@pytest.fixture(scope="module")
def figures() -> list[Reported]:
    return read_reported()


def test_every_row_parses_and_has_a_source(figures: list[Reported]) -> None:
    assert len(figures) == 167
    papers = {"PixelDA", "SimGAN", "GeneSIS-RT", "T2Net", "Wang2019-VTR", "PVANET"}
    assert {figure.paper for figure in figures} == papers
    assert all(figure.source for figure in figures)
    # What could not be found is not called verified.
    assert not any(figure.verified for figure in figures if figure.value is None)


def test_no_figure_from_memory_is_called_verified(figures: list[Reported]) -> None:
    from_memory = [figure for figure in figures if "memory" in figure.source]
    assert len(from_memory) == 60
    assert not any(figure.verified for figure in from_memory)
    assert all(figure.text.endswith("(unverified)") for figure in from_memory)


def test_hybrid_figures_of_a_model(figures: list[Reported]) -> None:
    (found,) = reported_for(figures, "Wang2019-VTR", "pvanet", "hybrid(vtr)@200")
    assert (found.value, found.text, found.verified, found.real_images) == (94.44, "94.44", True, 500)
    (plain,) = reported_for(figures, "Wang2019-VTR", "pvanet", "hybrid(synthetic)@200")
    assert plain.value == 93.09
    assert reported_for(figures, "Wang2019-VTR", "ssd", "hybrid(vtr)@200") == []
    assert reported_for(figures, "Wang2019-VTR", "pvanet", "hybrid(cyclegan)@200") == []
    assert reported_for(figures, "T2Net", "pvanet", "hybrid(vtr)@200") == []


@pytest.mark.parametrize("arm", ["synthetic", "real", "refined(vtr)", "hybrid(vtr)"])
def test_what_was_not_found_says_so(figures: list[Reported], arm: str) -> None:
    (found,) = reported_for(figures, "Wang2019-VTR", "yolov3", arm)
    assert found.value is None
    assert found.text == "not found"


def test_unverified_is_marked(figures: list[Reported]) -> None:
    found = reported_for(figures, "T2Net", "t2net u-net", "synthetic")
    texts = {figure.metric: figure.text for figure in found if figure.table == "NYUv2 table"}
    assert texts["abs_rel"] == "0.304 (unverified)"


def test_joint_arms(figures: list[Reported]) -> None:
    found = reported_for(figures, "PixelDA", "pose CNN", "joint(pixelda)")
    assert [figure.value for figure in found if figure.metric == "mean_angle_error_deg"] == [55.74, 36.79]


def test_hybrid_curves(figures: list[Reported]) -> None:
    curves = hybrid_curves(figures, "Wang2019-VTR")
    assert len(curves) == 2
    assert [figure.arm.added for figure in curves[0] if figure.arm] == [50, 100, 200, 500, 700]
    assert [figure.value for figure in curves[1]] == [93.12, 93.49, 94.44, 94.54, 94.55]
    assert hybrid_curves(figures, "nobody") == []


def test_same_name() -> None:
    assert same_name("yolov3", "YOLOv3")
    assert same_name("color-transfer", "Color Transfer")
    assert not same_name("ssd", "ssd300")


def test_default_file_is_the_checkouts() -> None:
    path = default_path()
    assert path is not None
    assert path.name == "reported.csv"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("P,T,S,K,M,real,none,mAP,high,yes,yes,src", "line 2: value is 'high'"),
        ("P,T,S,K,M,real,none,mAP,1,maybe,yes,src", "line 2: higher_is_better is 'maybe'; write yes or no"),
        ("P,T,S,K,M,real,none,mAP,1,yes,yes,", "line 2: source is empty"),
        ("P,T,S,K,M", "line 2: 5 values, but 12 columns"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "reported.csv"
    path.write_text(",".join(COLUMNS) + "\n" + line + "\n")
    with pytest.raises(DataError, match=message):
        read_reported(path)
    path.write_text("a,b\n")
    with pytest.raises(DataError, match="line 1: the columns must be"):
        read_reported(path)


def test_a_suite_chooses_figures_and_names_them_as_it_does(figures: list[Reported]) -> None:
    choice = {
        "tables": ["Table 2"], "models": {"tower": "DSN cropped_linemod CNN"},
        "refiners": {"dann": "feature-level DANN"},
    }  # fmt: skip
    shown = chosen(figures, choice)
    assert {figure.table.split(" (")[0] for figure in shown if figure.paper == "PixelDA"} == {"Table 2"}
    assert [f.value for f in reported_for(shown, "PixelDA", "tower", "synthetic")] == [47.33, 89.2]
    assert [f.value for f in reported_for(shown, "PixelDA", "tower", "joint(dann)")] == [99.9, 56.58]
    assert reported_for(figures, "PixelDA", "tower", "synthetic") == []
    assert chosen(figures, {}) == figures


def test_few_labelled_real_images_are_the_real_and_hybrid_arms(figures: list[Reported]) -> None:
    shown = chosen(figures, {"tables": ["Table 6"], "models": {"net": "pose CNN"}})
    values = {
        arm: [f.value for f in reported_for(shown, "PixelDA", "net", arm)]
        for arm in ("real", "hybrid(synthetic)", "hybrid(pixelda)")
    }
    assert values == {
        "real": [99.51, 25.26], "hybrid(synthetic)": [99.89, 23.5], "hybrid(pixelda)": [99.93, 13.31],
    }  # fmt: skip
