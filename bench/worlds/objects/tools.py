"""Tools, in cm, working end towards -y."""

from __future__ import annotations

import numpy as np

from bench.worlds.objects.solids import Piece, ball, block, prism, rod, tube
from bench.worlds.rendering.mesh import merge, turn_x


def benchvise() -> list[Piece]:
    """A vice, half open, with its screw, its handle hanging askew and an anvil at the back."""
    blue, steel = (0.14, 0.30, 0.66), (0.72, 0.73, 0.75)
    base = [block((0, 1.0, 0.7), (6.4, 7.6, 1.4)), block((0, 1.2, 2.8), (3.6, 4.2, 3.0))]
    fixed = [block((0, 1.4, 5.6), (6.6, 2.4, 3.4)), block((0, 4.4, 5.2), (2.6, 4.0, 1.8))]
    slide = [block((0, -2.0, 4.2), (2.2, 6.0, 1.6)), block((0, -3.4, 5.9), (6.6, 1.8, 3.0))]
    screw = rod((0, -4.0, 4.2), (0, -7.2, 4.2), 0.8)
    handle = [rod((-2.4, -6.8, 1.6), (2.6, -6.8, 7.2), 0.4), ball((-2.4, -6.8, 1.6), 0.8, 8)]
    handle.append(ball((2.6, -6.8, 7.2), 0.8, 8))
    plates = [block((0, 0.05, 6.6), (6.2, 0.4, 1.4)), block((0, -2.4, 6.6), (6.2, 0.4, 1.4)), screw]
    plates.append(block((0, 5.0, 6.3), (2.6, 2.8, 0.6)))
    return [
        Piece(merge([*base, *fixed, *slide]), blue), Piece(merge(plates), steel, "metal"),
        Piece(merge(handle), (0.80, 0.14, 0.12)),
    ]


def driller() -> list[Piece]:
    """A cordless drill: barrel, chuck and bit, slanted grip, battery at its foot."""
    green, dark = (0.45, 0.66, 0.14), (0.13, 0.13, 0.15)
    barrel = merge([rod((0, -2.4, 11.0), (0, 4.8, 11.0), 2.1), ball((0, 4.8, 11.0), (2.1, 1.2, 2.1))])
    grip = block((0, 0, 0), (2.6, 2.8, 7.2)).moved(turn_x(0.18), (0, 2.6, 6.2))
    chuck = rod((0, -2.4, 11.0), (0, -5.2, 11.0), 1.7, 0.9)
    battery = block((0, 2.6, 1.4), (4.4, 6.6, 2.8))
    trigger = block((0, 0.7, 8.0), (1.0, 1.2, 1.8))
    return [
        Piece(merge([barrel, grip]), green), Piece(merge([chuck, battery]), dark, "rubber"),
        Piece(rod((0, -5.0, 11.0), (0, -8.0, 11.0), 0.45, 0.3, 8), (0.75, 0.75, 0.76), "metal"),
        Piece(merge([trigger, block((2.15, 1.5, 11.2), (0.3, 3.6, 1.4))]), (0.85, 0.18, 0.10)),
        Piece(rod((-1.9, 3.2, 11.6), (-2.6, 3.2, 11.6), 0.8), (0.95, 0.80, 0.15)),
    ]


def holepuncher() -> list[Piece]:
    """A paper punch: base tray, slanted lever, two pins, and a paper guide pulled out to one side."""
    lever_turn = turn_x(0.42)
    outline = [(-3.6, -4.2), (3.6, -4.2), (4.4, 3.6), (-4.4, 3.6)]
    lever = prism([(-3.3, -4.6), (3.3, -4.6), (3.9, 3.4), (-3.9, 3.4)], 0, 1.5, 0.9)
    cheeks = [block((s * 3.0, 2.2, 2.6), (0.7, 2.6, 3.4)) for s in (1, -1)]
    pins = [rod((s * 2.0, -0.8, 1.0), (s * 2.0, -0.8, 4.6), 0.7) for s in (1, -1)]
    guide = merge([block((6.0, 2.6, 0.9), (6.4, 1.1, 0.3)), block((9.0, 2.6, 1.2), (0.4, 1.8, 1.0))])
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    badge = prism(np.stack([0.9 * np.cos(angle) - 1.6, 0.9 * np.sin(angle) - 2.2], 1), 1.45, 1.7)
    return [
        Piece(merge([prism(outline, 0, 1.3, 0.95), *cheeks]), (0.20, 0.21, 0.24), "rubber"),
        Piece(lever.moved(lever_turn, (0, 0.3, 4.6)), (0.76, 0.12, 0.30)),
        Piece(merge(pins), (0.76, 0.76, 0.78), "metal"), Piece(guide, (0.92, 0.88, 0.74)),
        Piece(badge.moved(lever_turn, (0, 0.3, 4.6)), (0.95, 0.93, 0.90)),
    ]


def iron() -> list[Piece]:
    """A flat iron: pointed sole, tapered body, bowed handle, dial on one side and a stub of cord."""
    tip = [(-3.7, 5.6), (-3.9, 1.6), (-2.8, -3.0), (0.0, -7.2), (2.8, -3.0), (3.9, 1.6), (3.7, 5.6)]
    outline = np.asarray(tip)
    handle = tube([(0, -3.2, 4.6), (0, -2.4, 7.2), (0, 0.6, 8.2), (0, 3.8, 7.4), (0, 4.2, 4.6)], 0.95)
    cord = tube([(0.6, 4.2, 6.0), (2.2, 6.2, 6.6), (3.6, 7.0, 5.0), (4.4, 6.6, 3.2)], 0.45)
    return [
        Piece(prism(outline, 0, 0.8), (0.78, 0.79, 0.80), "metal"),
        Piece(prism(outline * 0.95, 0.8, 4.8, 0.55), (0.90, 0.91, 0.93)),
        Piece(handle, (0.10, 0.16, 0.46)), Piece(cord, (0.10, 0.10, 0.10), "rubber"),
        Piece(rod((-1.6, 1.4, 4.0), (-3.4, 1.4, 4.3), 1.1), (0.92, 0.40, 0.10)),
        Piece(ball((0, -3.0, 4.6), (0.9, 0.9, 0.6), 8), (0.20, 0.60, 0.75)),
    ]
