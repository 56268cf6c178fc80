"""Images that any other program has refined (another repository's network, an artist) as an arm like any other.

Nothing is trained and nothing is computed: the images are read from a folder, paired with the synthetic ones by name.
What their makers have seen is not known here. A refiner that saw test photographs makes its arm worthless.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from bench.contracts import Context, PluginConfig, Progress, Refiner
from bench.errors import DataError
from bench.formats.pairs import content, faults, files_by_id, one_line, read_refined
from bench.samples import U8, ImageSet, Sample


class ExternalConfig(PluginConfig):
    """Where the refined images lie, and how strictly they are compared with the synthetic ones."""

    folder: Path
    """Folder of the refined images, relative to the suite file: one for each synthetic image, named by its id."""
    fit: Literal["none", "letterbox", "stretch"] = "none"
    """"none": each has its synthetic image's size; else it has the render's own size and is fitted as that was."""
    extras: Literal["refuse", "allow"] = "refuse"
    """"allow" for a suite that takes only a part of the renders that were refined."""
    max_shift: int = Field(1, ge=0)
    """Pixels that an image may be off by before it is refused: labels would no longer lie on the objects."""


class External(Refiner):
    """Take refined images from a folder; each is checked against its synthetic image before any is used."""

    name = "external"
    version = 1
    trained: ClassVar[bool] = False
    Config = ExternalConfig
    config: ExternalConfig

    @cached_property
    def _files(self) -> dict[str, Path]:
        return files_by_id(self.config.folder)

    def fingerprint(self) -> str:
        """sha256 over the names and bytes of the images; where the folder lies is not in it."""
        return content(self.config.folder)

    def prepare(self, synthetic: ImageSet, context: Context) -> None:
        """Raise `DataError` naming every image that is missing, extra, broken, resized or shifted."""
        found = faults(
            synthetic, self.config.folder, fit=self.config.fit, max_shift=self.config.max_shift,
            extras=self.config.extras == "allow",
            progress=lambda done: context.progress(Progress(done, len(synthetic))),
        )
        if found:
            kinds = {fault.kind for fault in found}
            mends = ["`bench data verify SYNTHETIC --refined FOLDER` names all"]
            mends += ["fit = 'letterbox' takes images of the renders' own size"] * ("resized" in kinds)
            mends += ["extras = 'allow' if the suite takes a part"] * ("extra" in kinds)
            mends += ["max_shift sets what is refused"] * ("shifted" in kinds)
            raise DataError(f"{self.config.folder}: {one_line(found)} ({'; '.join(mends)})")

    def refine(self, samples: Sequence[Sample], context: Context) -> list[U8]:
        """The refined image of each sample."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> U8:
        path = self._files.get(sample.id)
        if path is None:
            raise DataError(f"{self.config.folder}: no image named {sample.id}; add it")
        try:
            return read_refined(path, *sample.image.shape[:2], self.config.fit)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from None
