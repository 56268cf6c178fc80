"""How products stand on the shelves: some in tidy files of one kind, some at random, none inside another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.samples import Domain
from bench.worlds.fridge.cabinet import DEPTH, FRONT, SHELVES, WIDTH
from bench.worlds.fridge.materials import VARIANTS, meshes, surface
from bench.worlds.fridge.products import PRODUCTS
from bench.worlds.rendering.mesh import turn_z
from bench.worlds.rendering.scene import Part

_GAP = 0.003  # metres between any two products, and to the walls
_TRIES = 40  # places tried for one product
_MISSES = 6  # products without a place before the shelves count as full


@dataclass(frozen=True, slots=True)
class Placement:
    """One product on a shelf: class index, individual, shelf number, x and y in metres, angle about z in radians."""

    product: int
    variant: int
    shelf: int
    x: float
    y: float
    angle: float

    def corners(self) -> list[tuple[float, float]]:
        """The footprint's corners (x, y), for products that are not round."""
        product = PRODUCTS[self.product]
        c, s = float(np.cos(self.angle)), float(np.sin(self.angle))
        halves = [(sx * product.width / 2, sy * product.depth / 2) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        return [(self.x + c * a - s * b, self.y + s * a + c * b) for a, b in halves]

    def parts(self, instance: int, domain: Domain, texels: int) -> list[Part]:
        """Its meshes where it stands, as object number ``instance``."""
        turn, offset = turn_z(self.angle), (self.x, self.y, SHELVES[self.shelf] + 0.0005)
        return [
            Part(mesh.moved(turn, offset), surface(self.product, role, self.variant, domain, texels), instance)
            for mesh, role in meshes(self.product, self.variant)
        ]


def gap(a: Placement, b: Placement) -> float:
    """A lower bound of the distance between two footprints on one shelf, in metres; exact when they overlap (<= 0).

    Largest separation over the axes that can separate two convex footprints (separating axis theorem).
    """
    one, two = PRODUCTS[a.product], PRODUCTS[b.product]
    axes = [(b.x - a.x, b.y - a.y)]
    for placement, product in ((a, one), (b, two)):
        if not product.round:
            c, s = float(np.cos(placement.angle)), float(np.sin(placement.angle))
            axes += [(c, s), (-s, c)]
    for disc, other in ((a, b), (b, a)):
        if PRODUCTS[disc.product].round and not PRODUCTS[other.product].round:
            x, y = min(other.corners(), key=lambda corner: (corner[0] - disc.x) ** 2 + (corner[1] - disc.y) ** 2)
            axes.append((x - disc.x, y - disc.y))
    widest = -np.inf
    for x, y in axes:
        length = float(np.hypot(x, y))
        if length > 0:
            first, second = _span(a, x / length, y / length), _span(b, x / length, y / length)
            widest = max(widest, second[0] - first[1], first[0] - second[1])
    return float(widest)


def _span(placement: Placement, x: float, y: float) -> tuple[float, float]:
    """The footprint's extent along the unit axis (x, y)."""
    product = PRODUCTS[placement.product]
    if product.round:
        middle = placement.x * x + placement.y * y
        return middle - product.radius, middle + product.radius
    along = [cx * x + cy * y for cx, cy in placement.corners()]
    return min(along), max(along)


def arrange(rng: np.random.Generator, minimum: int, maximum: int) -> list[Placement]:
    """Draw a shelf picture of up to ``maximum`` products (at least one; fewer where the shelves are full).

    The number aimed at is ``minimum + (maximum - minimum) * Beta(1.4, 1.6)``, rounded. With a probability drawn per
    picture (how tidy it is) a product is put right behind or beside one that stands already and is of its kind.
    """
    aim = minimum + round((maximum - minimum) * float(rng.beta(1.4, 1.6)))
    tidy = float(rng.beta(1.0, 2.5))
    placed: list[Placement] = []
    misses = 0
    while len(placed) < aim and misses < _MISSES:
        neighbour = placed[int(rng.integers(len(placed)))] if placed and rng.random() < tidy else None
        product = neighbour.product if neighbour else int(rng.integers(len(PRODUCTS)))
        found = _find_place(rng, product, placed, neighbour) or _find_place(rng, product, placed, None)
        if found is None:
            misses += 1
        else:
            placed.append(found)
    return placed


def _find_place(
    rng: np.random.Generator, product: int, placed: Sequence[Placement], neighbour: Placement | None
) -> Placement | None:
    for _ in range(_TRIES):
        candidate = _candidate(rng, product, neighbour)
        if _inside(candidate) and all(_apart(candidate, other) for other in placed if other.shelf == candidate.shelf):
            return candidate
    return None


def _candidate(rng: np.random.Generator, index: int, neighbour: Placement | None) -> Placement:
    product = PRODUCTS[index]
    angle = float(rng.uniform(-np.pi, np.pi) if product.round else rng.normal(0, 0.22))
    if neighbour is None:
        shelf = int(rng.integers(len(SHELVES)))
        x = float(rng.uniform(-WIDTH / 2, WIDTH / 2))
        y = float(rng.uniform(FRONT, FRONT + DEPTH))
    else:
        shelf, slack = neighbour.shelf, _GAP + float(rng.exponential(0.008))
        behind = rng.random() < 0.6
        sign = 1 if rng.random() < 0.5 else -1
        x = neighbour.x + float(rng.normal(0, 0.010)) + (0 if behind else sign * (product.width + slack))
        y = neighbour.y + float(rng.normal(0, 0.006)) + (sign * (product.depth + slack) if behind else 0)
    return Placement(index, int(rng.integers(VARIANTS)), shelf, x, y, angle)


def _inside(placement: Placement) -> bool:
    (left, right), (front, back) = _span(placement, 1.0, 0.0), _span(placement, 0.0, 1.0)
    return bool(
        left > -WIDTH / 2 + _GAP and right < WIDTH / 2 - _GAP and front > FRONT + 0.008 and back < DEPTH / 2 - _GAP
    )


def _apart(a: Placement, b: Placement) -> bool:
    """Whether two products on one shelf keep their distance; the circles around them often tell."""
    one, two = PRODUCTS[a.product], PRODUCTS[b.product]
    if float(np.hypot(a.x - b.x, a.y - b.y)) > one.radius + two.radius + _GAP:
        return True
    return not (one.round and two.round) and gap(a, b) > _GAP
