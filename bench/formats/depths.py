"""Depth as other people store it, to metres along the optical axis with 0 for unknown; wrong scales are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DataError, UsageError
from bench.formats.source import Item, image_files
from bench.reading import read_text

if TYPE_CHECKING:  # readers are imported for `--help`, which should not wait for numpy
    import numpy as np
    from numpy.typing import NDArray

FARTHEST = 65.0
"""Metres: our layout's 16-bit millimetres end at 65.5, so what is farther (a sky, say) counts as unknown."""
LOW, HIGH = 0.05, 200.0
"""Metres between which the median depth of an image is believed."""


def cleaned(metres: NDArray[np.float32], where: str, mend: str) -> NDArray[np.float32]:
    """Depth with 0 where it is unknown, not finite, or beyond `FARTHEST`.

    Raises:
        DataError: the median of what is known is no plausible depth, so the scale is wrong; names ``where`` and
            ``mend``.
    """
    import numpy as np

    known = np.where(np.isfinite(metres) & (metres > 0), metres, 0).astype(np.float32)
    if known.any():
        median = float(np.median(known[known > 0]))
        if not LOW <= median <= HIGH:
            raise DataError(f"{where}: median depth {median:.4g} m, expected {LOW:g} to {HIGH:g}; {mend}")
    return np.where(known <= FARTHEST, known, 0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ScaledPng:
    """Depth images of one value a pixel.

    Attributes:
        scale: how many units of the file make a metre.
        mend: what the user should do where that is wrong.
        void: value that means unknown or infinitely far, besides 0.
    """

    scale: float
    mend: str = "state another --depth-scale (units per metre)"
    void: int | None = None

    def metres(self, path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W) metres, 0 = unknown; raises `ValueError` for a picture in colours and `DataError` for the scale."""
        import numpy as np

        from bench.picture_files import open_picture

        image = open_picture(path)
        if image.mode in ("P", "1"):
            raise ValueError(f"{image.mode} pixels are no depth")
        array = np.asarray(image)
        if array.ndim != 2:
            raise ValueError(f"{array.shape[-1]} channels, expected one depth a pixel")
        if self.void is not None:
            array = np.where(array == self.void, 0, array)
        return cleaned((array / self.scale).astype(np.float32), str(path), self.mend)


def depth_items(
    images: Path, depth_of: Callable[[Path], Path], codes: ScaledPng, *, root: Path,
    group: Callable[[Path], str | None] = lambda _: None, keep: Callable[[Path], bool] = lambda _: True,
) -> tuple[Item, ...]:
    """One item for every image below ``images``, named relative to ``root``; a missing depth is named when it is read.

    Raises:
        DataError: there is no image.
    """
    found = [path for path in image_files(images) if keep(path)]
    if not found:
        raise DataError(f"{images}: no images that are meant; see the options of the format with --help")
    return tuple(
        Item(
            path.relative_to(root).as_posix(), path, str(path), group=group(path), maps={"depth": depth_of(path)},
            depths=codes,
        )
        for path in found
    )


def listed(path: Path) -> list[list[str]]:
    """The words of each line of a text file; raises `DataError` where there is none."""
    try:
        lines = [line.split() for line in read_text(path, encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give --list relative to SRC, or its whole path") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error}); give another --list") from None
    if not lines:
        raise DataError(f"{path}: the list is empty; write one image a line")
    return lines


def positive(text: str | None, option: str) -> float:
    """A number above 0; raises `UsageError`."""
    try:
        value = float(text or "")
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{option} {text or ''}: a number above 0, how many units of the depth files make a metre")
    return value


def chosen(present: Sequence[str], wanted: Sequence[str] | None, option: str) -> list[str]:
    """What an option names among what there is, or all; raises `UsageError` for a name that is not there."""
    for name in wanted or ():
        if name not in present:
            raise UsageError(f"{option} {name}: not there; there are {', '.join(present)}")
    return [name for name in present if not wanted or name in wanted]
