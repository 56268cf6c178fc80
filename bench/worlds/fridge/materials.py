"""What products are made of: worn prints, glass and metal for the real look, cheap copies for the plain one."""

from __future__ import annotations

from functools import cache

import numpy as np

from bench.samples import Domain
from bench.seeds import derive
from bench.worlds.fridge.products import PRODUCTS
from bench.worlds.fridge.shapes import Role
from bench.worlds.rendering.artwork import cheap_colour, cheap_copy, worn
from bench.worlds.rendering.mesh import Mesh
from bench.worlds.rendering.scene import Colour, Surface

VARIANTS = 6
"""How many individuals of a product exist: each has its own wear and, for bags, its own crinkles."""


def texels_for(size: int) -> int:
    """How finely prints are kept for images of ``size`` pixels: about as fine as they show (nothing filters them)."""
    return int(min(256, max(32, 2 ** np.ceil(np.log2(0.6 * size)))))


@cache
def meshes(index: int, variant: int) -> tuple[tuple[Mesh, Role], ...]:
    """The meshes of one individual; drawn from (product, variant) alone."""
    rng = np.random.default_rng(derive("vending", "shape", index, variant))
    return tuple(PRODUCTS[index].shape(rng))


@cache
def surface(index: int, role: Role, variant: int, domain: Domain, texels: int) -> Surface:
    """The surface of one role: worn print and its true finish for "real", cheap copy for "synthetic"."""
    product = PRODUCTS[index]
    key = f"{product.name}/{role}/{domain}"
    printed = role in ("print", "film")
    if domain == "synthetic":
        if printed:
            return Surface(key, texture=cheap_copy(product.design))
        return Surface(key, cheap_colour(_plain(index, role), index))
    if printed:
        art = worn(product.design, texels, np.random.default_rng(derive("vending", "wear", index, variant)))
        key = f"{key}/{variant}/{texels}"
        if role == "film":
            return Surface(key, texture=art, finish="principled", roughness=0.25, metallic=0.45, coat=0.3)
        metallic = 0.35 if product.tin else 0.0
        return Surface(key, texture=art, finish="principled", roughness=0.24, metallic=metallic, coat=0.5)
    if role == "lid" and product.tin:
        return Surface(key, _plain(index, role), finish="metal", roughness=0.16)
    roughness, metallic, coat = {"lid": (0.25, 0.85, 0.0), "body": (0.07, 0.0, 1.0), "cap": (0.35, 0.0, 0.2)}[role]
    return Surface(
        key, _plain(index, role), finish="principled", roughness=roughness, metallic=metallic, coat=coat
    )


def _plain(index: int, role: Role) -> Colour:
    product = PRODUCTS[index]
    return {"lid": product.lid, "body": product.body, "cap": product.cap}[role]
