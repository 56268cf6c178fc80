"""The whole way on real data: flat renders and phone photographs of playing cards, where the shared data is there."""

import json

import pytest
from folders import shared_data

from bench.formats.convert import Converter
from bench.formats.layout import open_image_set
from bench.formats.registry import read_source
from bench.formats.source import Problems
from bench.formats.verify import verify_set
from bench.formats.write import write_samples

CARDS = shared_data() / "playing_cards"
pytestmark = pytest.mark.skipif(
    not CARDS.is_dir(), reason="no shared/data/playing_cards beside the checkout, nor in $BENCH_SHARED_DATA"
)
RANKS = ("ace", "jack", "king", "nine", "queen", "ten")


@pytest.mark.parametrize(
    ("filters", "images", "boxes"),
    [
        (["domain=sim"], 900, 1158),
        (["domain=real", "split=train"], 296, 527),
        (["domain=real", "split=test"], 67, 143),
    ],
)
def test_counts_are_those_of_its_readme(filters, images, boxes):
    problems = Problems()
    source = read_source("csv", CARDS, {"filter": filters}, problems)
    assert not problems.lines and source.class_names == RANKS
    assert (len(source.items), sum(len(item.boxes) for item in source.items)) == (images, boxes)


def test_real_test_is_imported_without_a_complaint(tmp_path):
    problems = Problems()
    source = read_source("csv", CARDS, {"filter": ["domain=real", "split=test"]}, problems)
    converter = Converter(source, problems, size=96)
    assert write_samples(converter, tmp_path / "set", domain="real", kind="photographs", provenance={}) == 67
    assert not problems.lines and not verify_set(tmp_path / "set", problems).groups and not problems.lines
    images = open_image_set(tmp_path / "set")
    assert images.size == (96, 96) and images.has == {"boxes"}
    # boxes.csv, first row: 61.6,86.3,174.6,233.7 of 240x320; scale 0.3, bars of 12 left and right.
    first = images.records[images.ids.index("test_IMG_2383")]
    assert first.boxes[0] == pytest.approx((30.48, 25.89, 64.38, 70.11), abs=1e-4)
    annotations = json.loads((tmp_path / "set" / "annotations.json").read_text())
    assert [category["name"] for category in annotations["categories"]] == list(RANKS)
