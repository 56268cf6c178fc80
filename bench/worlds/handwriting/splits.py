"""Which images of a set a split gets, and how a scan is fitted into the suite's size."""

from __future__ import annotations

from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.samples import U8


def dealt(
    classes: NDArray[np.int64], seed: int, split: Literal["train", "test"], test_share: float | None
) -> list[int]:
    """Indices of a split, shuffled within their class and dealt a class at a time, so that any prefix is balanced.

    The first ``test_share`` of every shuffled class is for the test, the rest for training; None: the set is one
    split's already, and all of it is dealt.
    """
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    hands: list[list[int]] = []
    for cls in np.unique(classes):
        hand = shuffled[classes[shuffled] == cls].tolist()
        cut = round((test_share or 0) * len(hand))
        if test_share is not None:
            hand = hand[:cut] if split == "test" else hand[cut:]
        hands.append(hand)
    return [index for turn in zip_longest(*hands) for index in turn if index is not None]


def fitted(image: U8, size: int, margin: float) -> U8:
    """A picture with about ``margin`` of black on each side, scaled to (size, size[, 3]) by a bicubic filter.

    The black is added before scaling, so that ink at the scan's edge fades as all other ink does.
    """
    height, width = image.shape[:2]
    rows, columns = (round(margin / (1 - 2 * margin) * extent) for extent in (height, width))
    padded = np.pad(image, ((rows, rows), (columns, columns), *(((0, 0),) * (image.ndim - 2))))
    return np.asarray(Image.fromarray(padded).resize((size, size), Image.Resampling.BICUBIC), np.uint8)
