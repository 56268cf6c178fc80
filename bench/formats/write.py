"""Writing converted samples as an image set, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import DataError
from bench.formats.convert import Converter
from bench.formats.geometry import place
from bench.formats.layout import ImageSetWriter
from bench.picture_files import open_picture


def write_samples(
    converter: Converter,
    root: Path,
    *,
    domain: str,
    kind: str,
    provenance: Mapping[str, Any],
    order: Sequence[int] | None = None,
    backgrounds: Sequence[Path] = (),
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the converter's samples into ``root`` in our layout; return how many there are.

    Args:
        converter: what yields the samples.
        root: an empty folder.
        domain: "synthetic" or "real".
        kind: "rendered", "stand-in" or "photographs".
        provenance: remembered in the manifest.
        order: indices into the source's items; all by default.
        backgrounds: empty scenes, fitted like the images.
        progress: called with the number of images written so far.

    Raises:
        DataError: nothing usable is left.
    """
    source = converter.source
    writer = ImageSetWriter(
        root, domain=domain, kind=kind, class_names=converter.class_names, labels=source.labels, provenance=provenance
    )
    count = 0
    for sample in converter.samples(order):
        writer.add(sample.id, sample.image, sample.labels, group=sample.group, suffix=sample.suffix)
        count += 1
        if progress:
            progress(count)
    for path in backgrounds:
        writer.add_background(fitted_background(path, converter.size, converter.fit))
    if not count:
        raise DataError(f"no usable image is left: {converter.problems.summary()}")
    writer.close()
    return count


def fitted_background(path: Path, size: int | None, fit: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An empty scene as (H, W, 3) uint8, fitted as the images are; raises `DataError` that names a broken file."""
    try:
        image = open_picture(path).convert("RGB")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove it") from None
    return place(*image.size, size, fit).image(image)


@contextmanager
def fresh_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new folder beside ``target`` that becomes it on success and is removed on failure.

    Raises:
        DataError: ``target`` exists and may not be replaced (only an image set ever is).
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        if not overwrite:
            raise DataError(f"{target}: exists already; choose another folder, or add --overwrite")
        if not (target / "manifest.json").is_file():
            raise DataError(f"{target}: is no image set, so --overwrite leaves it alone; choose another folder")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        if target.is_dir():
            shutil.rmtree(target)
        part.rename(target)
    except OSError as error:
        raise DataError(f"{error.filename or target}: {error.strerror}; choose another folder") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
