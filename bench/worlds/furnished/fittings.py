"""Shapes of all that is no furniture: lamps, plants, things on tables, rugs, and what is on the walls."""

from __future__ import annotations

import numpy as np

from bench.worlds.furnished.furniture import Shape, slab
from bench.worlds.furnished.items import Item
from bench.worlds.objects.solids import ball, rod
from bench.worlds.rendering.mesh import Mesh, lathe, merge, quad, sheet, turn_x, turn_z


def shade(item: Item) -> tuple[float, float, float]:
    """Width, lower and upper end (metres, as the item stands) of the square shade of a lamp."""
    if item.kind == "floor_lamp":
        return item.width, item.height - 0.3, item.height
    if item.kind == "table_lamp":
        return item.width, 0.5 * item.height, item.height
    return item.width, 0.0, min(0.26, item.height)


def lamp(item: Item, rng: np.random.Generator) -> Shape:
    """A square shade on a foot, or under the ceiling."""
    width, low, high = shade(item)
    out: Shape = [(slab(width, width, high - low, z=low), "shade")]
    if item.kind == "ceiling_lamp":
        if item.height > high:
            out.append((rod((0, 0, high), (0, 0, item.height), 0.012, sides=6), "metal"))
        return out
    foot = 0.4 * item.width
    thick = 0.014 if item.kind == "floor_lamp" else 0.03
    return [*out, (merge([rod((0, 0, 0), (0, 0, 0.03), foot), rod((0, 0, 0.03), (0, 0, low), thick)]), "metal")]


def plant(item: Item, rng: np.random.Generator) -> Shape:
    """A pot with leaves: long ones that stand up, or a stem with a round crown."""
    pot, r = 0.3 * item.height if item.height < 1 else 0.32, 0.36 * item.width
    profiles = [[(0.0, 0.0), (0.75 * r, 0.0)], [(0.75 * r, 0.0), (r, pot)], [(r, pot), (0.0, pot - 0.02)]]
    out: Shape = [(lathe(profiles, 12), "ceramic")]
    high, leaves = item.height - pot, []
    if rng.random() < 0.55:
        for k in range(11):
            length, lean = high * float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.05, 0.5))
            blade = ball((0, 0, length / 2), (0.045, 0.012, length / 2), sides=8)
            # Leaning by this much, the tip stays over the footprint.
            lean = min(lean, float(np.arcsin(min(1.0, 0.48 * item.width / length))))
            leaves.append(blade.moved(turn_z(2.4 * k) @ turn_x(lean), (0, 0, pot - 0.03)))
    else:
        out.append((rod((0, 0, pot - 0.03), (0, 0, item.height - 0.3 * high), 0.02, sides=6), "wood"))
        for k in range(9):
            size = float(rng.uniform(0.1, 0.16))
            reach = max(0.0, item.width / 2 - size)
            x, y = reach * np.cos(2.4 * k), reach * np.sin(2.4 * k)
            z = pot + high * float(rng.uniform(0.45, 0.85))
            leaves.append(ball((float(x), float(y), z), (size, size, 0.8 * size), sides=8))
    return [*out, (merge(leaves), "leaf")]


def vase(item: Item, rng: np.random.Generator) -> Shape:
    """A vase or bowl."""
    r, h = item.width / 2, item.height
    waist = float(rng.uniform(0.45, 0.9)) * r
    wall = [(0.6 * r, 0.0), (r, 0.35 * h), (waist, 0.8 * h), (0.7 * r, h)]
    return [(lathe([[(0.0, 0.0), (0.6 * r, 0.0)], wall, [(0.7 * r, h), (0.0, 0.9 * h)]], 14), "ceramic")]


def screen(item: Item, rng: np.random.Generator) -> Shape:
    """A flat screen on a foot."""
    w, h = item.width, item.height
    return [
        (slab(w, 0.03, h - 0.05, z=0.05), "screen"),
        (merge([slab(0.3 * w, item.depth, 0.012), slab(0.06, 0.02, 0.08, y=0.02)]), "metal"),
    ]


def carton(item: Item, rng: np.random.Generator) -> Shape:
    """A box of cardboard."""
    return [(slab(item.width, item.depth, item.height), "carton")]


def rug(item: Item, rng: np.random.Generator) -> Shape:
    """A rug."""
    return [(slab(item.width, item.depth, item.height), "rug")]


def window(item: Item, rng: np.random.Generator) -> Shape:
    """A pane in a frame with one or two posts, before the wall, and a sill."""
    w, h, bar = item.width, item.height, 0.06
    posts = [slab(bar, 0.04, h, s * (w - bar) / 2) for s in (-1, 1)]
    rails = [slab(w, 0.04, bar, z=z) for z in (0.0, h - bar)]
    inner = [slab(0.8 * bar, 0.036, h, x) for x in ((0.0,) if w < 1.5 else (-w / 6, w / 6))]
    sill = [slab(w + 0.1, 0.12, 0.03, y=-0.04, z=-0.03)] if item.z > 0.3 else []
    return [(pane(item), "pane"), (merge([*posts, *rails, *inner, *sill]), "frame")]


def pane(item: Item) -> Mesh:
    """The glass of a window, 1 cm before the wall."""
    return quad((-item.width / 2, 0.01, 0), (item.width, 0, 0), (0, 0, item.height))


def curtain(item: Item, rng: np.random.Generator) -> Shape:
    """Cloth in folds; what hangs before it is seen from the room alone."""
    folds = max(3, round(item.width / 0.09))
    u = np.linspace(0, 1, 4 * folds + 1)
    points = np.zeros((2, len(u), 3))
    points[..., 0] = (u - 0.5) * item.width
    points[..., 1] = -0.02 * np.sin(2 * np.pi * folds * u)
    points[1, :, 2] = item.height
    v = np.broadcast_to(np.array([[0.0], [1.0]]), (2, len(u)))
    return [(sheet(points, np.stack([np.broadcast_to(u, (2, len(u))), v], -1)), "curtain")]


def door(item: Item, rng: np.random.Generator) -> Shape:
    """A door leaf in its frame, with a handle."""
    w, h = item.width, item.height
    frame = [slab(0.07, 0.04, h, s * (w / 2 - 0.035)) for s in (-1, 1)] + [slab(w, 0.04, 0.07, z=h - 0.07)]
    leaf = slab(w - 0.14, 0.025, h - 0.07, y=0.0075)
    return [(merge(frame), "frame"), (leaf, "door"), (slab(0.12, 0.06, 0.02, 0.3 * w, -0.02, 1.02), "metal")]


def picture(item: Item, rng: np.random.Generator) -> Shape:
    """A framed picture."""
    w, h = item.width, item.height
    art = quad((-w / 2 + 0.025, -0.014, 0.025), (w - 0.05, 0, 0), (0, 0, h - 0.05))
    return [(slab(w, 0.022, h), "wood"), (art, "print")]
