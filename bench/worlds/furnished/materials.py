"""What rooms are made of: a few flat colours for the synthetic look, patterned and worn surfaces for the real one."""

from __future__ import annotations

import colorsys
from functools import cache
from typing import Literal

import numpy as np

from bench.samples import U8, Domain
from bench.seeds import derive
from bench.worlds.furnished import weave
from bench.worlds.objects.backgrounds import photograph_like
from bench.worlds.rendering.scene import Colour, Surface
from bench.worlds.rendering.textures import brushed, speckled, to_u8

Material = Literal[
    "wall", "floor", "ceiling", "wood", "board", "front", "fabric", "linen", "curtain", "rug", "metal", "ceramic",
    "leaf", "print", "books", "screen", "pane", "shade", "frame", "carton", "door",
]  # fmt: skip
VARIANTS = 16
"""How many individuals of each material there are in each look."""

# Hue (None: any), saturation and value, each from the first to the second number: what each material may look like.
_Range = tuple[tuple[float, float] | None, tuple[float, float], tuple[float, float]]
_TINTS: dict[Material, _Range] = {
    "wall": (None, (0.0, 0.22), (0.62, 0.95)), "floor": ((0.05, 0.11), (0.15, 0.6), (0.35, 0.75)),
    "ceiling": (None, (0.0, 0.03), (0.86, 0.95)), "wood": ((0.04, 0.1), (0.25, 0.65), (0.28, 0.78)),
    "board": ((0.05, 0.12), (0.0, 0.5), (0.3, 0.92)), "fabric": (None, (0.05, 0.6), (0.2, 0.75)),
    "linen": (None, (0.0, 0.12), (0.75, 0.92)), "curtain": (None, (0.0, 0.5), (0.4, 0.9)),
    "rug": (None, (0.1, 0.55), (0.25, 0.8)), "metal": ((0.1, 0.6), (0.0, 0.1), (0.25, 0.8)),
    "ceramic": (None, (0.0, 0.5), (0.4, 0.9)), "leaf": ((0.22, 0.36), (0.4, 0.7), (0.25, 0.5)),
    "print": (None, (0.2, 0.7), (0.4, 0.9)), "books": (None, (0.2, 0.6), (0.3, 0.7)),
    "screen": ((0.6, 0.7), (0.0, 0.2), (0.04, 0.10)), "pane": ((0.55, 0.62), (0.1, 0.3), (0.5, 0.8)),
    "shade": ((0.09, 0.14), (0.04, 0.25), (0.8, 0.95)), "frame": ((0.1, 0.15), (0.0, 0.08), (0.8, 0.95)),
    "carton": ((0.07, 0.1), (0.3, 0.5), (0.5, 0.7)), "door": ((0.06, 0.12), (0.0, 0.5), (0.4, 0.93)),
}  # fmt: skip
# Roughness, metallic, coat; what is not here is matt.
_GLOSS: dict[Material, tuple[float, float, float]] = {
    "floor": (0.38, 0.0, 0.3), "wood": (0.4, 0.0, 0.2), "board": (0.45, 0.0, 0.1), "front": (0.4, 0.0, 0.15),
    "metal": (0.3, 0.8, 0.0), "ceramic": (0.2, 0.0, 0.6), "leaf": (0.5, 0.0, 0.0), "print": (0.3, 0.0, 0.5),
    "screen": (0.12, 0.0, 0.8), "pane": (0.1, 0.0, 1.0), "frame": (0.4, 0.0, 0.1), "door": (0.4, 0.0, 0.1),
}  # fmt: skip


@cache
def surface(material: Material, variant: int, domain: Domain) -> Surface:
    """One individual of a material, the same in every room of every seed."""
    key = f"furnished/{material}/{variant}/{domain}"
    rng = np.random.default_rng(derive(key))
    # Doors and drawers are of the body's material, now and then of another colour.
    like: Material = "board" if material == "front" else material
    colour = _tint(like, np.random.default_rng(derive("furnished", "tint", like, variant, domain)), domain)
    if domain == "synthetic":
        if material == "front":
            colour = _mixed(colour, 0.88 if variant % 3 else 0.6)
        return Surface(key, texture=_flat(colour, material, rng))
    art = _real(material, variant, colour, rng)
    gloss = _GLOSS.get(material)
    carpet = material == "floor" and _flooring(variant) == "carpet"
    if gloss is None or carpet:
        return Surface(key, texture=art)
    return Surface(key, texture=art, finish="principled", roughness=gloss[0], metallic=gloss[1], coat=gloss[2])


def _tint(material: Material, rng: np.random.Generator, domain: Domain) -> Colour:
    hue, saturation, value = _TINTS[material]
    h = float(rng.random() if hue is None else rng.uniform(*hue))
    s, v = float(rng.uniform(*saturation)), float(rng.uniform(*value))
    if domain == "synthetic":  # asset libraries are more colourful than homes
        s, v = min(1.0, 1.35 * s + 0.03), min(1.0, 0.15 + 0.85 * v)
    return colorsys.hsv_to_rgb(h, s, v)


def _mixed(colour: Colour, factor: float) -> Colour:
    r, g, b = (min(1.0, factor * channel) for channel in colour)
    return r, g, b


def _flat(colour: Colour, material: Material, rng: np.random.Generator) -> U8:
    """A game's texture: the colour in a few texels; only prints and books show that they are several things."""
    strength = {"books": 0.55, "print": 0.5}.get(material, 0.04 if material in ("floor", "rug", "leaf") else 0.0)
    cells = (1, 8) if material == "books" else (6, 6)
    noise = rng.uniform(-1, 1, (*cells, 3)) if strength > 0.1 else rng.uniform(-1, 1, (*cells, 1))
    return to_u8((1 + strength * noise) * np.asarray(colour))


def _flooring(variant: int) -> Literal["boards", "tiles", "carpet"]:
    kinds: tuple[Literal["boards", "tiles", "carpet"], ...] = ("boards", "boards", "tiles", "carpet")
    return kinds[variant % 4]


def _real(material: Material, variant: int, colour: Colour, rng: np.random.Generator) -> U8:
    """The worn thing itself."""
    if material == "wall":
        return weave.wall(colour, variant, rng)
    if material == "floor":
        kind = _flooring(variant)
        made = {"boards": weave.boards, "tiles": weave.tiles, "carpet": weave.carpet}[kind]
        return made(colour, rng)
    if material in ("wood", "door"):
        return weave.wood(colour, rng)
    if material in ("board", "front"):
        return weave.wood(colour, rng) if variant % 2 else brushed(64, rng, colour, 0.015, 0.12)
    if material in ("fabric", "curtain", "linen"):
        return weave.cloth(colour, "plain" if material == "linen" and variant % 3 else None, rng)
    if material == "rug":
        return weave.rug(colour, rng)
    if material == "print":
        return photograph_like(48, rng)
    if material == "books":
        return weave.books(rng)
    if material == "leaf":
        return speckled(32, rng, colour, 0.9)
    return speckled(64, rng, colour, {"ceiling": 0.08, "carton": 0.3}.get(material, 0.12))
