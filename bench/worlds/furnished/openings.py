"""What is on the walls and the ceiling: windows with curtains, a door, pictures, a lamp."""

from __future__ import annotations

import numpy as np

from bench.worlds.furnished.items import Item


def wall_frame(wall: int, share: float, gap: float, width: float, depth: float) -> tuple[float, float, float]:
    """Angle, x and y that move a thing with its back at y = 0 to ``share`` (0 to 1) along a wall, ``gap`` m off it.

    Walls 0 to 3 are at y = depth, x = 0, y = 0 and x = width.
    """
    along, across = share * width, share * depth
    x, y = ((along, depth - gap), (gap, across), (along, gap), (width - gap, across))[wall]
    return (0.0, np.pi / 2, np.pi, -np.pi / 2)[wall], x, y


def _length(wall: int, width: float, depth: float) -> float:
    return width if wall % 2 == 0 else depth


def draw_openings(rng: np.random.Generator, width: float, depth: float, height: float) -> list[Item]:
    """One to three windows on one or two walls, some with curtains, and a door on another wall."""
    walls = rng.permutation(4).tolist()
    out: list[Item] = []
    for wall in walls[: int(rng.integers(1, 3))]:
        length = _length(wall, width, depth)
        count = 2 if length > 4.2 and rng.random() < 0.5 else 1
        wide = float(rng.uniform(0.9, min(2.2, 0.55 * length / count)))
        sill = 0.08 if rng.random() < 0.15 else float(rng.uniform(0.7, 1.0))
        tall = min(height - sill - 0.25, float(rng.uniform(1.2, 1.5)) if sill > 0.5 else 2.2)
        hung = rng.random() < 0.5
        for number in range(count):
            share = (number + 0.5) / count + float(rng.uniform(-0.08, 0.08))
            frame = wall_frame(wall, share, 0.0, width, depth)
            out.append(Item("window", 0, -0.02, wide, 0.04, tall, sill).moved(*frame))
            for side in (-1, 1) if hung else ():
                cloth, low = float(rng.uniform(0.2, 0.35)), 0.05 if rng.random() < 0.7 else sill - 0.15
                low = max(0.02, low)
                x, long = side * (wide / 2 + 0.3 * cloth), sill + tall + 0.1 - low
                out.append(Item("curtain", x, -0.08, cloth, 0.08, long, low).moved(*frame))
    share = float(rng.choice((0.2, 0.8)))
    door = Item("door", 0, -0.02, 0.86, 0.04, 2.05)
    out.append(door.moved(*wall_frame(walls[2], share, 0.0, width, depth)))
    return [item for item in out if _inside(item, width, depth)]


def _inside(item: Item, width: float, depth: float) -> bool:
    at, reach = np.array([item.x, item.y]), item.reach
    return bool((at - reach > -1e-6).all() and (at + reach < np.array([width, depth]) + 1e-6).all())


def draw_pictures(rng: np.random.Generator, placed: list[Item], width: float, depth: float) -> list[Item]:
    """Up to five framed pictures where the wall is free."""
    out: list[Item] = []
    for _ in range(int(rng.integers(0, 6))):
        wide, tall, low = (float(rng.uniform(*span)) for span in ((0.3, 0.9), (0.3, 0.7), (1.2, 1.5)))
        frame = wall_frame(int(rng.integers(4)), float(rng.uniform(0.12, 0.88)), 0.002, width, depth)
        item = Item("picture", 0, -0.012, wide, 0.024, tall, low).moved(*frame)
        if _inside(item, width, depth) and not any(_touch(item, other) for other in placed + out):
            out.append(item)
    return out


def _touch(item: Item, other: Item) -> bool:
    if other.top < item.z or other.z > item.top or other.kind == "rug":
        return False
    gap = item.reach + other.reach + 0.1
    return bool((np.abs(np.array([item.x - other.x, item.y - other.y])) < gap).all())


def pendant(rng: np.random.Generator, width: float, depth: float, height: float) -> Item:
    """The ceiling lamp, near the middle: flush with the ceiling, or hanging 0.4 to 0.7 m down."""
    x, y = width / 2 + float(rng.normal(0, 0.15)), depth / 2 + float(rng.normal(0, 0.15))
    if rng.random() < 0.55:
        size, drop = float(rng.uniform(0.3, 0.6)), 0.09
    else:
        size, drop = float(rng.uniform(0.26, 0.4)), float(rng.uniform(0.4, 0.65))
    return Item("ceiling_lamp", x, y, size, size, drop, height - drop - 0.001)
