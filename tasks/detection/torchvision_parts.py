"""What torchvision's detectors share here: a transform without copies, and our targets in their form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList

from tasks.detection.model import Detections, Target

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BatchTransform(nn.Module):
    """Stands in for torchvision's `GeneralizedRCNNTransform`, which resizes and copies image by image.

    Takes a (B, 3, H, W) batch in [0, 1], normalises it and, where ``scale`` is not 1, enlarges it bilinearly; boxes
    are scaled along, and back again after detection. Zeros at the right and bottom make sides multiples of ``divisor``.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        scale: float = 1.0,
        divisor: int = 1,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.scale, self.divisor = scale, divisor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """Normalise (and enlarge) a batch and its targets."""
        images = (images - self.mean) / self.std
        if self.scale != 1:
            height, width = (round(side * self.scale) for side in images.shape[-2:])
            images = functional.interpolate(images, (height, width), mode="bilinear", align_corners=False)
            if targets is not None:
                targets = [{**target, "boxes": target["boxes"] * self.scale} for target in targets]
        size = (images.shape[-2], images.shape[-1])
        below, right = (-side % self.divisor for side in size)
        if below or right:
            images = functional.pad(images, (0, right, 0, below))
        return ImageList(images, [size] * len(images)), targets

    def postprocess(
        self, result: list[dict[str, Tensor]], image_shapes: object, original_image_sizes: object
    ) -> list[dict[str, Tensor]]:
        """Bring boxes back to the pixels of the images as they were given."""
        if self.scale != 1:
            for detections in result:
                detections["boxes"] = detections["boxes"] / self.scale
        return result


def torchvision_targets(targets: Sequence[Target]) -> list[dict[str, Tensor]]:
    """Targets as torchvision's detectors take them; their class 0 is the background."""
    return [{"boxes": target.boxes, "labels": target.classes + 1} for target in targets]


def own_detections(found: Sequence[dict[str, Tensor]]) -> list[Detections]:
    """What torchvision's detectors return, as `Detections`."""
    return [Detections(item["boxes"], item["scores"], item["labels"] - 1) for item in found]
