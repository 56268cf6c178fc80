"""COCO segmentations (polygons, run lengths) as boolean masks.

Run lengths are decoded here and not by a C library, because those trust the numbers: counts that sum to more than the
image would write past its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.reading import finite


def decode_segmentation(segmentation: Any, width: int, height: int) -> NDArray[np.bool_]:
    """Return the (H, W) mask of a COCO ``segmentation``; raises `ValueError` that says what is wrong with it."""
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        if size != [height, width]:
            raise ValueError(f"mask of size {size}, the image is {width}x{height}")
        counts = segmentation.get("counts")
        runs = uncompressed(counts) if isinstance(counts, str) else counts
        return _from_runs(runs, width, height)
    if isinstance(segmentation, list) and segmentation:
        return _from_polygons(segmentation, width, height)
    raise ValueError("no polygon and no run lengths")


def _from_runs(runs: Any, width: int, height: int) -> NDArray[np.bool_]:
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise ValueError("run lengths are not whole numbers from 0")
    if sum(runs) != width * height:
        raise ValueError(f"run lengths sum to {sum(runs)}, the image has {width * height} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((height, width), order="F")


def uncompressed(text: str) -> list[int]:
    """Run lengths from COCO's compressed string.

    Each number is written in groups of 5 bits, lowest first, as characters from "0" on; bit 6 says that another group
    follows and the last group's top bit is the sign. From the fourth run on, the difference to the run two before is
    written (format of the COCO mask API).
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f"character {character!r} in compressed run lengths")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("compressed run lengths end in the middle of a number")
    return runs


def _from_polygons(polygons: list[Any], width: int, height: int) -> NDArray[np.bool_]:
    """The union of polygons, rasterised as the COCO mask API does."""
    from faster_coco_eval.core import mask as coco_mask

    checked = []
    for polygon in polygons:
        points = np.asarray(polygon, np.float64) if _numbers(polygon) else np.empty(0)
        if points.size < 6 or points.size % 2:
            raise ValueError("a polygon needs three or more points of two finite numbers")
        # Points far outside would make the rasteriser walk (and allocate) the whole way.
        checked.append(np.clip(points.reshape(-1, 2), 0, [width, height]).ravel().tolist())
    decoded = coco_mask.decode(coco_mask.frPyObjects(checked, height, width))
    return np.asarray(np.asarray(decoded).reshape(height, width, -1).any(axis=-1), np.bool_)


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(finite(value) and not isinstance(value, bool) for value in values)
