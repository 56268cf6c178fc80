"""Digits: printed by us, handwritten by people; PixelDA's classification (Bousmalis et al. 2017, Table 1)."""

from __future__ import annotations

import importlib.metadata
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.contracts import Context, PluginConfig, Progress, SplitRequest, World
from bench.errors import DataError
from bench.formats.layout import ImageSetWriter
from bench.samples import U8, Labels, RealKind
from bench.seeds import derive
from bench.worlds.handwriting import sources
from bench.worlds.handwriting.printed import Print, printed_digit
from bench.worlds.handwriting.sources import SKLEARN_COUNTS
from bench.worlds.handwriting.splits import dealt, fitted

MARGINS = {"sklearn": 0.1, "usps": 0.1}
"""What is left free on each side of scans whose ink fills the frame, so that all digits are about equally large."""


class DigitsConfig(PluginConfig):
    """Which digits.

    Attributes:
        synthetic: "fonts" (printed by us), or the handwriting of "mnist" or "usps" as the labelled source domain.
        real: "sklearn" (inside scikit-learn), "mnist", "usps", "mnist-m", or "npz" (a file of yours).
        root: folder of MNIST and USPS as torchvision lays them out, or the one that holds ``mnist_m_train``.
        real_file: the file of ``real = "npz"``; see `bench.worlds.handwriting.sources.npz_digits`.
        download: let torchvision fetch MNIST or USPS into ``root`` (while planning, since their number is asked for).
        margin: what is left free on each side of a real digit, as a share of the image; None takes what suits the set.
        test_share: share of the real images that are tested on, for sets that come in one part (sklearn, some npz).
    """

    synthetic: Literal["fonts", "mnist", "usps"] = "fonts"
    real: Literal["sklearn", "mnist", "usps", "mnist-m", "npz"] = "sklearn"
    root: Path | None = None
    real_file: Path | None = None
    download: bool = False
    margin: float | None = Field(default=None, ge=0, lt=0.5)
    test_share: float = Field(default=0.4, gt=0, lt=1)


class DigitsWorld(World):
    """Printed digits and scanned handwriting, ink bright on black; one digit an image, no orientation.

    The real images are scans of real handwriting ("photographs" is what the contract calls real pictures). Synthetic
    images carry the mask of their ink. scikit-learn does not say who wrote which digit: every image is its own group.
    """

    name = "digits"
    version = 1
    real_kind: ClassVar[RealKind] = "photographs"
    Config = DigitsConfig
    class_names = tuple("0123456789")

    config: DigitsConfig

    @classmethod
    def skip(cls) -> str | None:
        """The default handwriting needs scikit-learn."""
        return sources.sklearn_missing()

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Write the split; see `World.image_set`. Raises `DataError` or `UsageError` where its images are missing."""
        synthetic = request.domain == "synthetic"
        chosen = None if self._rendered(request) else self._chosen(request)
        total = request.count if chosen is None else len(chosen)
        writer = ImageSetWriter(
            context.directory, domain=request.domain, kind="rendered" if synthetic else self.real_kind,
            class_names=self.class_names, labels=("boxes", "foreground") if synthetic else ("boxes",),
            provenance={
                "world": self.name, "version": self.version,
                "config": self.config.model_dump(mode="json", exclude={"root", "real_file"}),
                "request": {"split": request.split, "count": total, "size": request.size, "seed": request.seed},
                "backends": {name: importlib.metadata.version(name) for name in ("numpy", "pillow", "matplotlib")},
            },
        )  # fmt: skip
        for index in range(total):
            id = f"{request.domain}-{request.split}-{index:05d}"
            image, labels = self._printed(request, index) if chosen is None else self._scanned(request, chosen[index])
            writer.add(id, image, labels)
            context.progress(Progress(index + 1, total))
        writer.close()

    def fingerprint(self, request: SplitRequest) -> str:
        """sha256 of the pictures that are read from files of the user's; the renders and scikit-learn's are fixed."""
        if self._rendered(request) or self._source_name(request) == "sklearn":
            return ""
        return self._digits(request).digest()

    def available(self, request: SplitRequest) -> int:
        """How many images the split will have: ``count``, or all there are where that is 0 or more."""
        if self._rendered(request):
            return request.count
        if self._source_name(request) == "sklearn":
            tested = [round(self.config.test_share * count) for count in SKLEARN_COUNTS]
            held = sum(tested) if request.split == "test" else sum(SKLEARN_COUNTS) - sum(tested)
        else:
            held = len(self._indices(request))
        return min(request.count, held) if request.count else held

    def _rendered(self, request: SplitRequest) -> bool:
        return request.domain == "synthetic" and self.config.synthetic == "fonts"

    def _source_name(self, request: SplitRequest) -> str:
        return self.config.synthetic if request.domain == "synthetic" else self.config.real

    def _printed(self, request: SplitRequest, index: int) -> tuple[U8, Labels]:
        """Digit ``index`` of the renders: classes take turns, everything else is drawn."""
        random = np.random.default_rng(derive(self.name, request.seed, request.split, index))
        how = Print.draw(index % 10, random)
        grey, coverage = printed_digit(how, request.size)
        return _as_rgb(grey), _labels(_ink(coverage), how.digit)

    def _scanned(self, request: SplitRequest, index: int) -> tuple[U8, Labels]:
        digits, name = self._digits(request), self._source_name(request)
        margin = MARGINS.get(name, 0.0)
        if request.domain == "real" and self.config.margin is not None:
            margin = self.config.margin
        image = fitted(digits.image(index), request.size, margin)
        coloured = image.ndim == 3
        mask = np.ones(image.shape[:2], bool) if coloured else _ink(image)
        return image if coloured else _as_rgb(image), _labels(mask, int(digits.classes[index]))

    def _digits(self, request: SplitRequest) -> sources.Digits:
        """The set that a split is drawn from, opened once."""
        name, config, train = self._source_name(request), self.config, request.split == "train"
        if (name, train) not in self._opened:
            if name == "sklearn":
                found = sources.sklearn_digits()
            elif name == "mnist-m":
                found = sources.mnist_m_digits(config.root, train)
            elif name == "npz":
                found = sources.npz_digits(config.real_file, train)
            else:
                found = sources.torchvision_digits(name.upper(), config.root, train, config.download)
            self._opened[name, train] = found
        return self._opened[name, train]

    @cached_property
    def _opened(self) -> dict[tuple[str, bool], sources.Digits]:
        return {}

    def _indices(self, request: SplitRequest) -> list[int]:
        """The images of a split, classes taking turns, in an order that depends on the seed alone."""
        digits = self._digits(request)
        share = None if digits.parted else self.config.test_share
        return dealt(digits.classes, derive(self.name, "order", request.seed), request.split, share)

    def _chosen(self, request: SplitRequest) -> list[int]:
        indices = self._indices(request)
        if not indices:
            raise DataError(f"world 'digits': {request.domain} {request.split} has no image; see world.test_share")
        return indices[: request.count] if request.count else indices


def _as_rgb(grey: U8) -> U8:
    return np.repeat(grey[..., None], 3, axis=2)


def _ink(grey: U8) -> NDArray[np.bool_]:
    """Where a picture is at least half as bright as its brightest pixel; everywhere, if it is black."""
    return np.asarray(grey >= int(grey.max()) / 2, np.bool_)


def _labels(mask: NDArray[np.bool_], digit: int) -> Labels:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box: list[Any] = [[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]]
    return Labels(boxes=np.array(box, np.float32), classes=np.array([digit], np.int64), foreground=mask)
