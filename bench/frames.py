"""Images, and what a camera's other sensors measure, as the channels of a network's input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.contracts import Refined
from bench.errors import DataError
from bench.samples import ImageSet, Sample, sized
from bench.spool import Rows, spooled

KNOWN_SENSORS = ("depth",)
SHARE_OF_MEMORY = 0.25
"""How much of a device's free memory one set may take; a larger one stays where it is."""


def to_device(values: NDArray[Any] | Sequence[Any], device: str | torch.device) -> Tensor:
    """Numbers of the host on the device. The host does not wait for a device that is still busy with the last step."""
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else torch.tensor(values)
    return tensor.pin_memory().to(device, non_blocking=True) if torch.device(device).type == "cuda" else tensor


def channel_count(sensors: Mapping[str, float]) -> int:
    """3 for red, green and blue, and one a sensor."""
    unknown = set(sensors) - set(KNOWN_SENSORS)
    if unknown:
        raise DataError(f"sensors: {', '.join(sorted(unknown))} cannot be an input (known: {', '.join(KNOWN_SENSORS)})")
    return 3 + len(sensors)


def to_channels(samples: Sequence[Sample], sensors: Mapping[str, float], device: str = "cpu") -> Tensor:
    """(B, C, H, W) float32 in [-1, 1]: the image, then depth as 2 d / span - 1; unknown depth (0) counts as far, 1."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).to(device)
    channels = images.permute(0, 3, 1, 2).float().div(127.5).sub(1)
    if "depth" not in sensors:
        return channels
    depth = np.stack([_depth(sample) for sample in samples])
    return torch.cat([channels, _depth_channel(torch.from_numpy(depth).to(device), sensors["depth"])], 1)


def from_channels(channels: Tensor, sensors: Mapping[str, float]) -> list[Refined]:
    """The inverse of `to_channels`: (B, C, H, W) in [-1, 1] to images and depths in metres."""
    images = channels[:, :3].clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    if "depth" not in sensors:
        return [Refined(image) for image in images]
    metres = channels[:, 3].clamp(-1, 1).add(1).mul(sensors["depth"] / 2).clamp(min=0.001).float().cpu().numpy()
    return [Refined(image, depth) for image, depth in zip(images, metres, strict=True)]


class DeviceRows:
    """Rows of a whole set (`bench.spool`) as batches on a device: index it with numbers.

    On a GPU they are put there at once where they are small for it; otherwise each batch is moved when it is asked for.
    """

    def __init__(self, rows: Rows, device: str = "cpu") -> None:
        self._rows, self.device, self.shape = rows, torch.device(device), tuple(rows.shape)
        self.dtype = torch.from_numpy(np.empty(0, rows.dtype)).dtype
        self._there: Tensor | None = None
        if self.device.type == "cpu":
            if isinstance(rows, np.ndarray):
                self._there = torch.from_numpy(rows)
        elif rows.nbytes <= SHARE_OF_MEMORY * torch.cuda.mem_get_info(self.device)[0]:
            self._there = torch.empty(self.shape, dtype=self.dtype, device=self.device)
            for index, row in enumerate(rows):
                self._there[index] = torch.from_numpy(row)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: Sequence[int] | slice | Tensor) -> Tensor:
        """(B, ...) of the chosen images."""
        if isinstance(chosen, slice):
            chosen = range(*chosen.indices(len(self)))
        if self._there is not None:
            numbers = chosen if isinstance(chosen, Tensor) else to_device(list(chosen), self.device)
            return self._there.index_select(0, numbers.to(self.device))
        wanted = chosen.tolist() if isinstance(chosen, Tensor) else list(chosen)
        return to_device(self._rows[wanted], self.device)


def image_rows(data: ImageSet) -> Rows:
    """(N, 3, H, W) uint8, every image of a set; raises `DataError` when their sizes differ or one cannot be read."""
    return spooled(
        len(data), (3, *data.size), np.uint8, lambda index: sized(data.image(index), data, index).transpose(2, 0, 1)
    )


class Frames:
    """A whole set, a byte a colour, as batches of channels on the device; large sets lie on disk (`bench.spool`).

    Attributes:
        channels: how many a batch has.
        size: (height, width) in pixels.
    """

    def __init__(self, data: ImageSet, device: str = "cpu") -> None:
        self.channels, self.size = channel_count(data.sensors), data.size
        self._images = DeviceRows(image_rows(data), device)
        self._span = data.sensors.get("depth")
        self._depth: DeviceRows | None = None
        if self._span is not None:
            depth = spooled(len(data), self.size, np.float32, lambda index: _depth(data[index]))
            self._depth = DeviceRows(depth, device)

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int]) -> Tensor:
        """(B, C, H, W) float32 in [-1, 1]; the same numbers as `to_channels` of the samples."""
        channels = self._images[indices].float().div(127.5).sub(1)
        if self._depth is None or self._span is None:
            return channels
        return torch.cat([channels, _depth_channel(self._depth[indices], self._span)], 1)


def _depth(sample: Sample) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if sample.labels.depth is None:
        raise DataError(f"{sample.id}: no depth, which the suite's sensors promise")
    return sample.labels.depth


def _depth_channel(metres: Tensor, span: float) -> Tensor:
    known = metres.mul(2 / span).sub(1).clamp(-1, 1)
    return torch.where(metres > 0, known, torch.ones_like(known)).unsqueeze(1)
