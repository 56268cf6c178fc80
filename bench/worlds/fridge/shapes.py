"""Shapes of packaged products in metres: closed meshes standing on z = 0, front towards -y, each part with its role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from bench.worlds.rendering.mesh import Mesh, box, cushion, lathe, merge, quad, turn_x

Role = Literal["print", "film", "lid", "body", "cap"]
Shape = Callable[[np.random.Generator], list[tuple[Mesh, Role]]]
"""Makes one individual's parts from its generator; only bags differ between individuals."""


def can(radius: float, height: float) -> Shape:
    """A drinks can with tapered ends."""
    def shape(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
        shoulder, rim = height - 0.013, radius - 0.005
        wall = lathe([[(radius, 0.008), (radius, shoulder)]])
        ends = lathe(
            [
                [(radius, shoulder), (radius - 0.003, height - 0.005), (rim, height)],
                [(rim, height), (rim - 0.002, height)],
                [(rim - 0.002, height), (rim - 0.003, height - 0.004)],
                [(rim - 0.003, height - 0.004), (0.0, height - 0.004)],
                [(0.0, 0.0), (radius - 0.007, 0.0)],
                [(radius - 0.007, 0.0), (radius, 0.008)],
            ]
        )
        return [(wall, "print"), (ends, "lid")]

    return shape


def soda_bottle(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A waisted bottle of coloured drink with a sleeve and a screw cap."""
    r = 0.034
    body = lathe(
        [
            [(0.0, 0.0), (r - 0.005, 0.0)],
            [(r - 0.005, 0.0), (r, 0.006), (r, 0.030), (r - 0.003, 0.040), (r, 0.050)],
            [(r, 0.108), (r - 0.002, 0.118), (r - 0.012, 0.136), (0.013, 0.148), (0.0125, 0.156)],
        ]
    )
    label = lathe([[(r + 0.0006, 0.050), (r + 0.0006, 0.108)]])
    cap = lathe([[(0.0, 0.153), (0.0145, 0.153)], [(0.0145, 0.153), (0.0145, 0.172)], [(0.0145, 0.172), (0.0, 0.172)]])
    return [(body, "body"), (label, "print"), (cap, "cap")]


def beer_bottle(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A long-necked bottle with a crown cap."""
    r = 0.0325
    body = lathe(
        [
            [(0.0, 0.0), (r - 0.004, 0.0)],
            [(r - 0.004, 0.0), (r, 0.005), (r, 0.040)],
            [(r, 0.085), (r, 0.092), (r - 0.004, 0.104), (0.015, 0.120), (0.0125, 0.135), (0.0120, 0.172)],
        ]
    )
    label = lathe([[(r + 0.0006, 0.034), (r + 0.0006, 0.088)]])
    cap = lathe([[(0.0, 0.169), (0.0145, 0.169)], [(0.0145, 0.169), (0.0135, 0.177)], [(0.0135, 0.177), (0.0, 0.178)]])
    return [(body, "body"), (label, "print"), (cap, "cap")]


def milk_carton(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A gable-top carton."""
    side, wall, ridge, fin = 0.068, 0.120, 0.152, 0.168
    h = side / 2
    slope = [
        quad((-h, -h, wall), (side, 0, 0), (0, h, ridge - wall)),
        quad((h, h, wall), (-side, 0, 0), (0, -h, ridge - wall)),
    ]
    gables = [_triangle((s * h, -s * h, wall), (s * h, s * h, wall), (s * h * 0.9, 0.0, ridge)) for s in (1, -1)]
    flap = box(side * 0.94, 0.003, fin - ridge).moved(offset=(0, 0, ridge - 0.001))
    return [(box(side, side, wall), "print"), (merge([*slope, *gables, flap]), "cap")]


def _triangle(a: tuple[float, float, float], b: tuple[float, float, float], c: tuple[float, float, float]) -> Mesh:
    corners = np.array([a, b, c])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    uv = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    return Mesh(corners, np.array([[0, 1, 2]]), np.tile(normal / np.linalg.norm(normal), (3, 1)), uv)


def juice_box(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A small carton with a straw."""
    straw = lathe([[(0.003, 0.0), (0.003, 0.030)], [(0.003, 0.030), (0.0, 0.030)]], sides=8)
    return [(box(0.066, 0.046, 0.105), "print"), (straw.moved(turn_x(0.35), (0.016, 0.004, 0.103)), "cap")]


def jam_jar(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A squat glass with a metal lid."""
    r = 0.038
    body = lathe(
        [
            [(0.0, 0.0), (r - 0.005, 0.0)],
            [(r - 0.005, 0.0), (r, 0.006), (r, 0.062), (r - 0.003, 0.070), (r - 0.007, 0.074)],
        ]
    )
    label = lathe([[(r + 0.0006, 0.014), (r + 0.0006, 0.054)]])
    rim = r - 0.003
    lid = lathe([[(0.0, 0.073), (rim, 0.073)], [(rim, 0.073), (rim, 0.090)], [(rim, 0.090), (0.0, 0.091)]])
    return [(body, "body"), (label, "print"), (lid, "lid")]


def chips_bag(rng: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A crinkled bag that leans back a little."""
    bag = cushion(rng.uniform(0.112, 0.122), rng.uniform(0.150, 0.162), rng.uniform(0.046, 0.056), rng)
    lean = rng.uniform(-0.10, 0.0)
    return [(bag.moved(turn_x(lean), (0, 0.08 * lean, 0)), "film")]


def yogurt_cup(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A tapered cup with a foil lid."""
    cup = lathe([[(0.0, 0.0), (0.027, 0.0)], [(0.027, 0.0), (0.0335, 0.070)]])
    rim = 0.0365
    lid = lathe([[(0.0335, 0.070), (rim, 0.070)], [(rim, 0.070), (rim, 0.073)], [(rim, 0.073), (0.0, 0.0745)]])
    return [(cup, "print"), (lid, "lid")]


def biscuit_box(_: np.random.Generator) -> list[tuple[Mesh, Role]]:
    """A wide, low cardboard box."""
    return [(box(0.120, 0.046, 0.078), "print")]
