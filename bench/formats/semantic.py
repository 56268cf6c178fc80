"""What the values or colours of a semantic mask mean, and folders in which every image has such a mask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DataError
from bench.formats.source import Item, Problems, image_files
from bench.reading import read_text

if TYPE_CHECKING:  # readers are imported for `--help`, which should not wait for numpy
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

VOID = 255
"""What our layout writes where no class is known."""
Colour = tuple[int, int, int]
_VOID_NAMES = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "unlabel"})


@dataclass(frozen=True, slots=True)
class Codes:
    """How a mask file writes classes: by pixel values or, where ``colours`` is not empty, by colours.

    Attributes:
        values: pixel value -> class index or `VOID`; 255 is void in any case.
        colours: (red, green, blue) -> class index or `VOID`.
    """

    values: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)

    def decode(self, image: Image.Image) -> NDArray[np.uint8]:
        """(H, W) class indices and `VOID`; raises `ValueError` that tells the first one without a meaning."""
        return self._from_colours(image) if self.colours else self._from_values(image)

    def _from_values(self, image: Image.Image) -> NDArray[np.uint8]:
        import numpy as np

        array = np.asarray(image)
        if array.ndim == 3 and (array[..., :1] == array[..., :3]).all():
            array = array[..., 0]
        if array.ndim != 2:
            raise ValueError(f"{image.mode} pixels, expected one value a pixel; is it a picture in colours?")
        table = np.full(256, -1, np.int16)
        table[VOID] = VOID
        for value, index in self.values.items():
            table[value] = index
        if array.size and not 0 <= int(array.min()) <= int(array.max()) <= 255:
            raise ValueError(f"values from {array.min()} to {array.max()}, expected 0 to 255")
        known = table[array.astype(np.uint8)]
        if (known < 0).any():
            raise ValueError(f"value {array[known < 0].flat[0]} is no class")
        return known.astype(np.uint8)

    def _from_colours(self, image: Image.Image) -> NDArray[np.uint8]:
        import numpy as np

        array = np.asarray(image.convert("RGB")).astype(np.int32)
        packed = array[..., 0] << 16 | array[..., 1] << 8 | array[..., 2]
        keys = {red << 16 | green << 8 | blue: index for (red, green, blue), index in self.colours.items()}
        order = np.array(sorted(keys), np.int32)
        places = np.searchsorted(order, packed).clip(max=len(order) - 1)
        strange = order[places] != packed
        if strange.any():
            red, green, blue = array[strange][0].tolist()
            raise ValueError(f"colour {red},{green},{blue} is no class")
        indices: NDArray[np.uint8] = np.array([keys[key] for key in sorted(keys)], np.uint8)[places]
        return indices


def mask_items(
    images: Path,
    masks: Path,
    codes: Codes,
    names: Callable[[Path], Sequence[Path]],
    problems: Problems,
    *,
    group: Callable[[Path], str] | None = None,
    keep: Callable[[Path], bool] = lambda _: True,
    extra: str = "*.png",
) -> tuple[Item, ...]:
    """One item for every image below ``images``, with the mask that belongs to it.

    Args:
        images, masks: the two folders.
        codes: what the masks' values mean.
        names: from an image's path relative to ``images`` to its mask's, relative to ``masks``: the first that exists
            is taken. Where none does, the importer will name the first as missing.
        problems: a mask without an image is noted here.
        group: scene or sequence of an image, from its relative path.
        keep: which of the files below ``images`` are meant.
        extra: which files below ``masks`` are masks.

    Raises:
        DataError: there is no image.
    """
    items, used = [], set()
    for path in image_files(images):
        relative = path.relative_to(images)
        candidates = [masks / name for name in names(relative)]
        used.update(candidates)
        if not keep(relative):
            continue
        mask = next((candidate for candidate in candidates if candidate.is_file()), candidates[0])
        items.append(
            Item(
                relative.as_posix(), path, str(path), group=group(relative) if group else None,
                maps={"semantic": mask}, codes=codes,
            )
        )
    if not items:
        raise DataError(f"{images}: no images with masks in {masks}; name the folders with the options, see --help")
    if images != masks:
        for path in sorted(set(masks.rglob(extra)) - used - set(image_files(images))):
            what = f"no image of that name in {images}"
            problems.add("missing image", str(path), what, "add it or remove the mask")
    return tuple(items)


def read_colours(path: Path) -> tuple[tuple[str, ...], dict[Colour, int]]:
    """Class names and colours of a text file: lines ``64 128 64 Animal`` (CamVid's) or ``Animal,64,128,64``.

    Names such as "void" and "unlabelled" become void; one name may have several colours.

    Raises:
        DataError: a line is neither, or a colour occurs twice.
    """
    names: list[str] = []
    colours: dict[Colour, int] = {}
    for number, line in enumerate(_lines(path), 1):
        text = line.strip()
        if not text or text.startswith("#") or (number == 1 and not re.search(r"\d", text)):
            continue
        first = re.match(r"(\d{1,9})[\s,;]+(\d{1,9})[\s,;]+(\d{1,9})[\s,;]+(.+)$", text)
        last = re.match(r"(.+?)[\s,;:]+(\d{1,9})[\s,;]+(\d{1,9})[\s,;]+(\d{1,9})$", text)
        if first:
            name, values = first[4], (int(first[1]), int(first[2]), int(first[3]))
        elif last:
            name, values = last[1], (int(last[2]), int(last[3]), int(last[4]))
        else:
            raise DataError(f"{path}:{number}: {text[:40]!r} is no colour and name; write '64 128 64 Animal'")
        if max(values) > 255 or values in colours:
            what = "occurs before" if values in colours else "is none"
            raise DataError(f"{path}:{number}: colour {' '.join(map(str, values))} {what}; mend the line")
        name = name.strip().strip('"')
        if name.casefold() in _VOID_NAMES:
            colours[values] = VOID
            continue
        if name not in names:
            names.append(name)
        colours[values] = names.index(name)
    if not names:
        raise DataError(f"{path}: no class in it; write a line such as '64 128 64 Animal' for each")
    return tuple(names), colours


def read_names(path: Path) -> tuple[str, ...]:
    """Class names, one a line; raises `DataError`."""
    return tuple(line.strip() for line in _lines(path) if line.strip())


def listed_names(path: Path) -> frozenset[str]:
    """Stems of the images that a text file lists, one a line (further words on a line are left out)."""
    return frozenset(Path(line.split()[0].replace("\\", "/")).stem for line in _lines(path) if line.strip())


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path, encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the path is relative to SRC") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error})") from None
