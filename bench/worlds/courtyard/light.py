"""The light of one flight: a low sun and a sky with clouds, or a bright overcast."""

from __future__ import annotations

import numpy as np

from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.pathtrace import Sky, Sun
from bench.worlds.rendering.textures import value_noise

_ROWS, _COLUMNS = 32, 64


def draw_light(rng: np.random.Generator) -> tuple[Sun, Sky]:
    """Sun and sky of one course; a third of them are overcast, where the sun only just shows."""
    overcast = rng.random() < 0.33
    elevation, azimuth = np.radians(rng.uniform(12, 40)), float(rng.uniform(-np.pi, np.pi))
    towards = (
        float(np.cos(elevation) * np.cos(azimuth)), float(np.cos(elevation) * np.sin(azimuth)), float(np.sin(elevation))
    )
    warmth = 0.45 * (1 - elevation / np.radians(45))
    power = float(rng.uniform(0.2, 0.8) if overcast else rng.uniform(3.0, 5.0))
    sun = Sun(towards, (power, power * (1 - 0.5 * warmth), power * (1 - warmth)))
    cover = float(rng.uniform(0.8, 1.0) if overcast else rng.uniform(0.0, 0.6))
    return sun, Sky(_sky(rng, cover, np.array(towards)))


def _sky(rng: np.random.Generator, cover: float, towards: F64) -> F64:
    """(32, 64, 3) radiance: blue, paler at the horizon and towards the sun, with clouds; dim below the horizon."""
    polar = (np.arange(_ROWS) + 0.5) / _ROWS * np.pi
    turn = (np.arange(_COLUMNS) + 0.5) / _COLUMNS * 2 * np.pi
    height = np.cos(polar)[:, None, None]
    level = np.sin(polar)[:, None]
    axes = np.broadcast_arrays(level * np.sin(turn), level * np.cos(turn), height[..., 0])
    direction = np.stack(axes, -1)
    glow = np.exp(-((1 - direction @ towards) / 0.25))[..., None]
    pale = np.exp(-height.clip(0) / 0.22)
    clear = (1 - pale) * np.array((0.28, 0.45, 0.85)) + pale * np.array((0.75, 0.82, 0.92))
    clear = clear * 0.9 + glow * np.array((1.1, 0.9, 0.6))
    field = value_noise(_COLUMNS, rng, 4, 4)[:_ROWS]
    cloud = ((field - (1 - cover)) / 0.35).clip(0, 1)[..., None]
    grey = np.array((1.15, 1.15, 1.2)) * (0.65 + 0.5 * value_noise(_COLUMNS, rng, 3, 4)[:_ROWS, :, None])
    sky = clear * (1 - cloud) + grey * cloud
    return np.asarray(np.where(height > -0.02, sky, np.array((0.22, 0.22, 0.18))))
