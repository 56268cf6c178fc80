"""What a renderer is given: parts with surfaces, and a pinhole camera."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.worlds.rendering.mesh import F64, I64, Mesh

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Surface:
    """How a part looks; equal when the key is equal, so that renderers may cache by it.

    Attributes:
        key: names this look, its print included; two different looks never share one.
        colour: sRGB, 0 to 1; ignored where there is a texture.
        texture: (H, W, 3) uint8 sRGB print, first row at the top (v = 1), or None.
        finish: "diffuse", "principled" (roughness, metallic, coat) or "metal" (bare aluminium, roughness).
        roughness, metallic, coat: 0 to 1, as in the Disney principled model.
    """

    key: str
    colour: Colour = field(default=(0.5, 0.5, 0.5), compare=False)
    texture: NDArray[np.uint8] | None = field(default=None, compare=False)
    finish: Literal["diffuse", "principled", "metal"] = field(default="diffuse", compare=False)
    roughness: float = field(default=0.4, compare=False)
    metallic: float = field(default=0.0, compare=False)
    coat: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A mesh with its surface; ``instance`` is 0 for the scenery, else the number of the object it belongs to."""

    mesh: Mesh
    surface: Surface
    instance: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """All parts in one soup: as `Mesh`, and ``part`` (F,) says which part each face belongs to."""

    vertices: F64
    faces: I64
    normals: F64
    uv: F64
    part: I64

    @classmethod
    def of(cls, parts: list[Part]) -> Geometry:
        """Join the meshes of ``parts``."""
        meshes = [part.mesh for part in parts]
        starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
        return cls(
            np.concatenate([mesh.vertices for mesh in meshes]),
            np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)]),
            np.concatenate([mesh.normals for mesh in meshes]),
            np.concatenate([mesh.uv for mesh in meshes]),
            np.repeat(np.arange(len(parts)), [len(mesh.faces) for mesh in meshes]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """An ideal pinhole camera.

    Attributes:
        eye, target: (3,) metres.
        focal: focal length in pixels.
        width, height: image size in pixels; the optical axis meets the image centre.
        roll: radians that the camera is turned about its axis (positive: its right side goes down).
    """

    eye: F64
    target: F64
    focal: float
    width: int
    height: int
    roll: float = 0.0

    @classmethod
    def looking(
        cls, eye: ArrayLike, target: ArrayLike, field_of_view: float, size: int, roll: float = 0.0
    ) -> Camera:
        """A camera for square images of ``size`` pixels that span ``field_of_view`` degrees."""
        focal = 0.5 * size / np.tan(np.radians(field_of_view) / 2)
        return cls(np.asarray(eye, np.float64), np.asarray(target, np.float64), float(focal), size, size, roll)

    def with_margin(self, margin: int) -> Camera:
        """The same view with ``margin`` more pixels on every side, which a lens warp may draw from."""
        return replace(self, width=self.width + 2 * margin, height=self.height + 2 * margin)

    @property
    def axes(self) -> F64:
        """(3, 3): rows right, up and forward in world coordinates, unit length; up is nearest to z without roll."""
        forward = self.target - self.eye
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right = right / np.linalg.norm(right)
        up = np.cross(right, forward)
        if self.roll:
            cos, sin = np.cos(self.roll), np.sin(self.roll)
            right, up = cos * right - sin * up, sin * right + cos * up
        return np.stack([right, up, forward])

    def to_camera(self, points: F64) -> F64:
        """(N, 3) world metres to right, up, forward metres from the eye; forward is the labels' depth."""
        return np.asarray((points - self.eye) @ self.axes.T)

    def project(self, points: F64) -> F64:
        """(N, 3) world metres to (N, 2) pixels x, y; pixel (column 0, row 0) has its centre at (0.5, 0.5)."""
        local = self.to_camera(points)
        scale = self.focal / local[:, 2]
        return np.stack([self.width / 2 + local[:, 0] * scale, self.height / 2 - local[:, 1] * scale], 1)

    def rays(self) -> F64:
        """(H, W, 3) directions through the pixel centres, scaled so that one unit is one metre of depth."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (self.height / 2 - np.arange(self.height) - 0.5) / self.focal
        right, up, forward = self.axes
        return np.asarray(forward + x[None, :, None] * right + y[:, None, None] * up)
