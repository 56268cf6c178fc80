"""Pieces of furniture that belong together, as they stand at a wall (y = 0, the room towards -y) or by themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.worlds.furnished.items import Item, Kind

Group = list[Item]


def bed(rng: np.random.Generator) -> Group:
    """A single or double bed with up to two nightstands, and perhaps a lamp on each."""
    width = float(rng.uniform(0.9, 1.05) if rng.random() < 0.35 else rng.uniform(1.4, 1.8))
    length = float(rng.uniform(1.95, 2.15))
    out = [Item("bed", 0, -length / 2, width, length, float(rng.uniform(0.75, 1.15)))]
    for side in (-1, 1):
        if rng.random() < 0.65:
            size, height = float(rng.uniform(0.36, 0.5)), float(rng.uniform(0.42, 0.6))
            x = side * (width / 2 + size / 2 + 0.06)
            out.append(Item("nightstand", x, -size / 2, size, size, height))
            if rng.random() < 0.6:
                out.append(Item("table_lamp", x, -size / 2, 0.24, 0.24, float(rng.uniform(0.34, 0.5)), height))
    return out


def sofa(rng: np.random.Generator) -> Group:
    """A sofa with a coffee table in front of it, mostly on a rug."""
    width, depth = float(rng.uniform(1.4, 2.3)), float(rng.uniform(0.8, 0.95))
    out = [Item("sofa", 0, -depth / 2, width, depth, float(rng.uniform(0.72, 0.95)))]
    if rng.random() < 0.75:
        size = float(rng.uniform(0.5, 0.65))
        y = -depth - float(rng.uniform(0.3, 0.5)) - size / 2
        out.append(Item("coffee_table", 0, y, float(rng.uniform(0.8, 1.2)), size, float(rng.uniform(0.36, 0.48))))
    if rng.random() < 0.6:
        out.append(Item("rug", 0, -depth - 0.4, width, float(rng.uniform(1.2, 1.8)), 0.012))
    return out


def dining(rng: np.random.Generator) -> Group:
    """A table with two to six chairs, free standing."""
    width, depth, height = (float(rng.uniform(*span)) for span in ((1.0, 1.8), (0.75, 0.95), (0.71, 0.77)))
    out = [Item("table", 0, 0, width, depth, height)]
    seats = 2 if width > 1.3 else 1
    size, tall = float(rng.uniform(0.42, 0.48)), float(rng.uniform(0.82, 1.0))
    for side in (-1, 1):
        for seat in range(seats):
            if rng.random() < 0.85:
                x = (seat - (seats - 1) / 2) * 0.62 + float(rng.normal(0, 0.03))
                y = side * (depth / 2 + float(rng.uniform(0.0, 0.25)))
                turned = (0.0 if side > 0 else np.pi) + float(rng.normal(0, 0.12))
                out.append(Item("chair", x, y, size, size, tall, angle=turned))
    if rng.random() < 0.5:
        out.append(Item("vase", float(rng.uniform(-0.3, 0.3)), 0, 0.16, 0.16, float(rng.uniform(0.18, 0.35)), height))
    return out


def desk(rng: np.random.Generator) -> Group:
    """A desk with a chair; a screen, a lamp or neither on it."""
    width, depth, height = (float(rng.uniform(*span)) for span in ((1.0, 1.6), (0.55, 0.75), (0.71, 0.77)))
    out = [Item("desk", 0, -depth / 2, width, depth, height)]
    tall, turned = float(rng.uniform(0.82, 1.0)), np.pi + float(rng.normal(0, 0.25))
    out.append(Item("chair", float(rng.uniform(-0.2, 0.2)), -depth - 0.15, 0.45, 0.45, tall, angle=turned))
    if rng.random() < 0.65:
        out.append(Item("screen", 0, -0.22, float(rng.uniform(0.5, 0.65)), 0.16, 0.45, height))
    if rng.random() < 0.5:
        out.append(Item("table_lamp", 0.42 * width, -0.2, 0.2, 0.2, float(rng.uniform(0.35, 0.5)), height))
    return out


def chest(rng: np.random.Generator) -> Group:
    """A chest of drawers, perhaps with a lamp, a vase or a carton on it."""
    width, height = float(rng.uniform(0.75, 1.4)), float(rng.uniform(0.7, 1.05))
    out = [Item("chest", 0, -0.23, width, 0.45, height)]
    tops: tuple[tuple[Kind, float], ...] = (("vase", 0.2), ("table_lamp", 0.26), ("carton", 0.3))
    kind, size = tops[int(rng.integers(3))]
    if rng.random() < 0.7:
        x = float(rng.uniform(-0.25, 0.25)) * width
        out.append(Item(kind, x, -0.23, size, size, float(rng.uniform(0.22, 0.45)), height))
    return out


def television(rng: np.random.Generator) -> Group:
    """A low cabinet with a television."""
    width, height = float(rng.uniform(1.1, 1.8)), float(rng.uniform(0.4, 0.6))
    wide = float(rng.uniform(0.8, 1.1))
    return [Item("chest", 0, -0.21, width, 0.42, height), Item("screen", 0, -0.18, wide, 0.18, 0.62 * wide, height)]


def single(kind: Kind, *spans: tuple[float, float], rng: np.random.Generator) -> Group:
    """One thing of a width, depth and height within ``spans``."""
    width, depth, height = (float(rng.uniform(*span)) for span in spans)
    return [Item(kind, 0, -depth / 2, width, depth, height)]


GROUPS: dict[str, Callable[[np.random.Generator], Group]] = {
    "bed": bed, "sofa": sofa, "dining": dining, "desk": desk, "chest": chest, "television": television,
    "wardrobe": lambda rng: single("wardrobe", (0.9, 1.9), (0.55, 0.65), (1.85, 2.25), rng=rng),
    "shelf": lambda rng: single("shelf", (0.6, 1.3), (0.28, 0.36), (1.1, 2.1), rng=rng),
    "armchair": lambda rng: single("armchair", (0.75, 0.92), (0.75, 0.9), (0.75, 1.0), rng=rng),
    "floor_lamp": lambda rng: single("floor_lamp", (0.34, 0.42), (0.34, 0.42), (1.4, 1.75), rng=rng),
    "plant": lambda rng: single("plant", (0.45, 0.7), (0.45, 0.7), (0.7, 1.6), rng=rng),
    "carton": lambda rng: single("carton", (0.3, 0.5), (0.25, 0.45), (0.22, 0.4), rng=rng),
    "stool": lambda rng: single("stool", (0.4, 0.6), (0.4, 0.6), (0.38, 0.46), rng=rng),
}
