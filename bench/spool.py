"""Arrays of one shape, one an image, for sets larger than memory: small ones stay there, large ones go to disk.

A spool lies in a file without a name beside the stage that uses it (`spooling`), or in the system's folder for
temporary files. The system frees it with the process, however that ends. What is read is copied, so no page of it
counts as the process's own, as those of a memory-mapped file would.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IN_MEMORY = 8 * 2**20
"""Bytes up to which a whole set stays in memory. A training stage has two to six of them."""
_FOLDER: ContextVar[Path | None] = ContextVar("spool folder", default=None)


@contextlib.contextmanager
def spooling(folder: Path) -> Iterator[None]:
    """Spools made in the block lie in ``folder``: on the store's disk, not in a ``/tmp`` that may be memory."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


class Spool:
    """(N, ...) arrays in a file, indexed like an array by one number, a slice or a list of numbers.

    Attributes:
        shape: of the whole, the number of images first.
        dtype: of its numbers.
        nbytes: of the whole.
    """

    def __init__(self, count: int, shape: Sequence[int], dtype: DTypeLike, make: Callable[[int], NDArray[Any]]) -> None:
        self.shape, self.dtype = (count, *shape), np.dtype(dtype)
        self._bytes = math.prod(shape) * self.dtype.itemsize
        self.nbytes = count * self._bytes
        folder = _FOLDER.get()
        # Nobody else can reach the file, so there is nothing that a context manager could guard: it ends with us.
        self._file = tempfile.TemporaryFile(dir=folder if folder and folder.is_dir() else None, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        for index in range(count):
            item = np.ascontiguousarray(make(index), self.dtype)
            if item.shape != self.shape[1:]:
                raise ValueError(f"item {index} has shape {item.shape}, not {self.shape[1:]}")
            self._write(item.reshape(-1).view(np.uint8).data)

    def _write(self, data: memoryview) -> None:
        while data:  # a full disk takes a part, and says so at the next write
            data = data[self._file.write(data) :]

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, chosen: Any) -> NDArray[Any]:
        """A copy of the chosen images' arrays; one number gives one without the first dimension."""
        if isinstance(chosen, (int, np.integer)):
            found: NDArray[Any] = self._read([int(chosen)])[0]
            return found
        if isinstance(chosen, slice):
            return self._read(range(*chosen.indices(len(self))))
        return self._read([int(index) for index in chosen])

    def mean(self) -> float:
        """The mean of all numbers."""
        return float(sum(float(item.sum(dtype=np.float64)) for item in self)) / math.prod(self.shape)

    def _read(self, indices: Sequence[int]) -> NDArray[Any]:
        out = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for item, index in zip(out, indices, strict=True):
            place = index + len(self) if index < 0 else index
            if not 0 <= place < len(self):
                raise IndexError(f"image {index} of {len(self)}")
            self._file.seek(place * self._bytes)
            if self._bytes and self._file.readinto(item.reshape(-1).view(np.uint8).data) != self._bytes:
                raise OSError(None, "a temporary file lost its end", str(_FOLDER.get() or tempfile.gettempdir()))
        return out


Rows = NDArray[Any] | Spool
"""One array an image, in memory or on disk; index it with a list of numbers."""


def spooled(
    count: int, shape: Sequence[int], dtype: DTypeLike, make: Callable[[int], NDArray[Any]]
) -> Rows:
    """``make(i)`` of every image, each of one shape: as an array where that is small, else as a `Spool`."""
    if count * math.prod(shape) * np.dtype(dtype).itemsize > IN_MEMORY:
        return Spool(count, shape, dtype, make)
    out = np.empty((count, *shape), dtype)
    for index in range(count):
        out[index] = make(index)
    return out
