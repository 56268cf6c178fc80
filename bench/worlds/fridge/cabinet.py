"""The cabinet of the vending world: walls, shelves, price strips, lights; and the one fixed camera.

Metres; x to the right, y into the cabinet (0 in its middle), z up from the lower shelf.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.samples import U8, Domain
from bench.seeds import derive
from bench.worlds.rendering.mesh import box, merge, quad
from bench.worlds.rendering.pathtrace import Lamp
from bench.worlds.rendering.scene import Camera, Colour, Part, Surface
from bench.worlds.rendering.textures import brushed, speckled

WIDTH, DEPTH, BAY = 0.410, 0.250, 0.205
"""Inner width and depth of the cabinet and height from one shelf to the next."""
SHELVES = (0.0, BAY)
BOARD = 0.012
FRONT = -DEPTH / 2
_TOP = len(SHELVES) * BAY


def camera(size: int) -> Camera:
    """The fixed camera in front of the cabinet, ideal (no lens distortion), for ``size`` pixels square."""
    return Camera.looking(eye=(0.0, -1.06, 0.330), target=(0.0, FRONT, 0.192), field_of_view=25.6, size=size)


@dataclass(frozen=True, slots=True)
class Machine:
    """The look of one individual cabinet: the same in every picture of a world seed.

    Attributes:
        seed: fixes stains, scuffs and price tags.
        wall, board, frame: sRGB 0 to 1.
    """

    seed: int
    wall: Colour
    board: Colour
    frame: Colour

    @classmethod
    def of(cls, world_seed: int) -> Machine:
        """Draw the machine of a world."""
        rng = np.random.default_rng(derive("vending", "machine", world_seed))
        tone, warmth = rng.uniform(0.50, 0.72), rng.uniform(-0.03, 0.03)
        wall = (tone + warmth, tone, tone - warmth)
        board = (0.80 + warmth / 2, 0.80, 0.79)
        dark = rng.uniform(0.12, 0.30)
        return cls(derive("vending", "surfaces", world_seed), wall, board, (dark, dark, dark * 1.05))

    @lru_cache(maxsize=8)  # noqa: B019 -- machines are small frozen values, and every picture asks for the same few
    def parts(self, domain: Domain) -> tuple[Part, ...]:
        """The empty cabinet: plain colours for "synthetic", stained and tagged surfaces for "real"."""
        half = WIDTH / 2
        lip = FRONT - 0.004  # where the frame stands; the side walls reach it, or the eye would see past them
        back = quad((-half, DEPTH / 2, -0.04), (WIDTH, 0, 0), (0, 0, _TOP + 0.08), (1, 1))
        left = quad((-half, lip, -0.04), (0, DEPTH / 2 - lip, 0), (0, 0, _TOP + 0.08), (0.6, 1))
        right = quad((half, DEPTH / 2, -0.04), (0, lip - DEPTH / 2, 0), (0, 0, _TOP + 0.08), (0.6, 1))
        boards = [box(WIDTH, DEPTH, BOARD).moved(offset=(0, 0, z - BOARD)) for z in (*SHELVES, _TOP)]
        strips = [quad((-half, FRONT - 0.002, z - 0.024), (WIDTH, 0, 0), (0, 0, 0.024)) for z in SHELVES]
        posts = [quad((x, lip, -0.2), (0.1, 0, 0), (0, 0, 0.8)) for x in (-half - 0.1, half)]
        header = quad((-half, lip, _TOP - 0.016), (WIDTH, 0, 0), (0, 0, 0.2))
        sill = quad((-half, lip, -0.2), (WIDTH, 0, 0), (0, 0, 0.176))
        surfaces = self._surfaces(domain)
        scene = [Part(merge([back, left, right]), surfaces["wall"]), Part(merge(boards), surfaces["board"])]
        scene += [Part(strip, surfaces[f"strip{level}"]) for level, strip in enumerate(strips)]
        return (*scene, Part(merge([*posts, header, sill]), surfaces["frame"]))

    def _surfaces(self, domain: Domain) -> dict[str, Surface]:
        levels = range(len(SHELVES))
        if domain == "synthetic":
            flat = {"wall": (0.66, 0.69, 0.72), "board": (0.80, 0.80, 0.78), "frame": (0.30, 0.31, 0.33)}
            flat |= {f"strip{level}": (0.90, 0.90, 0.86) for level in levels}
            return {name: Surface(f"cabinet/{name}/synthetic", colour) for name, colour in flat.items()}
        rng = np.random.default_rng(self.seed)
        textures: dict[str, U8] = {"wall": brushed(96, rng, self.wall), "board": speckled(96, rng, self.board, 0.12)}
        textures["frame"] = speckled(64, rng, self.frame, 0.15)
        textures |= {f"strip{level}": _price_strip(rng) for level in levels}
        finish = {"wall": (0.42, 0.35), "board": (0.30, 0.0), "frame": (0.40, 0.0)}
        out = {}
        for name, texture in textures.items():
            roughness, metallic = finish.get(name, (0.35, 0.0))
            key = f"cabinet/{name}/{self.seed}"
            out[name] = Surface(key, texture=texture, finish="principled", roughness=roughness, metallic=metallic)
        return out


def draw_lamps(rng: np.random.Generator) -> tuple[list[Lamp], tuple[float, float, float]]:
    """The light of one picture: an LED strip in each bay, a bright window or sign in front, and the dim room.

    Returns the lamps and the RGB radiance of the room.
    """
    warmth, level = rng.uniform(-0.12, 0.12), 2.0 ** rng.uniform(-0.4, 0.4)
    lamps = []
    for z in SHELVES:
        power = 20.0 * level * rng.uniform(0.75, 1.25)
        centre = (0.0, FRONT + 0.024, z + BAY - BOARD - 0.002)
        radiance = (power * (1 + warmth), power, power * (1 - warmth))
        lamps.append(Lamp(centre, (0.94 * WIDTH, 0.014), (0.0, 0.15, -1.0), radiance))
    tint, glow = rng.uniform(-0.25, 0.25), rng.uniform(0.5, 5.0)
    window = (rng.uniform(-1.2, 1.2), -1.9, rng.uniform(0.5, 1.4))
    towards = (-window[0], 1.9, 0.2 - window[2])
    shape = (rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9))
    lamps.append(Lamp(window, shape, towards, (glow * (1 + tint), glow, glow * (1 - tint))))
    dim = rng.uniform(0.05, 0.22)
    return lamps, (dim * (1 + tint / 2), dim, dim * (1 - tint / 2))


def _price_strip(rng: np.random.Generator) -> U8:
    """A strip of price tags, (32, 512, 3)."""
    image = Image.new("RGB", (512, 32), (222, 220, 212))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=17)
    for x in range(16, 490, 72):
        left = x + int(rng.integers(-8, 9))
        sale = rng.random() < 0.35
        pen.rectangle((left, 3, left + 44, 28), fill=(250, 226, 90) if sale else (252, 252, 250))
        ink = (190, 20, 20) if sale else (20, 20, 20)
        pen.text((left + 5, 6), f"{rng.integers(0, 5)}.{rng.integers(10, 99)}", font=font, fill=ink)
    return np.asarray(image).astype(np.uint8)
