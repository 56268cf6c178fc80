"""The image pool of CycleGAN's published code: up to ``size`` images, half of the answers old ones once it is full."""

from __future__ import annotations

import random

import torch
from torch import Tensor


class PlainPool:
    """Decides image by image."""

    def __init__(self, size: int) -> None:
        self.size, self.images, self.random = size, list[Tensor](), random.Random(5)

    def query(self, images: Tensor) -> Tensor:
        """Exchange images, (N, C, H, W)."""
        if self.size == 0:
            return images
        answers = []
        for image in images.detach():
            image = image.unsqueeze(0)
            if len(self.images) < self.size:
                self.images.append(image)
                answers.append(image)
            elif self.random.uniform(0, 1) > 0.5:
                place = self.random.randint(0, self.size - 1)
                answers.append(self.images[place].clone())
                self.images[place] = image
            else:
                answers.append(image)
        return torch.cat(answers)
