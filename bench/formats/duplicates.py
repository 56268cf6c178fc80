"""Images that occur twice, exactly or nearly: a test photograph that is also in training makes every score a lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.formats.geometry import PADDING

HASH_SIDE = 16
NEAR_BITS = 24
"""Of 256 gradient bits, so many may differ."""
NEAR_LEVELS = 12.0
"""And the mean difference of 16 x 16 thumbnails stays below so many of 255 levels."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies a picture: sha256 of its pixels, gradient bits (32 bytes), and a 16 x 16 RGB thumbnail."""

    name: str
    pixels: str
    bits: NDArray[np.uint8]
    thumbnail: NDArray[np.int16]


def fingerprint(name: str, image: Image.Image) -> Fingerprint:
    """Fingerprint an RGB image.

    The bits are a difference hash: for each of 16 x 16 places of a shrunken grey image, whether the next one to the
    right is brighter. They survive resizing, compression and changes of brightness. Flat images have random bits, and
    equal scenes with other objects have similar ones, so a match must also agree as a thumbnail.
    """
    image = _without_bars(image)
    grey = np.asarray(image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR), np.int16)
    thumbnail = np.asarray(image.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BILINEAR), np.int16)
    pixels = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
    return Fingerprint(name, pixels, np.packbits(grey[:, 1:] > grey[:, :-1]), thumbnail)


def _without_bars(image: Image.Image) -> Image.Image:
    """The picture inside letterbox bars, which would make all of one shape look alike."""
    inner = np.argwhere((np.asarray(image) != PADDING).any(axis=-1))
    if not inner.size:
        return image
    (top, left), (bottom, right) = inner.min(axis=0).tolist(), inner.max(axis=0).tolist()
    return image.crop((left, top, right + 1, bottom + 1))


def twins(
    first: Sequence[Fingerprint], second: Sequence[Fingerprint]
) -> Iterator[tuple[Fingerprint, Fingerprint, bool]]:
    """Yield pairs that show the same picture, and whether their pixels are equal; each of ``second`` once at most.

    A picture with several twins is given with the nearest one.
    """
    if not first or not second:
        return
    counts = np.array([bin(value).count("1") for value in range(256)], np.uint16)
    known = np.stack([entry.bits for entry in first])
    thumbnails = np.stack([entry.thumbnail for entry in first])
    by_pixels = {entry.pixels: entry for entry in reversed(first)}
    for entry in second:
        if entry.pixels in by_pixels:
            yield by_pixels[entry.pixels], entry, True
            continue
        distance = counts[known ^ entry.bits].sum(axis=1)
        close = np.flatnonzero(distance <= NEAR_BITS)
        if not close.size:
            continue
        levels = np.abs(thumbnails[close] - entry.thumbnail).mean(axis=(1, 2, 3))
        best = int(levels.argmin())
        if levels[best] <= NEAR_LEVELS:
            yield first[int(close[best])], entry, False
