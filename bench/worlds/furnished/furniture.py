"""Shapes of furniture in metres, standing on z = 0 around the origin, back towards +y; each part with its material."""

from __future__ import annotations

import numpy as np

from bench.worlds.furnished.items import Item
from bench.worlds.furnished.materials import Material
from bench.worlds.objects.solids import ball
from bench.worlds.rendering.mesh import Mesh, box, merge

Shape = list[tuple[Mesh, Material]]
_CUBE = box(1.0, 1.0, 1.0)  # rooms are hundreds of boxes: stretching one is ten times as fast as building each


def slab(width: float, depth: float, height: float, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
    """A box on ``z`` with its middle at (x, y)."""
    corners = _CUBE.vertices * (width, depth, height) + (x, y, z)
    return Mesh(corners, _CUBE.faces, _CUBE.normals, _CUBE.uv)


def legs(item: Item, height: float, thick: float, inset: float = 0.02) -> Mesh:
    """Four legs at the corners."""
    x, y = item.width / 2 - inset - thick / 2, item.depth / 2 - inset - thick / 2
    return merge([slab(thick, thick, height, i * x, j * y) for i in (-1, 1) for j in (-1, 1)])


def bed(item: Item, rng: np.random.Generator) -> Shape:
    """Frame with a headboard at the back, mattress, a blanket that hangs over, pillows."""
    w, d = item.width, item.depth
    top = float(rng.uniform(0.44, 0.6))
    frame = [slab(w, d, 0.18, z=0.12), slab(w, 0.06, item.height, y=d / 2 - 0.03), legs(item, 0.12, 0.07)]
    cover = float(rng.uniform(0.55, 0.75)) * d
    out: Shape = [
        (merge(frame), "wood"),
        (slab(w - 0.06, d - 0.1, top - 0.3, z=0.3), "linen"),
        (slab(w + 0.02, cover, top - 0.22, y=-d / 2 + cover / 2 - 0.015, z=0.26), "fabric"),
    ]
    count = 2 if w > 1.2 else 1
    pillows = [
        ball(((k - (count - 1) / 2) * 0.7, d / 2 - 0.32, top + 0.05), (0.3, 0.22, 0.1), sides=10) for k in range(count)
    ]
    return [*out, (merge(pillows), "linen")]


def sofa(item: Item, rng: np.random.Generator) -> Shape:
    """Sofa or armchair: base, back, arms, seat cushions, and now and then a cushion of another cloth."""
    w, d, h = item.width, item.depth, item.height
    arm, seat = float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.28, 0.32))
    back = float(rng.uniform(0.18, 0.26))
    inner, count = w - 2 * arm, 1 if w < 1.1 else 2 if w < 1.8 else 3
    body = [
        slab(w, d - 0.02, seat - 0.06, z=0.06), slab(w, back, h - 0.06, y=d / 2 - back / 2, z=0.06),
        *(slab(arm, d, 0.56, side * (w - arm) / 2, 0, 0.06) for side in (-1, 1)),
    ]
    each = inner / count
    seats = [
        slab(each - 0.02, d - back - 0.01, 0.14, (k - (count - 1) / 2) * each, -back / 2 - 0.01, seat)
        for k in range(count)
    ]
    out: Shape = [(merge(body + seats), "fabric"), (legs(item, 0.06, 0.05), "wood")]
    if rng.random() < 0.6:
        side = float(rng.choice((-1, 1))) * (inner / 2 - 0.18)
        pillow = ball((side, d / 2 - back - 0.12, seat + 0.32), (0.2, 0.09, 0.19), sides=10)
        out.append((pillow, "curtain"))
    return out


def chair(item: Item, rng: np.random.Generator) -> Shape:
    """A chair with a plain or a slatted back; some have an upholstered seat."""
    w, d, seat, thick = item.width, item.depth, 0.44, 0.038
    front = [slab(thick, thick, seat, s * (w / 2 - 0.03), -d / 2 + 0.03) for s in (-1, 1)]
    posts = [slab(thick, thick, item.height, s * (w / 2 - 0.03), d / 2 - 0.03) for s in (-1, 1)]
    out: Shape = [(merge([*front, *posts, slab(w, d, 0.03, z=seat)]), "wood")]
    if rng.random() < 0.5:
        out.append((slab(w - 0.05, 0.03, 0.3, y=d / 2 - 0.03, z=item.height - 0.32), "wood"))
    else:
        slats = [slab(w - 0.06, 0.02, 0.06, y=d / 2 - 0.03, z=item.height - 0.08 - 0.13 * k) for k in range(3)]
        out.append((merge(slats), "wood"))
    if rng.random() < 0.5:
        out.append((slab(w - 0.04, d - 0.04, 0.045, z=seat + 0.03), "fabric"))
    return out


def stool(item: Item, rng: np.random.Generator) -> Shape:
    """An upholstered cube."""
    body = slab(item.width, item.depth, item.height - 0.05, z=0.05)
    return [(body, "fabric"), (legs(item, 0.05, 0.05), "wood")]


def table(item: Item, rng: np.random.Generator) -> Shape:
    """A top on four legs; a desk has a block of drawers on one side, some coffee tables a board below."""
    w, d, h = item.width, item.depth, item.height
    top = slab(w, d, 0.035, z=h - 0.035)
    apron = slab(w - 0.12, d - 0.12, 0.08, z=h - 0.115)
    below: Material = "metal" if rng.random() < 0.3 else "wood"
    out: Shape = [(merge([top, apron]), "wood"), (legs(item, h - 0.03, 0.055), below)]
    if item.kind == "desk" and rng.random() < 0.6:
        side = float(rng.choice((-1, 1))) * (w / 2 - 0.24)
        out += [(slab(0.4, d - 0.1, h - 0.05, side, 0), "board")]
        out += _fronts(0.4, -d / 2 + 0.05, 0.04, h - 0.08, 1, 3, side)
    if item.kind == "coffee_table" and rng.random() < 0.5:
        out.append((slab(w - 0.1, d - 0.1, 0.025, z=0.14), "wood"))
    return out


def cabinet(item: Item, rng: np.random.Generator) -> Shape:
    """Wardrobe, chest or nightstand: a closed body with doors or drawers and their handles."""
    w, d, h = item.width, item.depth, item.height
    base, tall = 0.06, item.kind == "wardrobe"
    columns = max(1, round(w / 0.5)) if tall else 1 if w < 0.7 else 2
    rows = 1 if tall else max(1, round((h - base) / 0.26))
    out: Shape = [(slab(w, d - 0.02, h - base, y=0.01, z=base), "board"), (legs(item, base, 0.06), "wood")]
    return out + _fronts(w, -d / 2 + 0.02, base + 0.02, h - 0.03, columns, rows, 0.0)


def _fronts(width: float, y: float, low: float, high: float, columns: int, rows: int, x: float) -> Shape:
    """A grid of doors or drawers, 2 cm proud of ``y``, with a gap between them and a handle on each."""
    wide, tall = width / columns, (high - low) / rows
    fronts, handles = [], []
    for column in range(columns):
        middle = x + (column + 0.5) * wide - width / 2
        for row in range(rows):
            z = low + row * tall
            fronts.append(slab(wide - 0.02, 0.02, tall - 0.02, middle, y - 0.01, z))
            if rows == 1:
                edge = middle + (0.5 - column % 2) * 0.75 * wide
                handles.append(slab(0.025, 0.03, 0.18, edge, y - 0.035, z + tall / 2))
            else:
                handles.append(slab(0.14, 0.03, 0.025, middle, y - 0.035, z + tall / 2))
    return [(merge(fronts), "front"), (merge(handles), "metal")]


def shelf(item: Item, rng: np.random.Generator) -> Shape:
    """An open book case; its boards carry rows of books, boxes or nothing."""
    w, d, h, thick = item.width, item.depth, item.height, 0.025
    count = max(2, round(h / 0.36))
    pitch = (h - thick) / count
    boards = [slab(w - 2 * thick, d - 0.015, thick, z=k * pitch) for k in range(count + 1)]
    sides = [slab(thick, d, h, s * (w - thick) / 2) for s in (-1, 1)]
    out: Shape = [(merge([*boards, *sides, slab(w - 0.01, 0.012, h, y=d / 2 - 0.006)]), "board")]
    for k in range(count):
        share, z, inner = float(rng.uniform(0.35, 0.95)), k * pitch + thick, w - 2 * thick
        if rng.random() < 0.72:
            size = share * inner
            x = float(rng.choice((-1, 1))) * (inner - size) / 2
            out.append((slab(size, 0.6 * d, min(pitch - 0.07, 0.27), x, 0.05 * d, z), "books"))
        elif rng.random() < 0.5:
            out.append((slab(0.3, 0.7 * d, 0.6 * pitch, float(rng.uniform(-0.2, 0.2)) * w, 0, z), "carton"))
    return out
