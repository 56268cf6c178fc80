"""The ten products of the vending world: shapes in metres, artwork and colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.worlds.fridge import shapes
from bench.worlds.rendering.artwork import Design
from bench.worlds.rendering.scene import Colour

_SILVER = (0.76, 0.77, 0.79)


@dataclass(frozen=True, slots=True)
class Product:
    """One product.

    Attributes:
        name: the class name.
        footprint: metres, (width, depth); a single number is the diameter of a round one, which may stand at any angle.
        height: metres.
        shape: makes its meshes.
        design: its artwork.
        body, cap, lid: sRGB of what is not printed.
        tin: a can: its print lies on metal, its ends are bare.
    """

    name: str
    footprint: float | tuple[float, float]
    height: float
    shape: shapes.Shape
    design: Design
    body: Colour = _SILVER
    cap: Colour = _SILVER
    lid: Colour = _SILVER
    tin: bool = False

    @property
    def round(self) -> bool:
        """Whether its footprint is a disc."""
        return isinstance(self.footprint, float)

    @property
    def width(self) -> float:
        """Extent in metres along the shelf when it faces the front."""
        return self.footprint if isinstance(self.footprint, float) else self.footprint[0]

    @property
    def depth(self) -> float:
        """Extent in metres into the shelf when it faces the front."""
        return self.footprint if isinstance(self.footprint, float) else self.footprint[1]

    @property
    def radius(self) -> float:
        """Radius in metres of the circle that holds its footprint."""
        return self.width / 2 if self.round else float(np.hypot(self.width, self.depth)) / 2


PRODUCTS = (
    Product(
        "cola-can", 0.068, 0.115, shapes.can(0.034, 0.115), tin=True,
        design=Design("KOLVA", "CLASSIC", (0.78, 0.07, 0.10), (0.97, 0.95, 0.90), (0.60, 0.03, 0.06), "waves", 2),
    ),
    Product(
        "energy-can", 0.065, 0.150, shapes.can(0.0325, 0.150), tin=True,
        design=Design("ZENOR", "ZERO", (0.10, 0.16, 0.42), (0.72, 0.76, 0.82), (0.95, 0.85, 0.20), "slashes", 2),
    ),
    Product(
        "soda-bottle", 0.0692, 0.172, shapes.soda_bottle, body=(0.88, 0.42, 0.07), cap=(0.10, 0.40, 0.58),
        design=Design("ORANTI", "FRESH", (0.10, 0.45, 0.62), (0.99, 0.93, 0.80), (0.90, 0.36, 0.05), "fade", 2),
    ),
    Product(
        "beer-bottle", 0.0662, 0.178, shapes.beer_bottle, body=(0.10, 0.23, 0.10), cap=(0.75, 0.62, 0.25),
        design=Design("HOLDEN", "ORIGINAL", (0.88, 0.82, 0.66), (0.62, 0.10, 0.08), (0.95, 0.88, 0.68), "bands", 2),
    ),
    Product(
        "milk-carton", (0.068, 0.068), 0.168, shapes.milk_carton, cap=(0.55, 0.76, 0.90),
        design=Design("ALPIVA", "WHOLE", (0.90, 0.93, 0.95), (0.30, 0.62, 0.86), (0.08, 0.22, 0.50), "waves"),
    ),
    Product(
        "juice-box", (0.066, 0.046), 0.134, shapes.juice_box, cap=(0.93, 0.93, 0.90),
        design=Design("MANGOLA", "NO SUGAR", (0.96, 0.74, 0.12), (0.30, 0.58, 0.16), (0.99, 0.97, 0.88), "dots"),
    ),
    Product(
        "jam-jar", 0.0772, 0.091, shapes.jam_jar, body=(0.33, 0.05, 0.20), lid=(0.80, 0.66, 0.30),
        design=Design("BERIA", "EXTRA", (0.96, 0.92, 0.86), (0.55, 0.16, 0.50), (0.96, 0.92, 0.90), "dots", 2),
    ),
    Product(
        "chips-bag", (0.122, 0.078), 0.162, shapes.chips_bag,
        design=Design("CRISPA", "SALTED", (0.14, 0.52, 0.20), (0.95, 0.80, 0.15), (0.70, 0.10, 0.08), "waves"),
    ),
    Product(
        "yogurt-cup", 0.073, 0.0745, shapes.yogurt_cup,
        design=Design("LUMI", "LIGHT", (0.95, 0.80, 0.84), (0.86, 0.25, 0.45), (0.99, 0.97, 0.96), "dots", 2),
    ),
    Product(
        "biscuit-box", (0.120, 0.046), 0.078, shapes.biscuit_box,
        design=Design("TORVAL", "BISCUITS", (0.42, 0.22, 0.11), (0.93, 0.78, 0.52), (0.35, 0.12, 0.05), "fade"),
    ),
)
"""Every product of the world, in the order of the class indices."""
