"""Rooms of four tiles on disk: the nearer a tile, the brighter, so that depth can be learnt within seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.contracts import Context
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels


@pytest.fixture(scope="session")
def make_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """Write and open a set; ``unknown`` columns on the left have no depth."""

    def make(
        count: int, *, seed: int = 0, size: tuple[int, int] = (32, 48), unknown: int = 0, domain: str = "synthetic"
    ) -> ImageSet:
        root: Path = tmp_path_factory.mktemp("depth")
        writer = ImageSetWriter(root, domain=domain, kind="rendered", class_names=["room"], labels=["depth"])
        random = np.random.default_rng(seed)
        height, width = size
        for index in range(count):
            metres = np.kron(random.uniform(1, 8, (2, 2)), np.ones((height // 2, width // 2))).astype(np.float32)
            image = np.repeat((255 - metres * 28)[..., None], 3, 2) + random.normal(0, 3, (height, width, 3))
            metres[:, :unknown] = 0
            writer.add(f"{index:03d}", image.clip(0, 255).astype(np.uint8), Labels(depth=metres))
        writer.close()
        return open_image_set(root)

    return make


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A context with a directory of its own."""
    return Context(seed=7, directory=tmp_path)
