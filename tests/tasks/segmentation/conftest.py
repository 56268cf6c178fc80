"""A drawn image set: sky above, ground below, a post; void along the seam."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts import Context
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

CLASSES = ("sky", "ground", "post", "never")
COLOURS = np.array([(120, 160, 230), (90, 120, 60), (150, 110, 80)], np.float64)


def draw(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and map; the horizon's row and the post's column are random, the row of the horizon is void."""
    random = np.random.default_rng(seed)
    horizon, left = int(random.integers(height // 4, height // 2)), int(random.integers(2, width - 8))
    truth = np.where(np.arange(height)[:, None] < horizon, 0, 1).repeat(width, 1)
    truth[horizon // 2 : horizon + 6, left : left + 6] = 2
    image = COLOURS[truth] * random.uniform(0.9, 1.1) + random.normal(0, 6, (height, width, 3))
    truth[horizon] = 255
    return np.clip(image, 0, 255).astype(np.uint8), truth.astype(np.uint8)


@pytest.fixture(scope="session")
def make_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """A function that draws ``count`` images of ``size`` = (height, width) from ``seed`` on; ``change`` edits maps."""

    def make(
        count: int, size: tuple[int, int] = (32, 32), seed: int = 0, change: Callable[..., None] | None = None,
        labels: tuple[str, ...] = ("semantic",),
    ) -> ImageSet:  # fmt: skip
        root = tmp_path_factory.mktemp("set")
        writer = ImageSetWriter(root, domain="synthetic", kind="rendered", class_names=CLASSES, labels=labels)
        for k in range(count):
            image, truth = draw(seed + k, *size)
            if change:
                change(k, truth)
            writer.add(f"{k:03d}", image, Labels(semantic=truth))
        writer.close()
        return open_image_set(root)

    return make


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(seed=1, directory=tmp_path)
