"""Training images (large sets lie on disk, `bench.spool`), and batches of them with flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.errors import DataError
from bench.frames import DeviceRows, image_rows
from bench.samples import ImageSet
from tasks.detection.model import Target


def as_input(images: Tensor, device: str | torch.device) -> Tensor:
    """What a detector takes: (B, 3, H, W) float32 in [0, 1] on ``device``, channels last in memory, from uint8."""
    return images.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)


class TrainingImages:
    """A labelled image set as batches of tensors.

    Raises:
        DataError: the set has no boxes at all, or a box without area.
    """

    def __init__(self, data: ImageSet, device: str) -> None:
        self.images = DeviceRows(image_rows(data))
        self.width = data.size[1]
        self.device = device
        self.targets: list[Target] = []
        boxed = replace(data, has=data.has & {"boxes"})  # label maps are not wanted, so they are not read
        for index, record in enumerate(data.records):
            labels = boxed.labels(index)
            if labels.boxes is None or labels.classes is None:
                raise DataError(f"{record.path}: the image set has no boxes; a detector cannot be trained on it")
            if len(labels.boxes) and not bool((labels.boxes[:, 2:] > labels.boxes[:, :2]).all()):
                raise DataError(f"{record.path}: a box without area; remove it from the annotations")
            boxes, classes = torch.from_numpy(labels.boxes.copy()), torch.from_numpy(labels.classes.copy())
            self.targets.append(Target(boxes.to(device), classes.to(device)))
        if not any(len(target.boxes) for target in self.targets):
            raise DataError(f"{data.records[0].root}: not one box in {len(data)} images; nothing to learn from")

    def batch(
        self, indices: Sequence[int], flip: float, generator: np.random.Generator
    ) -> tuple[Tensor, list[Target]]:
        """Images (B, 3, H, W) in [0, 1] and their targets, each mirrored with probability ``flip``."""
        mirrored = torch.from_numpy(generator.random(len(indices)) < flip)
        images = self.images[indices]
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        targets = []
        for index, mirror in zip(indices, mirrored.tolist(), strict=True):
            target = self.targets[index]
            boxes = mirror_boxes(target.boxes, self.width) if mirror else target.boxes
            targets.append(Target(boxes, target.classes))
        return as_input(images, self.device), targets


def mirror_boxes(boxes: Tensor, width: int) -> Tensor:
    """Boxes (N, 4) of an image that is mirrored left to right."""
    x0, y0, x1, y1 = boxes.unbind(1)
    return torch.stack([width - x1, y0, width - x0, y1], 1)
