"""Things from around the house, in cm, front towards -y."""

from __future__ import annotations

from bench.worlds.objects.solids import Piece, ball, block, prism, rod, tube
from bench.worlds.rendering.mesh import lathe, merge, turn_x

_BLACK = (0.07, 0.07, 0.08)


def cam() -> list[Piece]:
    """A camera: lens off the middle, finder and flash to one side, a brown grip on the other."""
    body = merge([block((0, 0, 3.6), (11.6, 3.8, 7.2)), block((1.2, 0.2, 7.9), (3.8, 3.2, 1.6))])
    lens = merge([rod((1.2, -1.8, 3.6), (1.2, -5.2, 3.6), 2.8, 2.6, 16), rod((1.2, -5.2, 3.6), (1.2, -5.4, 3.6), 2.2)])
    grip = merge([block((-4.6, -2.0, 3.4), (2.2, 1.6, 6.4)), block((-4.6, 1.8, 3.2), (2.0, 0.8, 4.0))])
    ring = rod((1.2, -3.2, 3.6), (1.2, -3.8, 3.6), 2.95, sides=16)
    screen = block((1.4, 1.95, 3.5), (6.4, 0.3, 4.4))
    return [
        Piece(body, (0.36, 0.37, 0.40), "rubber"), Piece(lens, _BLACK), Piece(grip, (0.47, 0.25, 0.12), "matte"),
        Piece(ring, (0.80, 0.66, 0.22), "metal"), Piece(screen, (0.28, 0.52, 0.70)),
        Piece(rod((-4.4, -0.6, 7.2), (-4.4, -0.6, 8.2), 0.9), (0.85, 0.12, 0.10)),
        Piece(block((4.6, -1.9, 6.0), (1.8, 0.4, 1.2)), (0.95, 0.95, 0.90)),
    ]


def can() -> list[Piece]:
    """A watering can with a long spout on one side and a handle on the other."""
    wall = lathe([[(0.0, 0.0), (3.6, 0.0)], [(3.6, 0.0), (3.2, 7.6)], [(3.2, 7.6), (0.0, 7.6)]], 18)
    spout = tube([(2.8, 0, 1.8), (4.8, 0, 3.6), (6.2, 0, 6.6), (7.4, 0, 8.6)], 0.75)
    rose = rod((7.2, 0, 8.3), (8.0, 0, 9.5), 0.8, 1.5)
    handle = tube([(-2.8, 0, 7.0), (-5.0, 0, 8.0), (-6.2, 0, 5.6), (-5.2, 0, 2.6), (-3.2, 0, 1.6)], 0.6)
    water = rod((-0.5, 0, 7.5), (-0.5, 0, 7.75), 2.2)
    patch = block((0.2, -3.35, 3.6), (2.8, 0.5, 2.8))
    return [
        Piece(merge([wall, spout]), (0.20, 0.62, 0.38)), Piece(rose, (0.93, 0.78, 0.20)),
        Piece(handle, (0.72, 0.16, 0.14)), Piece(water, (0.08, 0.13, 0.12)), Piece(patch, (0.92, 0.90, 0.84), "matte"),
    ]


def lamp() -> list[Piece]:
    """A desk lamp: heavy foot with a switch, bent arm, tilted shade that reaches out to the front."""
    outline = [(-3.0, -0.2), (3.0, -0.2), (3.6, 2.6), (2.4, 5.4), (-2.4, 5.4), (-3.6, 2.6)]
    arm = tube([(0, 3.6, 1.2), (0.3, 5.2, 4.6), (0, 4.0, 8.6), (0, 0.6, 10.8), (0, -1.4, 11.0)], 0.55)
    shade = merge(
        [
            lathe([[(0.0, -0.2), (3.1, -0.2)], [(3.1, -0.2), (1.2, 3.4)], [(1.2, 3.4), (0.0, 3.4)]], 16),
            ball((0, 0, 3.4), 1.2, 8),
        ]
    )
    turn = turn_x(-0.65)
    bulb = ball((0, 0, -0.3), (2.3, 2.3, 0.9), 10)
    at = (0.0, -3.6, 8.4)
    return [
        Piece(prism(outline, 0, 1.5, 0.85), (0.22, 0.20, 0.24), "rubber"), Piece(arm, (0.74, 0.74, 0.76), "metal"),
        Piece(shade.moved(turn, at), (0.16, 0.56, 0.62)), Piece(bulb.moved(turn, at), (0.98, 0.94, 0.72), "matte"),
        Piece(block((1.8, 1.2, 1.6), (1.0, 1.4, 0.7)), (0.88, 0.20, 0.12)),
    ]


def phone() -> list[Piece]:
    """A desk telephone: wedge with keys and a display, handset along one side, its cord at the front."""
    tilt = turn_x(0.24)
    base = block((0, 0, 0), (10.4, 10.6, 2.6)).moved(tilt, (0, 0, 2.9))
    keys = [
        block((1.0 + 1.5 * i, -3.4 + 1.5 * j, 1.45), (1.0, 1.0, 0.4)).moved(tilt, (0, 0, 2.9))
        for i in range(3) for j in range(3)
    ]
    display = block((2.5, 3.0, 1.45), (4.6, 2.4, 0.3)).moved(tilt, (0, 0, 2.9))
    handset = merge(
        [
            tube([(-3.2, -4.4, 2.2), (-3.2, -2.2, 3.6), (-3.2, 2.2, 3.6), (-3.2, 4.4, 2.2)], 1.1),
            rod((-3.2, -4.4, 1.2), (-3.2, -4.4, 3.0), 1.7), rod((-3.2, 4.4, 1.2), (-3.2, 4.4, 3.0), 1.7),
        ]
    ).moved(tilt, (0, 0, 2.9))
    cord = tube([(-3.2, -5.6, 2.4), (-3.6, -7.2, 1.2), (-1.0, -7.4, 0.8), (1.2, -5.6, 1.0)], 0.45)
    return [
        Piece(base, (0.80, 0.77, 0.70)), Piece(merge(keys), (0.18, 0.18, 0.20), "rubber"),
        Piece(display, (0.30, 0.62, 0.40)), Piece(merge([handset, cord]), (0.68, 0.10, 0.12)),
    ]
