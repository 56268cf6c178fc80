"""From where an object is seen, and the quaternion that says so.

The renderer's camera never moves: it stands at (0, -distance, 0) and looks at the origin, where the object's centre is
(x right, y forward, z up). `View.turn` brings the table, and all that stands on it, in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.worlds.rendering.mesh import F64
from bench.worlds.rendering.scene import Camera

CROP = 0.20
"""Width in metres of what a crop shows at the distance of the object's centre (Wohlhart and Lepetit 2015)."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera is, as seen from the object; angles in radians, ``distance`` in metres.

    ``roll`` turns the camera about its optical axis; at 0 the table's vertical is upright in the image.
    """

    azimuth: float
    elevation: float
    roll: float
    distance: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> View:
        """A view from the upper hemisphere: uniform on it between 15 and 85 degrees, rolled by up to 45 degrees."""
        low, high = np.sin(np.radians((15.0, 85.0)))
        return cls(
            azimuth=float(rng.uniform(-np.pi, np.pi)), elevation=float(np.arcsin(rng.uniform(low, high))),
            roll=float(rng.uniform(-np.pi / 4, np.pi / 4)), distance=float(rng.uniform(0.65, 1.10)),
        )

    @property
    def towards(self) -> F64:
        """(3,) unit vector from the object to the camera, in the table's axes."""
        flat = np.cos(self.elevation)
        return np.array([flat * np.cos(self.azimuth), flat * np.sin(self.azimuth), np.sin(self.elevation)])

    @property
    def turn(self) -> F64:
        """(3, 3) rotation from the table's axes to the renderer's: rows right, forward and up of the camera."""
        forward = -self.towards
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        up, c, s = np.cross(right, forward), np.cos(self.roll), np.sin(self.roll)
        return np.stack([c * right + s * up, forward, c * up - s * right])

    @property
    def quaternion(self) -> F64:
        """(4,) unit quaternion w, x, y, z with w >= 0: object axes to camera axes x right, y down, z forward."""
        right, forward, up = self.turn
        from scipy.spatial.transform import Rotation  # half a second that planning does without

        x, y, z, w = Rotation.from_matrix(np.stack([right, -up, forward])).as_quat()
        return np.array([w, x, y, z]) * (1.0 if w >= 0 else -1.0)

    def camera(self, size: int) -> Camera:
        """The renderer's camera for crops of ``size`` pixels that are `CROP` wide."""
        eye = np.array([0.0, -self.distance, 0.0])
        return Camera(eye, np.zeros(3), size * self.distance / CROP, size, size)
