"""SimGAN's buffer of refined images from earlier steps (Shrivastava et al. 2017, arXiv 1612.07828, section 2.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class HistoryBuffer:
    """Half of what the discriminator sees as refined are images of earlier refiners, drawn from here.

    With batches of b images it takes in b / 2 of each batch until it is full, and then every batch's half takes the
    places of b / 2 random ones. (`refiners.pool.ImagePool` is CycleGAN's variant: it decides image by image, and
    answers with old ones only once it is full.) Nothing here is random by itself: the caller's generator decides.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._images: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._images)

    def exchange(self, refined: Tensor, random: np.random.Generator) -> Tensor:
        """Make the discriminator's batch, and take in new images.

        Args:
            refined: (B, C, H, W), just refined; taken without gradient.
            random: decides which stored images are shown and which are replaced.

        Returns:
            (B, C, H, W): the first half of ``refined`` (the larger half of an odd batch), then stored images, without
            repetition; as long as fewer are stored than needed, the rest of ``refined`` stands in for them.
        """
        fresh = refined.detach()
        half = len(fresh) // 2
        shown = min(half, len(self._images))
        drawn = random.choice(len(self._images), shown, replace=False) if shown else []
        old = [self._images[int(index)] for index in drawn]
        batch = torch.cat([fresh[: len(fresh) - shown], torch.stack(old)]) if old else fresh.clone()
        self._store(fresh[:half], random)
        return batch

    def _store(self, images: Tensor, random: np.random.Generator) -> None:
        room = max(0, self.size - len(self._images))
        self._images += [image.clone() for image in images[:room]]
        rest = images[room:][: self.size]
        for index, image in zip(random.permutation(self.size)[: len(rest)], rest, strict=True):
            self._images[int(index)] = image.clone()

    def state_dict(self) -> dict[str, Any]:
        """The stored images, in order."""
        return {"images": list(self._images)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        self._images = list(state_dict["images"])
