"""A room as geometry: its plan built with the materials of one look. Every part's instance is its class plus 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.samples import Domain
from bench.seeds import derive
from bench.worlds.furnished import fittings, furniture
from bench.worlds.furnished.furniture import Shape
from bench.worlds.furnished.items import CLASS_OF, CLASSES, Item
from bench.worlds.furnished.light import draw_lamps
from bench.worlds.furnished.materials import VARIANTS, Material, surface
from bench.worlds.furnished.plan import Plan, draw_plan
from bench.worlds.rendering.mesh import Mesh, merge, quad
from bench.worlds.rendering.pathtrace import Lamp
from bench.worlds.rendering.scene import Geometry, Part, Surface

_Body = tuple[str, Material, str, Mesh]
"""Class, material, what its individual is drawn from, and mesh."""
_SHAPES = {
    "bed": furniture.bed, "sofa": furniture.sofa, "armchair": furniture.sofa, "chair": furniture.chair,
    "stool": furniture.stool, "table": furniture.table, "desk": furniture.table, "coffee_table": furniture.table,
    "nightstand": furniture.cabinet, "wardrobe": furniture.cabinet, "chest": furniture.cabinet,
    "shelf": furniture.shelf, "floor_lamp": fittings.lamp, "table_lamp": fittings.lamp, "ceiling_lamp": fittings.lamp,
    "plant": fittings.plant, "vase": fittings.vase, "screen": fittings.screen, "carton": fittings.carton,
    "rug": fittings.rug, "window": fittings.window, "curtain": fittings.curtain, "door": fittings.door,
    "picture": fittings.picture,
}  # fmt: skip


def shape(item: Item, rng: np.random.Generator) -> Shape:
    """The meshes of a thing, standing on the origin; ``rng`` draws what no plan tells (slats, books, leaves)."""
    return _SHAPES[item.kind](item, rng)


@dataclass(frozen=True)
class Room:
    """One room in one look, drawn from (place, domain, split, number) alone; ``place`` is the world's seed."""

    place: int
    domain: Domain
    split: str
    number: int

    def seed(self, *axes: str | int) -> int:
        """A seed for one random thing in this room."""
        return derive("rooms", self.place, self.domain, self.split, self.number, *axes)

    @cached_property
    def plan(self) -> Plan:
        """What stands where."""
        return draw_plan(np.random.default_rng(self.seed("plan")))

    @cached_property
    def lamps(self) -> list[Lamp]:
        """Daylight from the windows and what is switched on, for the real look."""
        return draw_lamps(self.plan, np.random.default_rng(self.seed("light")))

    @cached_property
    def parts(self) -> list[Part]:
        """Everything, joined by class and surface."""
        found: dict[tuple[int, Surface], list[Mesh]] = {}
        for kind, material, owner, mesh in [*self._shell(), *self._things()]:
            look = surface(material, self._variant(material, owner), self.domain)
            found.setdefault((CLASSES.index(kind), look), []).append(mesh)
        return [Part(merge(meshes), look, instance=index + 1) for (index, look), meshes in found.items()]

    @cached_property
    def geometry(self) -> Geometry:
        """All parts in one soup."""
        return Geometry.of(self.parts)

    def _variant(self, material: Material, owner: str) -> int:
        """Things of one kind match; wood and boards match throughout half of the rooms."""
        alike = material in ("wood", "board", "front") and self.seed("matched") % 2 == 0
        body = "board" if material == "front" else material
        return self.seed("look", body, "" if alike else owner) % VARIANTS

    def _shell(self) -> list[_Body]:
        """Floor, ceiling, walls (one in four rooms has one of another colour) and skirting boards."""
        w, d, h = self.plan.width, self.plan.depth, self.plan.height
        floor = quad((0, 0, 0), (w, 0, 0), (0, d, 0), (w / 2, d / 2))
        ceiling = quad((0, d, h), (w, 0, 0), (0, -d, 0), (w / 2, d / 2))
        out: list[_Body] = [("floor", "floor", "", floor), ("ceiling", "ceiling", "", ceiling)]
        accent = self.seed("accent") % 16
        around = (
            ((0, d), (w, 0)), ((w, d), (0, -d)), ((w, 0), (-w, 0)), ((0, 0), (0, d)),
        )  # fmt: skip
        for wall, (corner, right) in enumerate(around):
            length, owner = float(np.hypot(*right)), "accent" if wall == accent else ""
            mesh = quad((*corner, 0), (*right, 0), (0, 0, h), (length / 2.5, h / 2.5))
            out.append(("wall", "wall", owner, mesh))
        thick, tall = 0.015, 0.08
        boards = [
            furniture.slab(w, thick, tall, w / 2, d - thick / 2), furniture.slab(w, thick, tall, w / 2, thick / 2),
            furniture.slab(thick, d, tall, w - thick / 2, d / 2), furniture.slab(thick, d, tall, thick / 2, d / 2),
        ]  # fmt: skip
        return [*out, ("wall", "frame", "skirting", merge(boards))]

    def _things(self) -> list[_Body]:
        out: list[_Body] = []
        for number, item in enumerate(self.plan.items):
            # Chairs of one room are alike, its pictures are not.
            alike = item.kind in ("chair", "nightstand", "table_lamp", "window", "curtain")
            rng = np.random.default_rng(self.seed("shape", item.kind, 0 if alike else number))
            owner = item.kind if alike else f"{item.kind}{number}"
            rotation, offset = item.place
            for mesh, material in shape(item, rng):
                out.append((CLASS_OF[item.kind], material, owner, mesh.moved(rotation, offset)))
        return out
