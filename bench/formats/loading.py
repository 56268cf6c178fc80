"""Opening what a label file names: images as upright RGB, label maps, segmentations; each complaint names its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.formats.masks import decode_segmentation
from bench.formats.source import Item
from bench.picture_files import MOST_BYTES, open_picture
from bench.reading import read_bytes as read_file

_ORIENTATION = 0x0112


class Broken(Exception):
    """An image that cannot be used; made from its kind, place, what is wrong, and the mend."""


def read_bytes(item: Item) -> bytes:
    """The bytes of an item's image file; raises `Broken`."""
    try:
        return item.data() if item.data else read_file(item.path, MOST_BYTES)
    except FileNotFoundError:
        raise Broken("missing image", item.where, f"no file {item.path}", "add it or remove its entry") from None
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise Broken("broken image", item.where, f"{item.path}: {what}", "mend the file") from None


def decode(data: bytes, item: Item) -> tuple[Image.Image, str | None]:
    """The image as RGB, upright, and its format ("JPEG") if its bytes may be kept as they are; raises `Broken`."""
    mend = "replace or remove the file"
    try:
        opened = open_picture(data)
    except ValueError as error:
        raise Broken("broken image", item.where, f"{item.path}: {error}", mend) from None
    turned, mode = _turned(opened, item), opened.mode
    image = (ImageOps.exif_transpose(opened) if turned else opened).convert("RGB")
    if mode.startswith(("I", "F")):
        raise Broken("broken image", item.where, f"{item.path}: {mode} pixels, expected 8 bit", "convert it to 8 bit")
    if item.stated_size and image.size != item.stated_size:
        stated, actual = ("x".join(map(str, size)) for size in (item.stated_size, image.size))
        what = f"the labels are for {stated} pixels, {item.path} has {actual}"
        raise Broken("size differs", item.where, what, "mend the size or the file")
    keep = mode == "RGB" and not turned
    return image, opened.format if keep else None


def _turned(image: Image.Image, item: Item) -> bool:
    """Whether a camera's orientation mark is to be obeyed: as viewers do, unless the labels' size says otherwise."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken metadata raise whatever they lead to, and say nothing of the pixels
        return False
    if orientation not in range(2, 9):
        return False
    swaps = orientation >= 5 and image.size[0] != image.size[1]
    return not (swaps and item.stated_size == image.size)


def read_map(path: Path, kind: str, size: tuple[int, int], item: Item) -> NDArray[Any]:
    """A label map of an image of ``size`` (width, height): bool, metres, or integers; raises `Broken`."""
    try:
        if kind == "depth" and item.depths:
            return _fitting(item.depths.metres(path, size), path, size, item)
        image = open_picture(path)
        array = item.codes.decode(image) if kind == "semantic" and item.codes else np.asarray(image)
    except FileNotFoundError:
        raise Broken("missing mask", item.where, f"no file {path}", "add it") from None
    except (OSError, ValueError) as error:
        raise Broken("broken mask", item.where, f"{path}: {error}", "mend or replace it") from None
    _fitting(array, path, size, item)
    if kind == "foreground":
        return array > 127
    if kind == "depth":
        return array.astype(np.float32) / 1000
    return array.astype(np.uint16 if kind == "instances" else np.uint8)


def _fitting(array: NDArray[Any], path: Path, size: tuple[int, int], item: Item) -> NDArray[Any]:
    if array.shape != (size[1], size[0]):
        what = f"{path}: shape {array.shape}, the image is {size[0]}x{size[1]}"
        raise Broken("broken mask", item.where, what, "mend it")
    return array


def drawn_instances(item: Item, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Instances from COCO segmentations: k at the pixels of the k-th box, later ones over earlier ones."""
    instances = np.zeros((size[1], size[0]), np.uint16)
    for number, box in enumerate(item.boxes, 1):
        shape = box.segmentation
        if item.relative and isinstance(shape, list):
            shape = [[v * size[i % 2] for i, v in enumerate(polygon)] for polygon in shape]
        try:
            instances[decode_segmentation(shape, *size)] = number
        except ValueError as error:
            raise Broken("broken mask", box.where, str(error), "mend or remove it") from None
    return instances
