"""Small image sets on disk: coloured boxes on a grey wall, plain renders and darker, tinted, noisy photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.contracts import Context
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

COLOURS = np.array([(200, 40, 40), (40, 180, 60), (50, 70, 210)], np.float32)


def scene(random: np.random.Generator, height: int, width: int) -> tuple[NDArray[np.float32], Labels]:
    """One to three boxes on a wall."""
    image = np.full((height, width, 3), 150, np.float32)
    image += np.linspace(-20, 20, width, dtype=np.float32)[None, :, None]
    foreground = np.zeros((height, width), np.bool_)
    boxes, classes = [], []
    for _ in range(int(random.integers(1, 4))):
        kind = int(random.integers(3))
        x, y = int(random.integers(width - 8)), int(random.integers(height - 10))
        image[y : y + 10, x : x + 8] = COLOURS[kind]
        foreground[y : y + 10, x : x + 8] = True
        boxes.append((x, y, x + 8, y + 10))
        classes.append(kind)
    return image, Labels(np.array(boxes, np.float32), np.array(classes, np.int64), foreground=foreground)


def photograph(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.uint8]:
    """A gain per channel, between shots too, and noise."""
    gain = np.array([0.8, 0.7, 0.6], np.float32) * random.uniform(0.85, 1.15)
    return np.clip(image * gain + random.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """Write and open a set; real ones may get empty-scene templates."""

    def make(
        domain: str, count: int, *, seed: int = 0, size: tuple[int, int] = (32, 40), backgrounds: int = 0,
        labels: tuple[str, ...] = ("boxes", "foreground"),
    ) -> ImageSet:
        root: Path = tmp_path_factory.mktemp(domain)
        kind = "stand-in" if domain == "real" else "rendered"
        writer = ImageSetWriter(root, domain=domain, kind=kind, class_names=["a", "b", "c"], labels=labels)
        random = np.random.default_rng(seed)
        for index in range(count):
            image, truth = scene(random, *size)
            picture = photograph(image, random) if domain == "real" else image.astype(np.uint8)
            writer.add(f"{domain[0]}{index:03d}", picture, truth)
        for _ in range(backgrounds):
            across = np.linspace(-20, 20, size[1], dtype=np.float32)[None, :, None]
            empty = np.full((*size, 3), 150, np.float32) + across
            writer.add_background(photograph(empty, random))
        writer.close()
        return open_image_set(root)

    return make


@pytest.fixture(scope="session")
def synthetic(make_set: Callable[..., ImageSet]) -> ImageSet:
    """Six renders with boxes and masks."""
    return make_set("synthetic", 6)


@pytest.fixture(scope="session")
def real(make_set: Callable[..., ImageSet]) -> ImageSet:
    """Five photographs without labels, and three templates."""
    return make_set("real", 5, seed=1, backgrounds=3).unlabelled()


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A context with a directory of its own."""
    return Context(seed=7, directory=tmp_path)
