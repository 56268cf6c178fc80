"""Laser scans of KITTI raw (Geiger et al. 2013), projected into a camera's image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DataError
from bench.formats.depths import cleaned
from bench.picture_files import MOST_BYTES
from bench.reading import read_bytes, read_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


FARTHEST_POINT = 1e4
NEAREST_POINT = 1e-3
"""Metres between which a point is one: pixel numbers stay whole numbers."""


@dataclass(frozen=True, slots=True)
class LaserScan:
    """Scans (float32 x, y, z, reflectance; metres, x forward) of the date whose folder has the calib files.

    Attributes:
        date: folder with calib_cam_to_cam.txt and calib_velo_to_cam.txt.
        camera: "02" (left colour) or "03" (right).
    """

    date: Path
    camera: str

    def metres(self, path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W) sparse metres along the camera's axis for an image of ``size`` (width, height), 0 = unknown.

        Where several points fall into a pixel the nearest counts. Pixel numbers are those of KITTI's development kit
        (rounded, counted from 1).

        Raises:
            ValueError: the scan is not whole.
            DataError: a calib file is missing or broken, or the depths are no metres.
        """
        import numpy as np

        data = read_bytes(path, MOST_BYTES)
        if not data or len(data) % 16:
            raise ValueError(f"{len(data)} bytes are no scan of 16-byte points")
        with np.errstate(invalid="ignore"):
            points = np.frombuffer(data, np.float32).reshape(-1, 4).astype(np.float64)
        points = points[(np.abs(points) < FARTHEST_POINT).all(1) & (points[:, 0] >= 0)]  # nor what is NaN
        points[:, 3] = 1
        projected = points @ projection(self.date, self.camera).T
        projected = projected[projected[:, 2] > NEAREST_POINT]
        depth = projected[:, 2]
        column, row = (np.round(projected[:, k] / depth).astype(np.int64) - 1 for k in (0, 1))
        width, height = size
        seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        nearest = np.full((height, width), np.inf)
        np.minimum.at(nearest, (row[seen], column[seen]), depth[seen])
        return cleaned(nearest.astype(np.float32), str(path), "are the scan and calib files KITTI's?")


@lru_cache(maxsize=64)
def projection(date: Path, camera: str) -> NDArray[np.float64]:
    """(3, 4): from the scanner's coordinates to a rectified camera's homogeneous pixels; raises `DataError`."""
    import numpy as np

    cameras, scanner = _calib(date / "calib_cam_to_cam.txt"), _calib(date / "calib_velo_to_cam.txt")
    project = _matrix(cameras, f"P_rect_{camera}", (3, 4), date / "calib_cam_to_cam.txt")
    rectify, move = np.eye(4), np.eye(4)
    rectify[:3, :3] = _matrix(cameras, "R_rect_00", (3, 3), date / "calib_cam_to_cam.txt")
    move[:3, :3] = _matrix(scanner, "R", (3, 3), date / "calib_velo_to_cam.txt")
    move[:3, 3] = _matrix(scanner, "T", (3,), date / "calib_velo_to_cam.txt")
    return np.asarray(project @ rectify @ move)


def _calib(path: Path) -> dict[str, str]:
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; it is in the calib download of that date") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a text file ({error}); unpack the calib download again") from None
    return {key.strip(): rest for key, _, rest in (line.partition(":") for line in lines)}


def _matrix(entries: Mapping[str, str], key: str, shape: tuple[int, ...], path: Path) -> NDArray[np.float64]:
    import numpy as np

    try:
        matrix = np.array([float(word) for word in entries[key].split()]).reshape(shape)
        if not (np.abs(matrix) < 1e9).all():
            raise ValueError("not finite")
        return matrix
    except (KeyError, ValueError):
        size = "x".join(map(str, shape))
        raise DataError(f"{path}: no {size} numbers {key}; unpack the calib download again") from None
