"""A pool of earlier refined images that the discriminator is shown (Shrivastava et al. 2017, arXiv 1612.07828, 2.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """Keeps up to ``size`` images; when full, each query is answered with an old image half of the time.

    Nothing here is random by itself: the caller's generator decides, so a resumed run draws what an uninterrupted one
    would.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._images: list[Tensor] = []

    def query(self, images: Tensor, random: np.random.Generator) -> Tensor:
        """Exchange images with the pool.

        Args:
            images: (N, C, H, W), just refined; taken without gradient.
            random: decides which are swapped.

        Returns:
            (N, C, H, W): each image itself (and it is stored while there is room), or, with probability 1/2 once
            the pool is full, a stored one that it takes the place of.
        """
        if self.size == 0:
            return images.detach()
        out = []
        for image in images.detach():
            if len(self._images) < self.size:
                self._images.append(image.clone())
                out.append(image)
            elif random.random() < 0.5:
                place = int(random.integers(self.size))
                out.append(self._images[place])
                self._images[place] = image.clone()
            else:
                out.append(image)
        return torch.stack(out)

    def state_dict(self) -> dict[str, Any]:
        """The stored images, in order."""
        return {"images": list(self._images)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        self._images = list(state_dict["images"])
