"""Fitting images of any size into one square: the picture, its boxes and its label maps move together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

FITS = ("letterbox", "stretch")
PADDING = (128, 128, 128)
"""Colour of letterbox bars: middle grey, which no hue or colour statistic takes for an object."""
MAP_PADDING = {"instances": 0, "foreground": 0, "depth": 0, "semantic": 255}
"""What label maps hold in the bars: background, not foreground, unknown depth, void."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an image of ``source`` (width, height) lies in one of ``target``: ``inner`` is left, top, width, height."""

    source: tuple[int, int]
    target: tuple[int, int]
    inner: tuple[int, int, int, int]

    @property
    def unchanged(self) -> bool:
        """Whether nothing moves, so that files may be copied as they are."""
        return self.source == self.target

    def image(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize an RGB image (bilinear, low-passed when it shrinks) and set it between bars; (H, W, 3) uint8."""
        if self.unchanged:
            return np.asarray(image)
        left, top, width, height = self.inner
        canvas = Image.new("RGB", self.target, PADDING)
        canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))
        return np.asarray(canvas)

    def boxes(self, boxes: ArrayLike) -> NDArray[np.float64]:
        """Move (N, 4) boxes x0 y0 x1 y1 from source to target pixels."""
        left, top, width, height = self.inner
        scale = np.array([width / self.source[0], height / self.source[1]] * 2)
        moved = np.asarray(boxes, np.float64).reshape(-1, 4) * scale + np.array([left, top, left, top])
        return np.asarray(moved, np.float64)

    def map(self, array: NDArray[Any], padding: int) -> NDArray[Any]:
        """Resize an (H, W) label map by nearest neighbour (labels must not mix) and set it between bars."""
        if self.unchanged:
            return array
        left, top, width, height = self.inner
        rows = ((np.arange(height) + 0.5) * self.source[1] / height).astype(np.intp)
        columns = ((np.arange(width) + 0.5) * self.source[0] / width).astype(np.intp)
        out = np.full((self.target[1], self.target[0]), padding, array.dtype)
        out[top : top + height, left : left + width] = array[rows][:, columns]
        return out


def place(width: int, height: int, size: int | None, fit: str = "letterbox") -> Placement:
    """How an image goes into a ``size`` x ``size`` square; ``size`` None keeps it as it is.

    "letterbox" keeps the shape of things: the longer side fills the square, the shorter one is centred between grey
    bars (the odd pixel goes to the right or bottom). "stretch" fills the square and distorts.
    """
    if size is None:
        return Placement((width, height), (width, height), (0, 0, width, height))
    if fit == "stretch":
        return Placement((width, height), (size, size), (0, 0, size, size))
    longer = max(width, height)
    inner_width, inner_height = max(1, round(width * size / longer)), max(1, round(height * size / longer))
    left, top = (size - inner_width) // 2, (size - inner_height) // 2
    return Placement((width, height), (size, size), (left, top, inner_width, inner_height))
