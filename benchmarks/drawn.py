"""Image sets drawn in a second, with every label that a refiner or a task may ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

COLOURS = np.array([(200, 40, 40), (40, 180, 60), (50, 70, 210)], np.float32)
LABELS = ("boxes", "foreground", "depth", "vectors")


def drawn_set(root: Path, domain: str, count: int, size: int, seed: int = 0) -> ImageSet:
    """Write and open ``count`` images of ``size`` x ``size`` pixels: coloured boxes in front of a grey wall.

    Real ones are darker, tinted and noisy, and have three templates of the empty scene.
    """
    kind = "stand-in" if domain == "real" else "rendered"
    writer = ImageSetWriter(root / domain, domain=domain, kind=kind, class_names=["a", "b", "c"], labels=LABELS)
    random = np.random.default_rng([seed, size, domain == "real"])
    wall = np.full((size, size, 3), 150, np.float32) + np.linspace(-20, 20, size, dtype=np.float32)[None, :, None]
    for index in range(count):
        image, labels = _scene(random, wall)
        writer.add(f"{domain[0]}{index:03d}", _photograph(image, random) if domain == "real" else _bytes(image), labels)
    for _ in range(3 if domain == "real" else 0):
        writer.add_background(_photograph(wall, random))
    writer.close()
    return open_image_set(root / domain)


def _scene(random: np.random.Generator, wall: np.ndarray) -> tuple[np.ndarray, Labels]:
    size = len(wall)
    image, foreground = wall.copy(), np.zeros((size, size), np.bool_)
    depth = np.full((size, size), 8, np.float32)
    boxes, classes = [], []
    for _ in range(int(random.integers(1, 4))):
        kind = int(random.integers(3))
        height, width = (max(2, size // int(random.integers(3, 6))) for _ in range(2))
        x, y = int(random.integers(size - width)), int(random.integers(size - height))
        part = np.s_[y : y + height, x : x + width]
        image[part], foreground[part], depth[part] = COLOURS[kind], True, random.uniform(1, 6)
        boxes.append((x, y, x + width, y + height))
        classes.append(kind)
    turn = random.normal(size=4)
    vectors = {"quaternion": (turn / np.linalg.norm(turn)).astype(np.float32)}
    labels = Labels(
        np.array(boxes, np.float32), np.array(classes, np.int64), foreground=foreground, depth=depth, vectors=vectors
    )
    return image, labels


def _photograph(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    gain = np.array([0.8, 0.7, 0.6], np.float32) * random.uniform(0.85, 1.15)
    return _bytes(image * gain + random.normal(0, 2, image.shape))


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)
