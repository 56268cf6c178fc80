"""What things are made of: weathered, patterned textures for the real look, plain colours for the synthetic one."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np

from bench.samples import U8, Domain
from bench.seeds import derive
from bench.worlds.courtyard.shapes import Role
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.scene import Colour, Surface
from bench.worlds.rendering.textures import speckled, to_u8, value_noise

Material = Role | Literal["grass", "path", "hedge", "facade"]
_TEXELS = 128

_PLAIN: dict[Material, tuple[Colour, ...]] = {
    "bark": ((0.42, 0.27, 0.14), (0.36, 0.24, 0.15), (0.48, 0.33, 0.18)),
    "leaves": ((0.16, 0.52, 0.16), (0.22, 0.58, 0.18), (0.12, 0.46, 0.20)),
    "hedge": ((0.14, 0.48, 0.14), (0.18, 0.54, 0.16), (0.12, 0.44, 0.18)),
    "metal": ((0.55, 0.57, 0.62), (0.25, 0.42, 0.30), (0.60, 0.58, 0.55)),
    "lamp": ((0.92, 0.92, 0.84),),
    "masonry": ((0.72, 0.40, 0.30), (0.80, 0.76, 0.66), (0.62, 0.62, 0.64)),
    "facade": ((0.78, 0.62, 0.50), (0.84, 0.80, 0.70), (0.66, 0.50, 0.44)),
    "planks": ((0.80, 0.62, 0.34), (0.74, 0.56, 0.30), (0.84, 0.68, 0.42)),
    "paint": ((0.85, 0.15, 0.12), (0.15, 0.32, 0.80), (0.92, 0.92, 0.94)),
    "glass": ((0.22, 0.30, 0.38),),
    "tyre": ((0.10, 0.10, 0.11),),
    "grass": ((0.34, 0.62, 0.22),),
    "path": ((0.66, 0.62, 0.54),),
}


@cache
def surface(material: Material, variant: int, domain: Domain, place: int) -> Surface:
    """The surface of one individual; ``place`` (the world's seed) decides the real place's weather and wear."""
    colours = _PLAIN[material]
    variant %= len(colours)
    if domain == "synthetic":
        key = f"courtyard/{material}/{variant}/synthetic"
        return Surface(key, texture=_coarse(colours[variant], material, variant))
    rng = np.random.default_rng(derive("flight", "material", place, material, variant))
    key = f"courtyard/{material}/{variant}/{place}"
    texture = _real(rng, material, variant)
    if material in ("paint", "glass", "metal"):
        finish = {"paint": (0.28, 0.0, 0.7), "glass": (0.08, 0.0, 1.0), "metal": (0.45, 0.5, 0.0)}[material]
        return Surface(
            key, texture=texture, finish="principled", roughness=finish[0], metallic=finish[1], coat=finish[2]
        )
    return Surface(key, texture=texture)


def _coarse(colour: Colour, material: Material, variant: int) -> U8:
    """A game's texture: the plain colour in a few texels that hardly differ."""
    rng = np.random.default_rng(derive("flight", "coarse", material, variant))
    strength = 0.10 if material in ("leaves", "hedge", "grass", "bark") else 0.04
    return to_u8((1 + strength * rng.uniform(-1, 1, (8, 8, 1))) * np.asarray(colour))


def _real(rng: np.random.Generator, material: Material, variant: int) -> U8:
    n = _TEXELS
    stain = value_noise(n, rng, 5, 3)[..., None]
    if material == "bark":
        base = np.array(((0.33, 0.27, 0.21), (0.24, 0.20, 0.16), (0.58, 0.55, 0.50))[variant])
        ridge = _stretched(rng, n, 10)[..., None]
        return to_u8(base * (0.45 + 0.95 * ridge) * (0.8 + 0.4 * stain))
    if material in ("leaves", "hedge"):
        return _foliage(rng, n, variant)
    if material == "grass":
        dry = np.array((0.46, 0.42, 0.22)) * stain**1.5 + np.array((0.20, 0.27, 0.09)) * (1 - stain**1.5)
        return to_u8(dry * (1 + 0.35 * rng.normal(0, 1, (n, n, 1)) * 0.6))
    if material == "path":
        return speckled(n, rng, (0.47, 0.43, 0.38), 0.9)
    if material in ("masonry", "facade"):
        return _masonry(rng, n, variant) if material == "masonry" else _facade(rng, n, variant)
    if material == "planks":
        return _planks(rng, n, variant)
    plain = {
        "metal": ((0.40, 0.41, 0.42), (0.16, 0.22, 0.18), (0.34, 0.27, 0.22)), "lamp": ((0.75, 0.75, 0.70),),
        "paint": ((0.50, 0.12, 0.10), (0.13, 0.20, 0.36), (0.70, 0.70, 0.68)), "glass": ((0.05, 0.06, 0.07),),
        "tyre": ((0.06, 0.06, 0.06),),
    }[material][variant]
    dirt = np.linspace(0.72, 1.05, n)[::-1, None, None] * (1 - 0.25 * stain)
    return to_u8(np.asarray(plain) * dirt * np.ones((n, n, 3)))


def _stretched(rng: np.random.Generator, n: int, factor: int) -> F64:
    """Noise drawn out upwards, (n, n), 0 to 1."""
    field = value_noise(n, rng, 5, 8)[np.arange(n) // factor]
    return np.asarray((field - field.min()) / (field.max() - field.min()))


def _foliage(rng: np.random.Generator, n: int, variant: int) -> U8:
    """Leaves in light and gaps in shade; the last variant has begun to turn yellow."""
    clump, leaf = value_noise(n, rng, 4, 6), value_noise(n, rng, 2, 40)
    light = (0.25 + 0.6 * clump + 0.75 * (leaf - 0.5)).clip(0.05, 1.2)[..., None]
    turn = (value_noise(n, rng, 3, 4)[..., None] * (0.35, 0.55, 1.0)[variant]).clip(0, 1)
    green, yellow = np.array((0.30, 0.38, 0.14)), np.array((0.56, 0.42, 0.13))
    return to_u8((green * (1 - turn) + yellow * turn) * light * 1.15)


def _masonry(rng: np.random.Generator, n: int, variant: int) -> U8:
    """Bricks, stained plaster with a plinth, or concrete panels: 2 m of wall."""
    stain = value_noise(n, rng, 5, 3)[..., None]
    if variant == 0:
        rows, bricks = 20, 8
        row = np.arange(n) * rows // n
        column = (np.arange(n)[None, :] * bricks / n + 0.5 * (row[:, None] % 2)) % bricks
        tone = rng.uniform(0.7, 1.15, (rows, bricks))[row[:, None], column.astype(np.int64)]
        joint = ((np.arange(n) * rows / n) % 1 < 0.16)[:, None] | (column % 1 < 0.06)
        brick = np.array((0.47, 0.25, 0.19)) * tone[..., None]
        wall = np.where(joint[..., None], np.array((0.52, 0.49, 0.45)), brick)
    elif variant == 1:
        bare = (stain > 0.72) * 0.25
        wall = np.array((0.66, 0.60, 0.48)) * (1 - bare)
    else:
        seam = (np.arange(n) % 64 < 2)[:, None] | (np.arange(n) % 64 < 2)[None, :]
        wall = np.array((0.45, 0.45, 0.44)) * (1 - 0.4 * seam[..., None])
    drip = _stretched(rng, n, 32)[..., None]
    return to_u8(wall * (0.72 + 0.3 * stain + 0.18 * drip) * rng.uniform(0.95, 1.05, (n, n, 1)))


def _facade(rng: np.random.Generator, n: int, variant: int) -> U8:
    """Plaster with a window: 2.5 m of a house."""
    wall = _masonry(rng, n, (1, 1, 0)[variant]) / 255.0
    wall[int(0.25 * n) : int(0.72 * n), int(0.3 * n) : int(0.7 * n)] = (0.60, 0.58, 0.54)
    wall[int(0.29 * n) : int(0.68 * n), int(0.34 * n) : int(0.66 * n)] = (0.10, 0.12, 0.15)
    wall[:, :, 0] *= (1.0, 1.1, 1.0)[variant]
    return to_u8(wall)


def _planks(rng: np.random.Generator, n: int, variant: int) -> U8:
    """A crate's side: grey or stained boards, a frame and a diagonal."""
    boards = 6
    board = np.arange(n) * boards // n
    tone = rng.uniform(0.75, 1.1, boards)[board][:, None, None]
    grain = _stretched(rng, n, 8).T[..., None]
    wood = np.array(((0.50, 0.40, 0.29), (0.42, 0.38, 0.34), (0.55, 0.42, 0.26))[variant]) * tone * (0.7 + 0.5 * grain)
    wood = wood * np.where((np.arange(n) * boards / n) % 1 < 0.1, 0.35, 1.0)[:, None, None]
    edge = np.minimum(np.arange(n), n - 1 - np.arange(n))
    frame = (edge < n // 9)[:, None] | (edge < n // 9)[None, :]
    frame |= np.abs(np.arange(n)[:, None] - np.arange(n)[None, :]) < n // 12
    return to_u8(np.where(frame[..., None], wood * 1.15 + 0.03, wood * 0.85))
