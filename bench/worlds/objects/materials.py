"""What objects, table and clutter are made of: plain colours for the synthetic look, worn things for the real one."""

from __future__ import annotations

import colorsys
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from bench.samples import U8, Domain
from bench.seeds import derive
from bench.worlds.objects.catalogue import NAMES, model
from bench.worlds.objects.solids import Finish
from bench.worlds.rendering.artwork import cheap_colour
from bench.worlds.rendering.scene import Colour, Surface
from bench.worlds.rendering.textures import brushed, speckled, to_u8, value_noise

PATTERNS = 48
"""How many printed, woven and grown surfaces a world has for its tables, walls and clutter."""
_TEXELS = 64


@cache
def object_surface(index: int, piece: int, domain: Domain) -> Surface:
    """One piece of an object: the modeller's colour, a little off, or the worn thing itself with its gloss."""
    made = model(index).pieces[piece]
    key = f"linemod/{NAMES[index]}/{piece}/{domain}"
    seed = derive(key)
    if domain == "synthetic":
        return Surface(key, cheap_colour(made.colour, seed % (1 << 32)))
    art = _worn(made.colour, np.random.default_rng(seed), rough=made.finish == "matte")
    return _finished(key, art, made.finish)


def _worn(colour: Colour, rng: np.random.Generator, rough: bool) -> U8:
    """Uneven colour with dirt, rubbed spots and scratches; fibres where it is ``rough``. (64, 64, 3)."""
    ground = speckled(_TEXELS, rng, colour, 0.45 if rough else 0.2) / 255.0
    dirt = (value_noise(_TEXELS, rng, 4, 3)[..., None] - 0.55).clip(0) * 0.8
    art = ground * (1 - dirt) * rng.uniform(0.88, 1.04, 3)
    rubbed = (value_noise(_TEXELS, rng, 5, 4)[..., None] - 0.72).clip(0)
    image = Image.fromarray(to_u8(art + rubbed * (0.8 - art)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 7))):
        x, y, dx, dy = (*rng.uniform(0, _TEXELS, 2), *rng.uniform(-14, 14, 2))
        tone = int(rng.choice((60, 190)))
        pen.line((x, y, x + dx, y + dy), fill=(tone, tone, tone))
    return np.asarray(image).astype(np.uint8)


def _finished(key: str, art: U8, finish: Finish) -> Surface:
    if finish == "matte":
        return Surface(key, texture=art)
    roughness, metallic, coat = {"plastic": (0.28, 0.0, 0.5), "metal": (0.30, 0.9, 0.0)}.get(finish, (0.6, 0.0, 0.0))
    return Surface(key, texture=art, finish="principled", roughness=roughness, metallic=metallic, coat=coat)


@cache
def pattern(number: int) -> Surface:
    """One of the `PATTERNS` surfaces of the surroundings: cloth, wood, paper, tiles, stone or sheet metal."""
    rng = np.random.default_rng(derive("linemod", "pattern", number))
    colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.6), rng.uniform(0.3, 0.95))
    kind = number % 6
    if kind == 0:
        art = _wood(rng)
    elif kind == 1:
        art = _written(rng)
    elif kind in (2, 3):
        art = _checked(rng, colour, woven=kind == 2)
    else:
        art = speckled(_TEXELS, rng, colour, 0.5) if kind == 4 else brushed(_TEXELS, rng, colour, 0.06, 0.3)
    finish: Finish = "matte" if kind in (1, 2) else "plastic" if kind in (0, 3) else "rubber"
    return _finished(f"linemod/pattern/{number}", art, finish)


def _wood(rng: np.random.Generator) -> U8:
    rings = value_noise(_TEXELS, rng, 3, 2) * rng.uniform(4, 9)
    grain = np.repeat(rng.normal(0, 0.06, (_TEXELS, 1)), _TEXELS, 1)
    tone = 0.8 + 0.16 * np.sin(2 * np.pi * (rings + np.arange(_TEXELS)[:, None] / 16)) + grain
    return to_u8(tone[..., None] * np.array([0.66, 0.46, 0.28]) * rng.uniform(0.7, 1.25))


def _written(rng: np.random.Generator) -> U8:
    image = Image.new("RGB", (_TEXELS, _TEXELS), (226, 224, 216))
    pen = ImageDraw.Draw(image)
    for y in range(4, _TEXELS, 5):
        x = 4.0
        while x < _TEXELS - 6:
            word = float(rng.uniform(2, 8))
            pen.line((x, y, x + word, y), fill=(70, 70, 80))
            x += word + 3
    if rng.random() < 0.6:
        x, y = rng.uniform(4, 34, 2)
        red, green, blue = rng.integers(30, 230, 3).tolist()
        pen.rectangle((x, y, x + rng.uniform(10, 26), y + rng.uniform(8, 20)), fill=(red, green, blue))
    return np.asarray(image).astype(np.uint8)


def _checked(rng: np.random.Generator, colour: Colour, woven: bool) -> U8:
    cell = int(rng.choice((8, 16, 32)))
    rows = (np.arange(_TEXELS) // cell) % 2
    weave = (rows[:, None] + rows[None, :]) / 2 if woven else (rows[:, None] ^ rows[None, :]).astype(np.float64)
    other = np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.4), rng.uniform(0.6, 0.95)))
    art = np.asarray(colour) + weave[..., None] * (other - np.asarray(colour))
    return to_u8(art * (1 + rng.normal(0, 0.05, (_TEXELS, _TEXELS, 1))))
