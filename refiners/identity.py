"""The control: every image as it is. Its gain must be 0, which proves the chain from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.contracts import Context, Refiner
from bench.samples import U8, Sample


class Identity(Refiner):
    """Return each image unchanged."""

    name = "identity"
    version = 1
    trained: ClassVar[bool] = False

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """A copy of each image."""
        return [sample.image.copy() for sample in samples]
