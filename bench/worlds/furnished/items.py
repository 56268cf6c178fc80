"""What a room is furnished with: kinds, the class that each is labelled as, and where a thing stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.worlds.rendering.mesh import F64, turn_z

CLASSES = ("wall", "floor", "ceiling", "window", "bed", "table", "seat", "cabinet", "lamp", "other")
"""The labels, in order; a rug is floor, curtains are window, a desk is a table, books are the shelf that they fill."""

Kind = Literal[
    "bed", "sofa", "armchair", "chair", "stool", "table", "desk", "coffee_table", "nightstand", "wardrobe", "chest",
    "shelf", "floor_lamp", "table_lamp", "ceiling_lamp", "plant", "vase", "screen", "carton", "rug", "window",
    "curtain", "door", "picture",
]  # fmt: skip

CLASS_OF: dict[Kind, str] = {
    "bed": "bed", "sofa": "seat", "armchair": "seat", "chair": "seat", "stool": "seat", "table": "table",
    "desk": "table", "coffee_table": "table", "nightstand": "cabinet", "wardrobe": "cabinet", "chest": "cabinet",
    "shelf": "cabinet", "floor_lamp": "lamp", "table_lamp": "lamp", "ceiling_lamp": "lamp", "plant": "other",
    "vase": "other", "screen": "other", "carton": "other", "rug": "floor", "window": "window", "curtain": "window",
    "door": "other", "picture": "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One thing: its middle (x, y), its lower end ``z`` and its size, metres; its back is at +y turned by ``angle``."""

    kind: Kind
    x: float
    y: float
    width: float
    depth: float
    height: float
    z: float = 0.0
    angle: float = 0.0

    @property
    def top(self) -> float:
        """Metres above the floor."""
        return self.z + self.height

    @property
    def reach(self) -> F64:
        """(2,) half the extent along x and y of what it covers of the floor."""
        cos, sin = abs(np.cos(self.angle)), abs(np.sin(self.angle))
        return np.array([cos * self.width + sin * self.depth, sin * self.width + cos * self.depth]) / 2

    @property
    def place(self) -> tuple[F64, F64]:
        """Rotation (3, 3) and offset (3,) that bring a mesh, standing on the origin, to where the thing is."""
        return turn_z(self.angle), np.array([self.x, self.y, self.z])

    def moved(self, angle: float, x: float, y: float) -> Item:
        """A copy turned by ``angle`` radians about the origin, then shifted."""
        cos, sin = np.cos(angle), np.sin(angle)
        return replace(
            self, x=float(cos * self.x - sin * self.y + x), y=float(sin * self.x + cos * self.y + y),
            angle=self.angle + angle,
        )
