"""A pool of earlier refined images that the discriminator is shown (Shrivastava et al. 2017, arXiv 1612.07828, 2.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """Keeps up to ``size`` images; when full, each query is answered with an old image half of the time.

    Nothing here is random by itself: the caller's generator decides, so a resumed run draws what an uninterrupted one
    would. Deciding is the host's business (`decide`) and exchanging images the device's (`exchange`), so that no step
    waits for the other side.
    """

    def __init__(self, size: int) -> None:
        self.size, self._count = size, 0
        self._images: Tensor | None = None
        """(size + 1, C, H, W), made by the first exchange; what nobody keeps is written to the last place."""

    def query(self, images: Tensor, random: np.random.Generator) -> Tensor:
        """Decide and exchange at once.

        Args:
            images: (N, C, H, W), just refined; taken without gradient.
            random: decides which are swapped.

        Returns:
            (N, C, H, W): each image itself (and it is stored while there is room), or, with probability 1/2 once
            the pool is full, a stored one that it takes the place of.
        """
        return self.exchange(images, self.decide(len(images), random).to(images.device))

    def decide(self, count: int, random: np.random.Generator) -> Tensor:
        """What happens to the next ``count`` images: (2, count) int64, the place each is swapped for and is stored at.

        ``size`` stands for no place. The decisions must be carried out in this order, each once.
        """
        moves = []
        for _ in range(count):
            shown = stored = self.size
            if self._count < self.size:
                stored = self._count
                self._count += 1
            elif self.size and random.random() < 0.5:
                shown = stored = int(random.integers(self.size))
            moves.append((shown, stored))
        return torch.tensor(moves, dtype=torch.int64).T.contiguous()

    def exchange(self, images: Tensor, moves: Tensor) -> Tensor:
        """Carry out what `decide` returned, on the device that both arguments lie on; returns as `query`."""
        images = images.detach()
        if self.size == 0:
            return images
        if self._images is None:
            self._images = images.new_zeros((self.size + 1, *images.shape[1:]))
        answers = []
        for image, shown, stored in zip(images, moves[0].split(1), moves[1].split(1), strict=True):
            answers.append(torch.where(shown < self.size, self._images.index_select(0, shown)[0], image))
            self._images.index_copy_(0, stored, image[None])
        return torch.stack(answers)

    def state_dict(self) -> dict[str, Any]:
        """The stored images, in order."""
        return {"images": [] if self._images is None else [image.clone() for image in self._images[: self._count]]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        images = list(state_dict["images"])
        self._count, self._images = len(images), None
        if images:
            self._images = images[0].new_zeros((self.size + 1, *images[0].shape))
            self._images[: len(images)] = torch.stack(images)
