"""Arrangements: distances by hand, no two products in one place, and what the counts look like."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from bench.worlds.fridge.cabinet import BAY, BOARD, DEPTH, FRONT, SHELVES, WIDTH, camera
from bench.worlds.fridge.layout import Placement, arrange, gap
from bench.worlds.fridge.products import PRODUCTS

INDEX = {product.name: number for number, product in enumerate(PRODUCTS)}


def at(name, x, y, angle=0.0, shelf=0):
    return Placement(INDEX[name], 0, shelf, x, y, angle)


@pytest.fixture(scope="module")
def layouts():
    return [arrange(np.random.default_rng([5, k]), 1, 20) for k in range(150)]


def test_gap_of_two_discs():
    """Diameters 0.068 and 0.065, centres 0.1 apart (a 3-4-5 triangle)."""
    assert gap(at("cola-can", 0, 0), at("energy-can", 0.06, 0.08)) == pytest.approx(0.1 - 0.034 - 0.0325)


def test_gap_of_two_boxes():
    side = at("biscuit-box", 0, 0), at("juice-box", 0.1, 0.01)
    assert gap(*side) == pytest.approx(0.1 - 0.06 - 0.033)
    assert gap(at("biscuit-box", 0, 0), at("biscuit-box", 0.01, 0.05)) == pytest.approx(0.05 - 0.046)
    # A carton turned by 45 degrees points a corner, half a diagonal long, at the box.
    turned = at("milk-carton", 0.12, 0, np.pi / 4)
    assert gap(at("biscuit-box", 0, 0), turned) == pytest.approx(0.12 - 0.06 - 0.034 * np.sqrt(2))


def test_gap_of_a_disc_and_a_corner():
    """The disc's centre lies off the corner by (0.03, 0.04): 0.05 from it."""
    disc = at("cola-can", 0.06 + 0.03, 0.023 + 0.04)
    assert gap(at("biscuit-box", 0, 0), disc) == pytest.approx(0.05 - 0.034)


def test_overlaps_have_no_gap():
    assert gap(at("cola-can", 0, 0), at("cola-can", 0.05, 0)) < 0
    assert gap(at("biscuit-box", 0, 0, 0.3), at("cola-can", 0.02, 0.01)) < 0
    assert gap(at("biscuit-box", 0, 0, 0.3), at("biscuit-box", 0.02, 0.02, -0.4)) < 0


def outline(placement, points=200):
    """Points around the footprint."""
    product, t = PRODUCTS[placement.product], np.linspace(0, 1, points, endpoint=False)
    if product.round:
        ring = product.radius * np.exp(2j * np.pi * t)
        return np.stack([placement.x + ring.real, placement.y + ring.imag], 1)
    corners = np.array(placement.corners())
    side, share = (t * 4).astype(int), (t * 4 % 1)[:, None]
    return corners[side] * (1 - share) + corners[(side + 1) % 4] * share


def contains(placement, points):
    product = PRODUCTS[placement.product]
    x, y = points[:, 0] - placement.x, points[:, 1] - placement.y
    if product.round:
        return np.hypot(x, y) < product.radius
    c, s = np.cos(placement.angle), np.sin(placement.angle)
    return (np.abs(c * x + s * y) < product.width / 2) & (np.abs(c * y - s * x) < product.depth / 2)


def test_products_never_interpenetrate(layouts):
    """Checked by points on the outlines, not by the separating axes that placed them."""
    pairs = 0
    for placed in layouts:
        for a, b in combinations(placed, 2):
            if a.shelf == b.shelf:
                pairs += 1
                assert not contains(a, outline(b)).any()
                assert not contains(b, outline(a)).any()
    assert pairs > 1000


def test_products_stand_inside_the_cabinet(layouts):
    for placed in layouts:
        for placement in placed:
            points = outline(placement)
            assert np.abs(points[:, 0]).max() < WIDTH / 2
            assert points[:, 1].min() > FRONT
            assert points[:, 1].max() < DEPTH / 2
            assert 0 <= placement.shelf < len(SHELVES)
    assert max(product.height for product in PRODUCTS) < BAY - BOARD


def test_counts_and_kinds(layouts):
    counts = np.array([len(placed) for placed in layouts])
    assert counts.min() >= 1
    assert counts.max() <= 20
    assert 7 < counts.mean() < 11
    assert len(np.unique(counts)) > 12
    kinds = Counter(placement.product for placed in layouts for placement in placed)
    assert sorted(kinds) == list(range(len(PRODUCTS)))
    assert min(kinds.values()) > 0.05 * sum(kinds.values())
    assert {placement.shelf for placed in layouts for placement in placed} == set(range(len(SHELVES)))


def test_bounds_are_kept():
    for k in range(20):
        assert 3 <= len(arrange(np.random.default_rng(k), 3, 5)) <= 5


def test_the_smallest_product_is_wide_enough_to_be_seen():
    """At 96 pixels and at the back of the cabinet, where it looks smallest."""
    narrowest = min(product.width for product in PRODUCTS)
    back = DEPTH / 2 - narrowest / 2
    ends = np.array([[-narrowest / 2, back, 0.05], [narrowest / 2, back, 0.05]])
    (left, _), (right, _) = camera(96).project(ends)
    assert right - left > 11
