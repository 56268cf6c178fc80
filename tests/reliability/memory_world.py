"""A world for measuring memory: as many images as wanted, of 64 different noisy ones, with boxes and masks."""

from __future__ import annotations

import numpy as np

from bench.conformance.mock import CLASSES, scene
from bench.contracts import Context, SplitRequest, World
from bench.formats.layout import ImageSetWriter, encode_png

DIFFERENT = 64


class ManyWorld(World):
    """Mock scenes under noise, so that a PNG is as large as one of a photograph."""

    name = "many-world"
    version = 1
    real_kind = "stand-in"

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Write ``count`` images."""
        real = request.domain == "real"
        writer = ImageSetWriter(
            context.directory, domain=request.domain, kind="stand-in" if real else "rendered", class_names=CLASSES,
            labels=("boxes", "foreground", "instances"),
        )  # fmt: skip
        made = []
        for number in range(min(DIFFERENT, request.count)):
            random = np.random.default_rng([request.seed % 2**32, number, real])
            image, labels = scene(random, request.size)
            noisy = np.clip(image * (0.7 if real else 1) + random.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
            made.append((encode_png(noisy), labels))
        for number in range(request.count):
            image_bytes, labels = made[number % len(made)]
            writer.add(f"{number:06d}", image_bytes, labels, group=f"scene-{number // 4}")
        writer.close()
