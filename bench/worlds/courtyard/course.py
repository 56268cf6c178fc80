"""A course as geometry: its layout built with the materials of one look. Every part's instance is its class plus 1."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from bench.formats.courses import GroundPlan
from bench.samples import Domain
from bench.seeds import derive
from bench.worlds.courtyard.layout import RUN_OUT, Layout, Side, draw_layout
from bench.worlds.courtyard.light import draw_light
from bench.worlds.courtyard.materials import Material, surface
from bench.worlds.courtyard.obstacles import CLASSES, WIDTH
from bench.worlds.courtyard.shapes import shape
from bench.worlds.rendering.mesh import Mesh, merge, quad, sheet
from bench.worlds.rendering.pathtrace import Sky, Sun
from bench.worlds.rendering.scene import Geometry, Part, Surface

_FAR = 40.0  # how far the ground goes beyond the lane


@dataclass(frozen=True)
class Course:
    """One obstacle course in one look, drawn from (place, domain, split, number) alone.

    Attributes:
        place: the world's seed: all real courses of one seed are made of the same materials.
        domain: "synthetic" or "real".
        split: "train" or "test".
        number: of the course in its split.
        length: metres from the start to the finish.
        density: obstacles per metre that the drawing aims at.
    """

    place: int
    domain: Domain
    split: str
    number: int
    length: float
    density: float

    def __getstate__(self) -> dict[str, Any]:
        """What it is drawn from: what it has built would be sent to other processes with every view."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def seed(self, *axes: str | int) -> int:
        """A seed for one random thing in this course."""
        return derive("flight", self.place, self.domain, self.split, self.number, *axes)

    @cached_property
    def layout(self) -> Layout:
        """What stands where."""
        return draw_layout(np.random.default_rng(self.seed("layout")), self.length, self.density)

    @cached_property
    def plan(self) -> GroundPlan:
        """What can be hit."""
        return self.layout.plan

    @cached_property
    def light(self) -> tuple[Sun, Sky]:
        """Sun and sky of the real look."""
        return draw_light(np.random.default_rng(self.seed("light")))

    @cached_property
    def parts(self) -> list[Part]:
        """Everything, joined by class and surface."""
        found: dict[tuple[int, Surface], list[Mesh]] = {}
        rng = np.random.default_rng(self.seed("shapes"))
        for kind, material, variant, mesh in [*self._ground(), *self._borders(rng), *self._things(rng)]:
            look = surface(material, variant, self.domain, self.place)
            found.setdefault((CLASSES.index(kind), look), []).append(mesh)
        return [Part(merge(meshes), look, instance=index + 1) for (index, look), meshes in found.items()]

    @cached_property
    def geometry(self) -> Geometry:
        """All parts in one soup."""
        return Geometry.of(self.parts)

    def _ground(self) -> list[tuple[str, Material, int, Mesh]]:
        end = self.length + RUN_OUT
        length, width = end + 2 * _FAR, 2 * _FAR + WIDTH
        grass = quad((-_FAR, -width / 2, 0), (length, 0, 0), (0, width, 0), (length / 3, width / 3))
        path = quad((-_FAR, -1.3, 0.01), (length, 0, 0), (0, 2.6, 0), (length / 2, 1.3))
        return [("ground", "grass", 0, grass), ("ground", "path", 0, path)]

    def _borders(self, rng: np.random.Generator) -> list[tuple[str, Material, int, Mesh]]:
        layout, end = self.layout, self.length + RUN_OUT
        out = [_border(side, -WIDTH / 2, rng) for side in layout.right]
        out += [_border(side, WIDTH / 2, rng) for side in layout.left]
        closing = quad((end, WIDTH / 2, 0), (0, -WIDTH, 0), (0, 0, 3.2), (WIDTH / 2, 1.6))
        return [*out, ("wall", "masonry", int(rng.integers(3)), closing)]

    def _things(self, rng: np.random.Generator) -> list[tuple[str, Material, int, Mesh]]:
        out: list[tuple[str, Material, int, Mesh]] = []
        for thing in (*self.layout.obstacles, *self.layout.backdrop):
            house = thing.kind == "wall" and thing.half_width > 1
            for mesh, role in shape(thing, rng):
                kind = "foliage" if role == "leaves" else thing.kind
                out.append((kind, "facade" if house else role, thing.variant, mesh))
        return out


def _border(side: Side, y: float, rng: np.random.Generator) -> tuple[str, Material, int, Mesh]:
    """A stretch of wall or hedge that faces the lane; hedges bulge away from it by a hand's breadth."""
    length, inward = side.stop - side.start, -np.sign(y)
    if side.kind == "wall":
        begin, right = (side.start, length) if inward < 0 else (side.stop, -length)
        mesh = quad((begin, y, 0), (right, 0, 0), (0, 0, side.height), (length / 2, side.height / 2))
        return "wall", "masonry", side.variant, mesh
    columns = max(3, round(length / 0.7))
    along = np.linspace(0, length, columns)
    x = side.start + along if inward < 0 else side.stop - along
    level = np.linspace(0, 1, 6)
    points = np.zeros((6, columns, 3))
    points[..., 0] = x
    recess = rng.uniform(0, 0.16, (6, columns))
    recess[:, [0, -1]] = 0  # flush with its neighbours: no chink to see through
    points[..., 1] = y - inward * recess
    points[..., 2] = level[:, None] * side.height + (level[:, None] == 1) * rng.uniform(-0.25, 0.05, columns)
    points[-1, 1:-1, 1] -= inward * 0.5
    v, u = np.meshgrid(level * side.height / 2, along / 2, indexing="ij")
    return "foliage", "hedge", side.variant, sheet(points, np.stack([u, v], -1))

