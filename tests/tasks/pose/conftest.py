"""Small image sets of noise with a class and an orientation each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts import Context
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

CLASSES = ("ape", "cam", "duck")


@pytest.fixture(scope="session")
def make_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """A function that draws ``count`` images of ``size`` pixels: brightness tells the class, noise is the rest."""

    def make(count: int, size: int = 16, seed: int = 0, quaternions: bool = True, depth: bool = False) -> ImageSet:
        random = np.random.default_rng(seed)
        labels = {"boxes"} | ({"vectors"} if quaternions else set()) | ({"depth"} if depth else set())
        writer = ImageSetWriter(
            tmp_path_factory.mktemp("set"), domain="synthetic", kind="rendered", class_names=CLASSES, labels=labels
        )
        for k in range(count):
            image = random.integers(0, 80, (size, size, 3)) + 80 * (k % 3)
            quaternion = random.normal(size=4)
            writer.add(
                f"{k:03d}", image.astype(np.uint8),
                Labels(
                    boxes=np.array([[0, 0, size, size]], np.float32), classes=np.array([k % 3]),
                    depth=np.full((size, size), 0.2, np.float32),
                    vectors={"quaternion": (quaternion / np.linalg.norm(quaternion)).astype(np.float32)},
                ),
            )  # fmt: skip
        writer.close()
        return open_image_set(writer.root)

    return make


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(seed=1, directory=tmp_path)
