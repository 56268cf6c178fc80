"""From rendered instance maps to labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bench.samples import Labels
from bench.worlds.rendering.mesh import F64, I64


def labels_of(instance: I64, depth: F64, classes: Mapping[int, int], min_pixels: int) -> Labels:
    """Labels of one image from its instance map (H, W; 0 = none) and depth (H, W; metres).

    ``classes`` maps the map's numbers to class indices. Instances of fewer than ``min_pixels`` pixels are dropped:
    they are neither boxed nor foreground. Boxes hold the visible pixels; instances are renumbered 1, 2... in box order.
    """
    renumbered = np.zeros(instance.shape, np.uint16)
    boxes: list[tuple[int, int, int, int]] = []
    kept: list[int] = []
    for number, where in enumerate(ndimage.find_objects(instance), start=1):
        if where is None:
            continue
        mask: NDArray[np.bool_] = instance[where] == number
        if mask.sum() < min_pixels:
            continue
        kept.append(classes[number])
        renumbered[where][mask] = len(kept)
        rows, columns = where
        boxes.append((columns.start, rows.start, columns.stop, rows.stop))
    return Labels(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4), classes=np.asarray(kept, np.int64), instances=renumbered,
        foreground=renumbered > 0, depth=depth.astype(np.float32),
    )
