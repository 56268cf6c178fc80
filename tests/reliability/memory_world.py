"""A world for measuring memory: as many images as wanted, of 64 different noisy ones, with boxes and masks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bench.conformance.mock_world import CLASSES, scene
from bench.contracts import Context, SplitRequest, World
from bench.formats.layout import ImageSetWriter, encode_png

DIFFERENT = 64


class LinkingWriter(ImageSetWriter):
    """Writes bytes that it has written before as another name of the same file, so that 16,000 images take a minute."""

    _first: dict[bytes, Path]

    def _write(self, relative: str, data: bytes) -> None:
        first = self.__dict__.setdefault("_first", {}).setdefault(data, self.root / relative)
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        if first == path:
            path.write_bytes(data)
        else:
            path.hardlink_to(first)
        self._files[relative] = hashlib.sha256(data).hexdigest()


class ManyWorld(World):
    """Mock scenes under noise, so that a PNG is as large as one of a photograph."""

    name = "many-world"
    version = 1
    real_kind = "stand-in"

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Write ``count`` images."""
        real = request.domain == "real"
        writer = LinkingWriter(
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
