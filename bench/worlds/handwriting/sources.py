"""Sets of digits on disk: inside scikit-learn, in torchvision's layout, as MNIST-M's folders, as npz."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError, UsageError
from bench.samples import U8, read_png

MOST_ARRAYS = 2**30
"""Bytes of a set unpacked; MNIST has 55 MB."""
SKLEARN_COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""Images a class of ``sklearn.datasets.load_digits``, so that planning need not import it."""


@dataclass(frozen=True)
class Digits:
    """A set of digits.

    Attributes:
        classes: (N,) int64, 0 to 9.
        image: the picture at an index, (h, w) grey or (h, w, 3) uint8, ink bright on black where it is grey.
        digest: of the pictures and classes.
        parted: whether this is one of two published parts (training, test); else both are drawn from it.
    """

    classes: NDArray[np.int64]
    image: Callable[[int], U8]
    digest: Callable[[], str]
    parted: bool = True


def sklearn_missing() -> str | None:
    """Why scikit-learn's digits cannot be read, or None."""
    if importlib.util.find_spec("sklearn") is None:
        return "the handwritten digits are inside scikit-learn, which is not installed: pip install scikit-learn"
    return None


def sklearn_digits() -> Digits:
    """1,797 scans of 8x8 pixels (Alpaydin and Kaynak 1998, UCI "optical recognition of handwritten digits", its test
    part: 13 writers, who are not told apart). Raises `UsageError` without scikit-learn."""
    reason = sklearn_missing()
    if reason:
        raise UsageError(reason)
    data: Any = importlib.import_module("sklearn.datasets").load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return in_memory(images, np.asarray(data.target), parted=False)


def torchvision_digits(name: str, root: Path | None, train: bool, download: bool) -> Digits:
    """``MNIST`` or ``USPS`` as torchvision lays them out under ``root``; fetched first where ``download`` is set.

    Raises:
        UsageError: no root.
        DataError: the files are not there or broken.
    """
    if root is None:
        raise UsageError(f"world.root: name the folder that holds {name} as torchvision lays it out")
    from torchvision import datasets

    try:
        found = getattr(datasets, name)(str(root), train=train, download=download)
        return in_memory(np.asarray(found.data, np.uint8), np.asarray(found.targets))
    except Exception as error:  # torchvision reads several layouts, old pickles too, of which torch runs nothing
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{root}: no {name} ({first}); put it there, or set world.download = true") from None


def mnist_m_digits(root: Path | None, train: bool) -> Digits:
    """MNIST-M (Ganin and Lempitsky 2015): ``mnist_m_train/*.png`` with ``mnist_m_train_labels.txt``, and so for test.

    Raises:
        UsageError: no root.
        DataError: a file is missing, or a line of the labels makes no sense.
    """
    if root is None:
        raise UsageError("world.root: name the folder that holds mnist_m_train and mnist_m_test")
    part = "mnist_m_train" if train else "mnist_m_test"
    labels = root / f"{part}_labels.txt"
    try:
        lines = labels.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        mend = "unpack mnist_m.tar.gz and name its folder as world.root"
        raise DataError(f"{labels}: not readable ({error}); {mend}") from None
    paths, classes = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, digit = line.strip().rpartition(" ")
        if not name or digit not in tuple("0123456789") or Path(name).name != name:
            raise DataError(f"{labels}: line {number} is no 'name digit': {line!r}")
        paths.append(root / part / name)
        classes.append(int(digit))
    if not paths:
        raise DataError(f"{labels}: no image is listed")

    def digest() -> str:
        found = hashlib.sha256(labels.read_bytes())
        for path in paths:
            try:
                found.update(path.read_bytes())
            except OSError as error:
                raise DataError(f"{path}: {error.strerror}, but {labels} lists it; unpack the set again") from None
        return found.hexdigest()

    return Digits(np.array(classes, np.int64), lambda index: read_png(paths[index])[..., :3].astype(np.uint8), digest)


def npz_digits(file: Path | None, train: bool) -> Digits:
    """A part of a file with ``train_x``, ``train_y``, ``test_x`` and ``test_y``, or a whole one with ``x`` and ``y``.

    Pictures are (N, h, w) uint8, ink bright on black; classes are (N,) integers from 0 to 9.

    Raises:
        UsageError: no file is named.
        DataError: the file is missing, or not like that.
    """
    if file is None:
        raise UsageError("world.real_file: name an .npz with x and y, or with train_x, train_y, test_x and test_y")
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > MOST_ARRAYS:
                raise ValueError(f"over {MOST_ARRAYS // 2**20} MiB unpacked")
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (Exception, MemoryError) as error:  # numpy, zipfile and zlib raise whatever broken bytes lead them to
        first = (str(error).splitlines() or [""])[0]
        raise DataError(f"{file}: not a readable .npz of plain arrays ({first}); see world.real_file") from None
    parted = "x" not in arrays
    prefix = ("train_" if train else "test_") if parted else ""
    for name in (f"{prefix}x", f"{prefix}y"):
        if name not in arrays:
            raise DataError(f"{file}: no array {name!r} (it has {', '.join(sorted(arrays)) or 'none'})")
    images, classes = arrays[f"{prefix}x"], arrays[f"{prefix}y"]
    if images.ndim != 3 or images.dtype != np.uint8 or not len(images):
        raise DataError(f"{file}: {prefix}x is {images.dtype} {images.shape}, not uint8 (N, h, w)")
    if classes.shape != images.shape[:1] or not np.issubdtype(classes.dtype, np.integer):
        raise DataError(f"{file}: {prefix}y is {classes.dtype} {classes.shape}, not {len(images)} integers")
    if classes.min() < 0 or classes.max() > 9:
        raise DataError(f"{file}: {prefix}y holds {classes.min()} to {classes.max()}; digits are 0 to 9")
    return in_memory(images, classes, parted)


def in_memory(images: NDArray[np.uint8], classes: NDArray[Any], parted: bool = True) -> Digits:
    """A set of pictures of one size."""
    numbers = classes.astype(np.int64)

    def digest() -> str:
        return hashlib.sha256(np.ascontiguousarray(images).tobytes() + numbers.tobytes()).hexdigest()

    return Digits(numbers, lambda index: images[index], digest, parted)
