"""What the refiners that see whole small images share: batches with masks, a blended output, pictures of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.contracts import Context
from bench.errors import DataError
from bench.frames import DeviceRows, Frames
from bench.samples import U8, ImageSet
from bench.spool import Rows, spooled
from bench.training import Batches


@dataclass(frozen=True)
class AdaptationBatch:
    """One step's images of both domains, each (B, C, H, W) in [-1, 1].

    Attributes:
        source: labelled synthetic images.
        target: unlabelled real ones.
        mask: (B, 1, H, W), 1 on the foreground of ``source``; None where nobody asked for it.
        indices: where ``source`` stands in its set.
    """

    source: Tensor
    target: Tensor
    mask: Tensor | None
    indices: tuple[int, ...]


class AdaptationBatches:
    """Batches of both domains as a pure function of the step, from images that are kept decoded (`bench.spool`).

    Args:
        name: of the refiner, for messages.
        synthetic, real: sets of one size; raises `DataError` where a set is empty or the sizes differ.
        batch_size: images of each domain a step.
        context: seed and device.
        masks: whether to read the foreground of the synthetic images.
        chosen: indices of the synthetic images that are drawn from; None: all.
    """

    def __init__(
        self,
        name: str,
        synthetic: ImageSet,
        real: ImageSet,
        batch_size: int,
        context: Context,
        *,
        masks: bool = False,
        chosen: Sequence[int] | None = None,
    ) -> None:
        if not len(synthetic) or not len(real):
            raise DataError(f"{name}: needs synthetic and real images, got {len(synthetic)} and {len(real)}")
        if synthetic.size != real.size:
            sizes = [f"{width}x{height}" for height, width in (synthetic.size, real.size)]
            raise DataError(f"{name}: synthetic images are {sizes[0]}, real ones {sizes[1]}; import both at one size")
        self.source, self.target = Frames(synthetic, context.device), Frames(real, context.device)
        if self.source.channels != self.target.channels:
            raise DataError(f"{name}: {self.source.channels} synthetic channels, {self.target.channels} real ones")
        self.channels, self.size = self.source.channels, self.source.size
        self._chosen = tuple(range(len(synthetic)) if chosen is None else chosen)
        self._masks = DeviceRows(_foreground(synthetic), context.device) if masks else None
        self._draw_source = Batches(len(self._chosen), batch_size, context.seed, "synthetic")
        self._draw_target = Batches(len(real), batch_size, context.seed, "real")

    def __call__(self, step: int) -> AdaptationBatch:
        """The batch of step ``step`` (0-based)."""
        indices = tuple(self._chosen[index] for index in self._draw_source.indices(step))
        mask = None if self._masks is None else self._masks[indices].float()
        target = self.target.batch(self._draw_target.indices(step))
        return AdaptationBatch(self.source.batch(indices), target, mask, indices)


def _foreground(data: ImageSet) -> Rows:
    """(N, 1, H, W) bool."""
    masked = replace(data, has=data.has & {"foreground"})

    def one(index: int) -> NDArray[np.bool_]:
        foreground = masked.labels(index).foreground
        if foreground is None:
            raise DataError(f"{data.records[index].id}: no foreground mask; render or import the set with masks")
        return foreground[None]

    return spooled(len(data), (1, *data.size), np.bool_, one)


def placed(network: nn.Module, device: str) -> None:
    """Move a network to its device, in the memory layout that is fastest there."""
    layout = torch.channels_last if device.startswith("cuda") else torch.contiguous_format
    network.to(device).to(memory_format=layout)


def pictures(channels: Tensor) -> list[U8]:
    """(C, H, W) in [-1, 1] as pictures (H, W, 3) uint8: the colours, then every other channel in grey."""
    levels = channels.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu().numpy()
    grey = [np.repeat(plane[..., None], 3, axis=2) for plane in levels[3:]]
    return [np.ascontiguousarray(levels[:3].transpose(1, 2, 0)), *grey]


def blend(image: Tensor, drawn: Tensor) -> Tensor:
    """Lay what a network drew over its input, by an opacity that it predicts for each pixel.

    A network whose weights are small starts near the identity (opacity 5 %), can replace a background all the same, and
    stays in [-1, 1] without a clamp, whose gradient is 0 on a black background.

    Args:
        image: (B, C, H, W) in [-1, 1].
        drawn: (B, C + 1, H, W), unbounded: the opacity's logit plus 3, then the picture before its tanh.
    """
    opacity = torch.sigmoid(drawn[:, :1] - 3)  # sigmoid(-3) = 0.047
    return image + opacity * (torch.tanh(drawn[:, 1:]) - image)
