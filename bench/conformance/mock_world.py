"""A mock world: 16 small scenes with every kind of label, and a camera of its own for the "real" ones.

It is a plug-in file like anybody's, and imports no torch, so that planning with it takes no time.
"""

from __future__ import annotations

import numpy as np

from bench.contracts import Context, SplitRequest, World
from bench.formats.layout import ImageSetWriter
from bench.samples import LABELS, U8, Labels

CLASSES = ("brick", "leaf")
COLOURS = np.array([(190, 70, 50), (60, 150, 70)], np.float32)


def scene(random: np.random.Generator, size: int) -> tuple[U8, Labels]:
    """One or two boxes on a graded wall: an image, (size, size, 3) uint8, with every kind of label."""
    image = np.full((size, size, 3), 140, np.float32) + np.linspace(-25, 25, size, dtype=np.float32)[None, :, None]
    instances = np.zeros((size, size), np.uint16)
    semantic = np.full((size, size), 255, np.uint8)
    depth = np.full((size, size), 2, np.float32)
    boxes, classes = [], []
    side = size // 4
    for number in range(int(random.integers(1, 3))):
        kind = int(random.integers(2))
        # The halves of the image are apart, so no box hides another.
        x = int(random.integers(0, size // 2 - side)) + number * size // 2
        y = int(random.integers(0, size - side))
        place = (slice(y, y + side), slice(x, x + side))
        image[place] = COLOURS[kind] + random.normal(0, 6, (side, side, 1))
        instances[place], semantic[place], depth[place] = number + 1, kind, 1 + kind / 4
        boxes.append((x, y, x + side, y + side))
        classes.append(kind)
    labels = Labels(
        boxes=np.array(boxes, np.float32), classes=np.array(classes, np.int64), instances=instances,
        foreground=instances > 0, depth=depth, semantic=semantic,
        vectors={"quaternion": np.array([1, 0, 0, 0], np.float32)},
    )  # fmt: skip
    return np.clip(image, 0, 255).astype(np.uint8), labels


class MockWorld(World):
    """Boxes on a wall; the "real" ones are darker, yellower and noisy."""

    name = "mock-world"
    version = 1
    real_kind = "stand-in"

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Draw ``count`` scenes."""
        real = request.domain == "real"
        writer = ImageSetWriter(
            context.directory, domain=request.domain, kind="stand-in" if real else "rendered", class_names=CLASSES,
            labels=LABELS,
        )
        for number in range(request.count):
            random = np.random.default_rng([request.seed % 2**32, number, real, request.split == "test"])
            image, labels = scene(random, request.size)
            if real:
                tinted = image * np.array([0.8, 0.75, 0.55]) * random.uniform(0.85, 1.15)
                image = np.clip(tinted + random.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            writer.add(f"{number:03d}", image, labels, group=f"scene-{number // 2}")
        writer.close()
