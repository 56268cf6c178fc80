"""A drawn image set with two classes of rectangles, small enough to train on in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts import Context
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

COLOURS = ((220, 40, 40), (40, 60, 220))


def draw(seed: int, size: int) -> tuple[np.ndarray, Labels]:
    """A grey image with one to three boxes that touch no other: red upright ones, blue flat ones."""
    generator = np.random.default_rng(seed)
    image = generator.normal(120, 6, (size, size, 3))
    boxes, classes = [], []
    for column in range(int(generator.integers(1, 4))):
        cls = int(generator.integers(2))
        width, height = (10, 18) if cls == 0 else (14, 10)
        x = column * (size // 3) + int(generator.integers(0, size // 3 - width + 1))
        y = int(generator.integers(0, size - height))
        image[y : y + height, x : x + width] = COLOURS[cls]
        boxes.append((x, y, x + width, y + height))
        classes.append(cls)
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    return pixels, Labels(boxes=np.asarray(boxes, np.float32), classes=np.asarray(classes, np.int64))


@pytest.fixture(scope="session")
def make_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """A function that draws ``count`` images of ``size`` pixels from ``seed`` on."""

    def make(count: int, size: int = 64, seed: int = 0) -> ImageSet:
        root = tmp_path_factory.mktemp("set")
        writer = ImageSetWriter(
            root, domain="synthetic", kind="rendered", class_names=["red", "blue"], labels={"boxes"}
        )
        for k in range(count):
            writer.add(f"{k:03d}", *draw(seed + k, size))
        writer.close()
        return open_image_set(root)

    return make


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(seed=1, directory=tmp_path)
