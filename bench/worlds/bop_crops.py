"""Square crops of fixed physical width, centred on an object: colours, masks and depth about the object's centre."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from bench.errors import DataError
from bench.samples import U8, Labels, read_png
from bench.worlds.bop_files import AGAIN, F64, Instances

CROP = 0.2
"""Width of a crop at the distance of the object's centre, metres (20 cm in the LineMod crops that PixelDA used)."""
REACH = 0.2
"""Depth is kept within so many metres of the object's centre; what is beyond counts as so far."""
FAR = 2 * REACH
NEAREST = 0.001
"""0 would mean unknown, so the nearest depth is a millimetre."""
Window: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels, where pixel k reaches from k to k + 1."""


def crop(rows: Instances, row: int, size: int, ids: tuple[int, ...], *, black: bool) -> tuple[U8, Labels]:
    """One object as a (size, size, 3) uint8 image with its labels; see `bench.worlds.bop.Bop`.

    Args:
        rows: annotated objects; ``row`` is the one to cut out.
        ids: object ids of the classes, in order.
        black: whether what is not the object becomes black and far.

    Raises:
        DataError: a file is missing, broken or of another size, or the pose is nowhere near the object's mask.
    """
    colour, depth_file, mask_file = rows.files(row)
    centre = rows.translation[row]
    if not centre[2] >= CROP / 2:
        raise DataError(f"{colour}: annotation {rows.number[row]}: {centre[2]:g} m from the camera; {AGAIN}")
    image, steps, mask = _picture(colour), read_png(depth_file), read_png(mask_file)
    for path, array in ((depth_file, steps), (mask_file, mask)):
        if array.shape != image.shape[:2]:
            raise DataError(f"{path}: shape {array.shape}, but {colour.name} is {image.shape[:2]}; {AGAIN}")
    if black:
        image = np.where(mask[..., None] > 0, image, np.uint8(0))
    at = window(rows.matrix[row], centre)
    picture, foreground = cut_image(image, at, size), cut_map(mask, at, size) > 0
    if not foreground.any():
        raise DataError(f"{mask_file}: nothing within {CROP * 100:g} cm of the labelled centre; {AGAIN}")
    depth = relative_depth(cut_map(steps, at, size), float(rows.depth_scale[row]), float(centre[2]))
    if black:
        picture = np.where(foreground[..., None], picture, np.uint8(0))
        depth = np.where(foreground, depth, np.float32(FAR))
    ys, xs = np.nonzero(foreground)
    return picture, Labels(
        boxes=np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32),
        classes=np.array([ids.index(int(rows.object_id[row]))], np.int64),
        instances=foreground.astype(np.uint16), foreground=foreground, depth=depth,
        vectors={"quaternion": quaternion(rows.rotation[row])},
    )


def _picture(path: Path) -> U8:
    pixels = read_png(path)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.dtype != np.uint8 or pixels.shape[2] < 3:
        raise DataError(f"{path}: not a colour image of 8 bits; {AGAIN}")
    return pixels[..., :3]


def window(matrix: F64, translation: F64) -> Window:
    """Where a `CROP` wide square that faces the camera around a point lies in the image.

    Args:
        matrix: (3, 3) intrinsic matrix whose integer coordinates are pixel centres.
        translation: (3,) the point in the camera's frame, metres; its z must be positive.

    The sides are f CROP / z pixels, horizontally and vertically; the crop is a camera of focal length
    ``size z / CROP`` whose principal point is shifted, and not turned towards the object.
    """
    x, y, z = (float(value) for value in matrix @ translation)
    middle = x / z + 0.5, y / z + 0.5
    half = [float(matrix[axis, axis]) * CROP / float(translation[2]) / 2 for axis in (0, 1)]
    return middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]


def cut_image(image: U8, at: Window, size: int) -> U8:
    """Resize a window of an (H, W, 3) image to (size, size, 3): bilinear, low-passed if it shrinks, black outside."""
    left, top, right, bottom = at
    margin = math.ceil(max((right - left) / size, (bottom - top) / size, 1)) + 1
    x, y = math.floor(left) - margin, math.floor(top) - margin
    around = Image.fromarray(image).crop((x, y, math.ceil(right) + margin, math.ceil(bottom) + margin))
    inner = (left - x, top - y, right - x, bottom - y)
    return np.asarray(around.resize((size, size), Image.Resampling.BILINEAR, box=inner))


def cut_map(array: NDArray[Any], at: Window, size: int, outside: int = 0) -> NDArray[Any]:
    """Resample a window of an (H, W) map to (size, size) by nearest neighbour; ``outside`` beyond the image."""
    left, top, right, bottom = at
    steps = (np.arange(size) + 0.5) / size
    columns = np.floor(left + steps * (right - left)).astype(np.int64)
    rows = np.floor(top + steps * (bottom - top)).astype(np.int64)
    inside_rows, inside_columns = (rows >= 0) & (rows < array.shape[0]), (columns >= 0) & (columns < array.shape[1])
    out = np.full((size, size), outside, array.dtype)
    out[np.ix_(inside_rows, inside_columns)] = array[np.ix_(rows[inside_rows], columns[inside_columns])]
    return out


def relative_depth(steps: NDArray[Any], metres_a_step: float, centre: float) -> NDArray[np.float32]:
    """Depth about the object's centre: d - centre + `REACH`, within (0, `FAR`] metres.

    ``steps`` is what the depth image holds; 0 (nothing measured) counts as far, and nothing becomes 0, which would
    mean unknown.
    """
    metres = steps.astype(np.float64) * metres_a_step
    about = np.clip(metres - centre + REACH, NEAREST, FAR)
    return np.where(steps > 0, about, FAR).astype(np.float32)


def quaternion(rotation: F64) -> NDArray[np.float32]:
    """(4,) unit quaternion w, x, y, z with w >= 0 of a (3, 3) rotation, which is first made orthogonal."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()
    return np.array([w, x, y, z], np.float32)
