"""NYU Depth v2, the labelled part: nyu_depth_v2_labeled.mat (HDF5), 1449 frames with depth from a Kinect."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench.errors import DataError, UsageError
from bench.formats.depths import cleaned, listed
from bench.formats.source import Item, Option, Problems, Source
from bench.picture_files import check_pixels
from bench.reading import read_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPTIONS = (
    Option("splits", "splits.mat of the data set (trainNdxs, testNdxs), in the folder of SRC", metavar="FILE"),
    Option("split", "train or test of --splits", metavar="NAME"),
    Option("list", "text file of the frames to take, one number from 1 a line, relative to the folder of SRC",
           metavar="FILE"),
)
MOST_FRAMES = 100_000
LONGEST_NAME = 200
MOST_SPLITS = 16 * 2**20
"""The published splits.mat has under 3 kB."""
_FILE = "nyu_depth_v2_labeled.mat"


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The open file: images (N, 3, W, H) uint8, depths (N, W, H) float32 metres: columns first, as MATLAB does."""

    file: Any

    def image(self, number: int) -> bytes:
        """Frame ``number`` (from 0) as PNG."""
        import numpy as np

        from bench.formats.layout import encode_png

        return encode_png(np.ascontiguousarray(self._one("images", number).transpose(2, 1, 0)))

    def metres(self, path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W) metres of the frame that the last part of ``path`` counts, 0 = unknown; raises `DataError`."""
        import numpy as np

        depth = self._one("depths", int(path.name)).astype(np.float32).T
        return cleaned(depth, str(path), "depths must be metres")

    def _one(self, key: str, number: int) -> NDArray[Any]:
        import numpy as np

        try:
            return np.asarray(self.file[key][number])
        except Exception as error:  # HDF5 raises whatever broken bytes lead it to
            raise ValueError((str(error).splitlines() or [""])[0]) from None


def read(source: Path, options: Mapping[str, Any], problems: Problems) -> Source:
    """Read the file, or the folder that has it; a frame's group is its scene, where the file names it.

    Raises:
        DataError: no such file, no HDF5, or no images and depths in it that fit each other.
        UsageError: h5py is not installed, or a split or frame that does not exist.
    """
    path = source / _FILE if source.is_dir() else source
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the path of {_FILE}")
    if importlib.util.find_spec("h5py") is None:
        raise UsageError('--format nyuv2: package h5py is not installed; pip install "refiner-bench[hdf5]"')
    h5py: Any = importlib.import_module("h5py")
    try:
        file = h5py.File(path, "r")
    except Exception:  # HDF5 raises whatever broken bytes lead it to
        raise DataError(f"{path}: not an HDF5 file (.mat version 7.3); download it again, or save with -v7.3") from None
    try:
        _check_storage(h5py, file, path)
        count = _count(file, path)
        scenes = _scenes(h5py, file, count)
    except DataError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(f"{path}: broken HDF5 ({first}); download it again") from None
    numbers = _numbers(path.parent, options, count)
    frames = Frames(file)
    items = [
        Item(
            f"{number + 1:04d}.png", path, f"{path}: frame {number + 1}", group=scenes[number],
            maps={"depth": path / str(number)}, depths=frames, data=lambda number=number: frames.image(number),  # type: ignore[misc]
        )
        for number in numbers
    ]
    return Source(tuple(items), tuple(options["classes"] or ()), frozenset({"depth"}), "real", "photographs")


def _check_storage(h5py: Any, file: Any, path: Path) -> None:
    """HDF5 can take data from other files, by a link or as raw storage: then any file could be read as pictures."""
    for key in ("images", "depths", "scenes"):
        if key not in file and file.get(key, getlink=True) is None:
            continue
        here = isinstance(file.get(key, getlink=True), h5py.HardLink)
        data = file[key] if here else None
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
            raise DataError(f"{path}: '{key}' lies in another file, or is no array; is it {_FILE}?")


def _count(file: Any, path: Path) -> int:
    for key in ("images", "depths"):
        if key not in file:
            raise DataError(f"{path}: no '{key}' in it; is it {_FILE}?")
    images, depths = tuple(file["images"].shape), tuple(file["depths"].shape)
    if len(images) != 4 or images[1] != 3 or images[:1] + images[2:] != depths:
        what = f"images {images} and depths {depths}, expected (N, 3, W, H) and (N, W, H)"
        raise DataError(f"{path}: {what}; is it {_FILE}?")
    check_pixels(*images[2:])
    if file["images"].dtype != "uint8" or file["depths"].dtype.kind != "f" or images[0] > MOST_FRAMES:
        what = f"{images[0]} frames of {file['images'].dtype} and {file['depths'].dtype}"
        raise DataError(f"{path}: {what}; is it {_FILE}?")
    return int(images[0])


def _scenes(h5py: Any, file: Any, count: int) -> list[str | None]:
    """Names of the scenes: references to arrays of characters."""
    if "scenes" not in file or file["scenes"].size != count or file["scenes"].dtype != h5py.ref_dtype:
        return [None] * count
    references = file["scenes"][()].ravel()
    # A reference leads to any object of the file, however large.
    return ["".join(chr(int(code)) for code in file[reference][:LONGEST_NAME].ravel()) for reference in references]


def _numbers(folder: Path, options: Mapping[str, Any], count: int) -> list[int]:
    """Which frames to take, from 0."""
    if (options["splits"] is None) != (options["split"] is None) or (options["splits"] and options["list"]):
        raise UsageError("--format nyuv2: give --splits FILE with --split train or test, or --list, or none of them")
    if options["splits"]:
        where, chosen = folder / options["splits"], _of_split(folder / options["splits"], options["split"])
    elif options["list"]:
        where = folder / options["list"]
        words = [line[0] for line in listed(where)]
        bad = [word for word in words if not word.isdecimal() or len(word) > 9]
        if bad:
            raise DataError(f"{where}: {bad[0][:40]!r} is no number of a frame; write one from 1 to {count} a line")
        chosen = [int(word) for word in words]
    else:
        return list(range(count))
    for number in chosen:
        if not 1 <= number <= count:
            raise DataError(f"{where}: frame {number}, but there are 1 to {count}; is it the list of this file?")
    return [number - 1 for number in chosen]


def _of_split(path: Path, split: str) -> list[int]:
    from scipy.io import loadmat

    if split not in ("train", "test"):
        raise UsageError(f"--split {split}: train or test")
    try:
        data = read_bytes(path, MOST_SPLITS)
        found: Any = loadmat(cast(Any, io.BytesIO(data)), variable_names=[f"{split}Ndxs"])
        return [int(number) for number in found[f"{split}Ndxs"].ravel()]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give --splits relative to the folder of SRC") from None
    except Exception as error:  # scipy raises whatever broken bytes lead it to
        raise DataError(f"{path}: no {split}Ndxs in it ({error}); is it splits.mat of NYU Depth v2?") from None
