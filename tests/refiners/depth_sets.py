"""Image sets of a camera that measures depth too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet

DEPTH = {"depth": 2.0}


def depth_sets(make_set: Callable[..., ImageSet], folder: Path) -> tuple[ImageSet, ImageSet]:
    """Six synthetic and six unlabelled real images, 16x16: near on the foreground, unknown in a corner."""
    sets = []
    for seed, domain in enumerate(("synthetic", "real")):
        labels, kind = ("boxes", "foreground", "depth"), "stand-in" if domain == "real" else "rendered"
        root = folder / domain
        root.mkdir()
        writer = ImageSetWriter(root, domain=domain, kind=kind, class_names=["a", "b", "c"], labels=labels)
        for sample in make_set(domain, 6, seed=seed, size=(16, 16)):
            assert sample.labels.foreground is not None
            depth = np.where(sample.labels.foreground, 0.6, 1.9).astype(np.float32)
            depth[:2, :2] = 0
            writer.add(sample.id, sample.image, replace(sample.labels, depth=depth))
        writer.close()
        sets.append(open_image_set(root).sensed(DEPTH))
    return sets[0], sets[1].unlabelled()
