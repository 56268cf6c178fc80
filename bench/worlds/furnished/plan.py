"""The floor plan of a room: its size, its openings, and furniture that stands at walls without standing in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.worlds.furnished.groups import GROUPS, Group
from bench.worlds.furnished.items import Item
from bench.worlds.furnished.openings import draw_openings, draw_pictures, pendant, wall_frame

_USES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("bed", "wardrobe"), ("chest", "desk", "armchair", "floor_lamp", "plant", "shelf", "carton", "stool", "stool")),
    (("sofa", "television"), ("armchair", "armchair", "shelf", "plant", "floor_lamp", "dining", "chest", "stool")),
    (("dining", "chest"), ("shelf", "plant", "floor_lamp", "armchair", "sofa", "carton", "shelf")),
    (("desk", "shelf"), ("shelf", "wardrobe", "armchair", "plant", "floor_lamp", "bed", "carton", "carton")),
)
"""Bedroom, living room, dining room, study: what each always gets (where there is room), and what it may get."""
_TALL = 0.9  # metres: what is taller stands before no window
_PATH = 0.05  # metres kept free between things


@dataclass(frozen=True, slots=True)
class Plan:
    """A room from (0, 0, 0) to (``width``, ``depth``, ``height``) metres and the things in it."""

    width: float
    depth: float
    height: float
    items: tuple[Item, ...]

    @property
    def standing(self) -> list[Item]:
        """What takes up floor."""
        return [item for item in self.items if item.kind not in _FLAT and item.z == 0]


_FLAT = ("rug", "window", "curtain", "door", "picture", "ceiling_lamp")


def draw_plan(rng: np.random.Generator) -> Plan:
    """A room of 3 to 6 by 3 to 6 m, 2.4 to 2.9 m high, furnished for one of four uses."""
    width, depth = (float(value) for value in rng.uniform(3.0, 6.0, 2))
    height = float(rng.uniform(2.4, 2.9))
    placed = draw_openings(rng, width, depth, height)
    always, perhaps = _USES[int(rng.integers(len(_USES)))]
    extras = rng.permutation(len(perhaps))[: int(rng.integers(2, 7))]
    covered = 0.0
    for name in (*always, *(perhaps[index] for index in extras.tolist())):
        group = _placed(rng, name, GROUPS[name](rng), placed, width, depth)
        covered += sum(4 * float(np.prod(item.reach)) for item in group if item.z == 0 and item.kind != "rug")
        placed += group
        if covered > 0.42 * width * depth:
            break
    placed += draw_pictures(rng, placed, width, depth)
    placed.append(pendant(rng, width, depth, height))
    return Plan(width, depth, height, tuple(placed))


def _placed(
    rng: np.random.Generator, name: str, group: Group, others: list[Item], width: float, depth: float
) -> Group:
    """The group at a place where it fits, or nothing after 24 places where it does not."""
    for _ in range(24):
        if name == "dining":
            angle = float(rng.integers(4)) * np.pi / 2
            x, y = float(rng.uniform(0.25, 0.75)) * width, float(rng.uniform(0.25, 0.75)) * depth
        else:
            angle, x, y = wall_frame(int(rng.integers(4)), float(rng.uniform(0.05, 0.95)), 0.02, width, depth)
            if name == "armchair":
                group = [group[0]]
        there = [item.moved(angle, x, y) for item in group]
        if all(_fits(item, others, width, depth) for item in there):
            return there
    return []


def _fits(item: Item, others: list[Item], width: float, depth: float) -> bool:
    at, reach = np.array([item.x, item.y]), item.reach
    if (at - reach < 0.01).any() or (at + reach > np.array([width, depth]) - 0.01).any():
        return False
    if item.kind == "rug" or item.z > 0:
        return True
    for other in others:
        if other.kind in ("rug", "curtain"):
            continue
        if other.kind == "window" and item.top < max(_TALL, other.z):
            continue
        gap = 0.75 if other.kind == "door" else 0.12 if other.kind == "window" else _PATH
        if (np.abs(at - (other.x, other.y)) < reach + other.reach + gap).all():
            return False
    return True
