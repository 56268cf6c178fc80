"""Textures of real rooms: wood, cloth, wallpaper, floors, rugs and book spines, (H, W, 3) uint8 sRGB."""

from __future__ import annotations

import colorsys
from typing import Literal

import numpy as np

from bench.samples import U8
from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.scene import Colour
from bench.worlds.rendering.textures import to_u8, value_noise

_N = 64


def wood(colour: Colour, rng: np.random.Generator, size: int = _N) -> U8:
    """Upright grain with rings and a few knots' worth of unevenness."""
    field = value_noise(size, rng, 4, 2)
    rings = np.sin(2 * np.pi * (np.arange(size)[None, :] / size * rng.uniform(3, 6) + 1.2 * field))
    grain = rng.normal(0, 0.05, (1, size)) + 0.25 * (value_noise(size, rng, 3, 4) - 0.5)
    return to_u8((0.92 + 0.10 * rings + grain)[..., None] * np.asarray(colour))


def cloth(colour: Colour, style: Literal["plain", "stripes", "checks", "dots"] | None, rng: np.random.Generator) -> U8:
    """Woven cloth: plain, striped, checked or dotted (drawn unless ``style`` says), creased and a little soiled."""
    kinds: tuple[Literal["plain", "stripes", "checks", "dots"], ...] = ("plain", "plain", "stripes", "checks", "dots")
    kind = style or kinds[int(rng.integers(len(kinds)))]
    other = np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.0, 0.5), rng.uniform(0.3, 0.9)))
    axis, pitch = np.arange(_N), int(rng.choice((8, 16)))
    row, column = (axis // (pitch // 2) % 2)[:, None], (axis // (pitch // 2) % 2)[None, :]
    share: F64
    if kind == "plain":
        share = np.zeros((_N, _N))
    elif kind == "stripes":
        share = np.asarray(np.broadcast_to(column, (_N, _N)) * 0.8, np.float64)
    elif kind == "checks":
        share = np.asarray((row + column) * 0.45, np.float64)
    else:
        x, y = axis % pitch - pitch / 2 + 0.5, axis % pitch - pitch / 2 + 0.5
        share = np.where(x[None, :] ** 2 + y[:, None] ** 2 < (0.25 * pitch) ** 2, 0.85, 0.0)
    art = np.asarray(colour) * (1 - share[..., None]) + other * share[..., None]
    crease = 0.8 + 0.4 * value_noise(_N, rng, 4, 3)
    return to_u8(art * (crease + rng.normal(0, 0.05, (_N, _N)))[..., None])


def wall(colour: Colour, variant: int, rng: np.random.Generator) -> U8:
    """Painted plaster with faint stains; one in four is wallpaper, striped or with a motif. 2.5 m of wall."""
    n = 2 * _N
    art = np.broadcast_to(np.asarray(colour), (n, n, 3))
    if variant % 4 == 3:
        darker = np.asarray(colour) * rng.uniform(0.7, 0.88, 3)
        axis = np.arange(n)
        pitch = int(rng.choice((8, 16)))
        if variant % 8 == 3:
            share = np.broadcast_to((axis // (pitch // 2) % 2)[None, :], (n, n)).astype(np.float64)
        else:
            x = (axis[None, :] + pitch // 2 * (axis[:, None] // pitch % 2)) % pitch - pitch / 2
            y = axis[:, None] % pitch - pitch / 2
            share = ((np.abs(x) + np.abs(y)) < 0.3 * pitch).astype(np.float64)
        art = art * (1 - share[..., None]) + darker * share[..., None]
    stain = 0.95 + 0.09 * value_noise(n, rng, 5, 3)
    dust = 1 - 0.06 * np.linspace(0, 1, n)[:, None] ** 4
    return to_u8(art * (stain * dust + rng.normal(0, 0.008, (n, n)))[..., None])


def boards(colour: Colour, rng: np.random.Generator) -> U8:
    """Floor boards, 2 m by 2 m: eleven rows of planks that differ, with dark joints."""
    n, rows = 2 * _N, 11
    row = np.arange(n) * rows // n
    start = rng.uniform(0, 2, rows)
    plank = ((np.arange(n)[None, :] / n * 2 + start[row][:, None]) % 2).astype(np.int64)
    tone = rng.uniform(0.78, 1.12, (rows, 2))[row[:, None], plank]
    grain = value_noise(n, rng, 5, 4)[:, np.arange(n) // 6] - 0.5 + rng.normal(0, 0.03, (n, 1))
    joint = ((np.arange(n) * rows / n) % 1 < 0.1)[:, None]
    art = (tone + 0.25 * grain) * np.where(joint, 0.6, 1.0)
    return to_u8(art[..., None] * np.asarray(colour))


def tiles(colour: Colour, rng: np.random.Generator) -> U8:
    """Stone or ceramic tiles with joints, in one or two colours."""
    n, count = 2 * _N, int(rng.choice((4, 6)))
    axis = np.arange(n) * count / n
    cell = axis.astype(np.int64)
    grey = 0.55 + 0.45 * np.asarray(colour)  # paler than wood
    tone = rng.uniform(0.9, 1.06, (count, count))[cell[:, None], cell[None, :]]
    if rng.random() < 0.4:
        tone = tone * np.where((cell[:, None] + cell[None, :]) % 2 == 1, rng.uniform(0.35, 0.6), 1.0)
    joint = (axis % 1 < 0.06)[:, None] | (axis % 1 < 0.06)[None, :]
    field = 0.92 + 0.16 * value_noise(n, rng, 5, 4)
    return to_u8((tone * field * np.where(joint, 0.7, 1.0))[..., None] * grey)


def carpet(colour: Colour, rng: np.random.Generator) -> U8:
    """Fitted carpet: fibres, and where people walk."""
    n = 2 * _N
    field = 0.8 + 0.3 * value_noise(n, rng, 4, 3) + rng.normal(0, 0.10, (n, n))
    hue = np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.4), rng.uniform(0.35, 0.65)))
    return to_u8(field[..., None] * (0.6 * hue + 0.4 * np.asarray(colour)))


def rug(colour: Colour, rng: np.random.Generator) -> U8:
    """A rug with a border and a woven field."""
    field = cloth(colour, None, rng) / 255.0
    edge = np.minimum(np.arange(_N), _N - 1 - np.arange(_N))
    distance = np.minimum(edge[:, None], edge[None, :])
    border = np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.85)))
    band = ((distance >= 3) & (distance < 8))[..., None]
    return to_u8(np.where(band, border * (0.9 + 0.2 * value_noise(_N, rng, 4, 4)[..., None]), field))


def books(rng: np.random.Generator) -> U8:
    """A row of spines, each of one colour with a band or two; the gap above the lower ones is dark."""
    art = np.zeros((_N, _N, 3))
    x = 0
    while x < _N:
        wide, low = int(rng.integers(2, 6)), int(rng.integers(0, 14))
        colour = np.asarray(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.75), rng.uniform(0.2, 0.85)))
        art[low:, x : x + wide] = colour
        for _ in range(int(rng.integers(0, 3))):
            y = int(rng.integers(low, _N - 4))
            art[y : y + 3, x : x + wide] = colour * 0.4 + 0.5
        art[:low, x : x + wide] = 0.06
        art[:, x] *= 0.5
        x += wide
    return to_u8(art)
