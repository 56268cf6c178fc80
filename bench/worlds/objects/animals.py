"""Figures of animals, in cm, looking towards -y: mirror symmetric at most, never turned onto themselves."""

from __future__ import annotations

from bench.worlds.objects.solids import Piece, ball, rod, tube
from bench.worlds.rendering.mesh import merge

_BLACK = (0.06, 0.06, 0.07)


def ape() -> list[Piece]:
    """A sitting ape that scratches its head with one hand."""
    fur, skin = (0.47, 0.28, 0.17), (0.88, 0.68, 0.51)
    body = merge([ball((0, 0.5, 4.0), (3.3, 2.8, 4.0)), ball((0, -0.3, 9.4), (2.5, 2.3, 2.5))])
    arms = merge(
        [
            tube([(2.6, 0, 6.4), (4.6, -0.8, 5.0), (4.2, -2.4, 2.2), (3.2, -3.6, 0.9)], 1.0),
            tube([(-2.6, 0, 6.4), (-5.2, -0.6, 7.2), (-4.6, -0.8, 10.2), (-2.2, -0.8, 11.4)], 1.0),
        ]
    )
    legs = merge([tube([(s * 1.8, 0, 1.6), (s * 3.4, -2.4, 2.6), (s * 2.4, -4.6, 0.8)], 1.1) for s in (1, -1)])
    bare = merge(
        [
            ball((0, -2.1, 8.9), (1.6, 1.0, 1.5)), ball((0, -1.7, 4.2), (2.2, 1.2, 2.7)),
            ball((2.5, 0, 9.7), (0.6, 0.5, 1.0), 8), ball((-2.5, 0, 9.7), (0.6, 0.5, 1.0), 8),
            ball((2.4, -4.9, 0.7), (0.9, 0.8, 0.6), 8), ball((-2.4, -4.9, 0.7), (0.9, 0.8, 0.6), 8),
        ]
    )
    eyes = merge([ball((s * 0.75, -2.7, 9.9), 0.4, 8) for s in (1, -1)])
    return [
        Piece(merge([body, arms, legs]), fur, "matte"), Piece(bare, skin, "matte"), Piece(eyes, _BLACK, "plastic"),
    ]


def cat() -> list[Piece]:
    """A lying cat with its tail laid along one side."""
    fur, white = (0.86, 0.46, 0.16), (0.93, 0.90, 0.84)
    body = merge([ball((0, 1.2, 3.0), (3.0, 5.2, 3.0)), ball((0, -4.0, 6.4), (2.5, 2.2, 2.3))])
    ears = merge([rod((s * 1.5, -3.8, 7.8), (s * 2.0, -3.8, 10.4), 1.1, 0.05, 8) for s in (1, -1)])
    tail = tube([(0, 5.8, 2.4), (3.0, 6.6, 1.4), (5.0, 3.8, 1.0), (5.2, 0.8, 1.0)], 0.85)
    tip = tube([(5.2, 1.0, 1.0), (5.1, -0.6, 1.0), (4.6, -1.9, 1.0)], 0.95)
    paws = [tube([(s * 1.6, -2.0, 1.8), (s * 1.8, -4.4, 0.9), (s * 1.6, -6.2, 0.8)], 0.9) for s in (1, -1)]
    bib = merge([ball((0, -5.6, 5.7), (1.3, 1.0, 0.9), 10), ball((0, -2.8, 3.4), (1.9, 1.7, 2.2), 10), *paws])
    stripes = merge([ball((0, y, 3.6), (2.75, 0.5, 2.75), 12) for y in (0.2, 2.2, 4.0)])
    eyes = merge([ball((s * 0.95, -5.75, 7.0), 0.45, 8) for s in (1, -1)])
    return [
        Piece(merge([body, ears, tail]), fur, "matte"), Piece(bib, white, "matte"),
        Piece(merge([tip, stripes]), (0.40, 0.18, 0.07), "matte"), Piece(eyes, (0.10, 0.35, 0.12)),
    ]


def duck() -> list[Piece]:
    """A bath duck with a raised tail and a ribbon knotted on one side."""
    yellow = (0.98, 0.80, 0.10)
    body = merge([ball((0, 1.0, 3.2), (3.6, 4.6, 3.2)), ball((0, -1.8, 7.8), (2.6, 2.6, 2.6))])
    tail = rod((0, 4.2, 3.8), (0, 7.2, 6.2), 1.9, 0.2)
    wings = merge([ball((s * 3.2, 1.6, 3.9), (0.9, 2.6, 1.7), 10) for s in (1, -1)])
    beak = merge([ball((0, -4.6, 7.4), (1.3, 1.6, 0.5), 10), ball((0, -4.4, 6.9), (1.1, 1.3, 0.4), 10)])
    eyes = merge([ball((s * 1.3, -3.8, 8.6), 0.5, 8) for s in (1, -1)])
    ribbon = tube([(2.2, -1.5, 5.6), (0, -3.3, 5.4), (-2.2, -1.5, 5.6), (0, 0.4, 5.8), (2.2, -1.5, 5.6)], 0.5, 6)
    knot = merge([rod((2.4, -2.0, 5.6), (4.0, -2.6, z), 0.35, 0.8, 8) for z in (6.8, 4.6)])
    return [
        Piece(merge([body, tail]), yellow), Piece(wings, (0.93, 0.66, 0.06)), Piece(beak, (0.92, 0.32, 0.06)),
        Piece(eyes, _BLACK), Piece(merge([ribbon, knot]), (0.16, 0.30, 0.75), "matte"),
    ]
