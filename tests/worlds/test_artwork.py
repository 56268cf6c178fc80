"""Prints and surfaces: the same product in every copy, and different individuals."""

import numpy as np
import pytest

from bench.worlds.fridge.products import PRODUCTS
from bench.worlds.rendering.artwork import cheap_colour, cheap_copy, draw, worn
from bench.worlds.rendering.textures import brushed, speckled, to_u8, value_noise

DESIGNS = [pytest.param(product.design, id=product.name) for product in PRODUCTS]


@pytest.mark.parametrize("design", DESIGNS)
def test_copies_show_the_same_artwork(design):
    """Worn print and cheap copy are far closer to their own artwork than to any other product's."""
    for copy in (worn(design, 32, np.random.default_rng(4)), cheap_copy(design)):
        distance = {p.name: np.abs(draw(p.design, 32).astype(int) - copy).mean() for p in PRODUCTS}
        nearest = min(distance, key=distance.get)
        assert next(p for p in PRODUCTS if p.name == nearest).design is design


@pytest.mark.parametrize("design", DESIGNS)
def test_the_cheap_copy_is_coarse_and_off(design):
    copy = cheap_copy(design)
    assert copy.shape == (32, 32, 3)
    assert 2 <= len(np.unique(copy.reshape(-1, 3), axis=0)) <= 6
    assert np.abs(copy.astype(int) - draw(design, 32)).mean() > 2


def test_prints_wear_differently_and_repeatably():
    design = PRODUCTS[0].design
    one, same, other = (worn(design, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert np.abs(one.astype(int) - other).mean() > 1


def test_artworks_are_of_the_asked_size_and_distinct():
    arts = [draw(product.design, 48) for product in PRODUCTS]
    assert {art.shape for art in arts} == {(48, 48, 3)}
    for index, art in enumerate(arts):
        assert all(np.abs(art.astype(int) - other).mean() > 20 for other in arts[:index])


def test_noise_spans_its_range_and_tiles():
    field = value_noise(64, np.random.default_rng(0), octaves=3)
    assert (field.min(), field.max()) == (0, pytest.approx(1))
    inner = np.abs(np.diff(field, axis=0)).max()
    assert np.abs(field[0] - field[-1]).max() <= inner
    assert np.abs(field[:, 0] - field[:, -1]).max() <= np.abs(np.diff(field, axis=1)).max()


@pytest.mark.parametrize("make", [brushed, speckled])
def test_surfaces_keep_their_colour(make):
    image = make(64, np.random.default_rng(0), (0.6, 0.5, 0.4))
    assert image.mean((0, 1)) / 255 == pytest.approx([0.6, 0.5, 0.4], abs=0.05)
    assert image.std() > 2


def test_rounding_and_clipping():
    assert to_u8(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]


def test_a_cheap_colour_is_near_and_more_saturated():
    red, green, blue = cheap_colour((0.6, 0.4, 0.3), 3)
    assert (red - blue) / red > (0.6 - 0.3) / 0.6
    assert np.abs(np.array([red, green, blue]) - (0.6, 0.4, 0.3)).max() < 0.15
