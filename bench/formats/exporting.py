"""Formats that image sets are written in, by name: every file in `bench.formats.exporters` is one."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:  # for `--help`, which should not wait for numpy
    from bench.samples import ImageSet, Record


def exporter_names() -> list[str]:
    """Every format that can be written; nothing is imported."""
    from bench.formats import exporters

    return sorted(module.name for module in pkgutil.iter_modules(exporters.__path__))


def _exporter(name: str) -> Any:
    if name not in exporter_names():
        raise UsageError(f"unknown format '{name}'{did_you_mean(name, exporter_names())}")
    return importlib.import_module(f"bench.formats.exporters.{name}")


def export(images: ImageSet, name: str, folder: Path) -> list[str]:
    """Write a set into an existing, empty folder; return the kinds of labels that the format has no place for.

    Raises:
        UsageError: an unknown format.
        DataError: the set lacks the labels that the format is about, or one of its files.
    """
    exporter = _exporter(name)
    if exporter.NEEDS not in images.has:
        known = ", ".join(sorted(images.has)) or "none"
        raise DataError(f"format '{name}' is for {exporter.NEEDS}, which the set has not (it has: {known})")
    exporter.write(images, folder)
    return sorted(images.has - exporter.KINDS)


def import_options(name: str) -> str:
    """What `bench data import` needs to be told to read the folder back, such as ``--format coco``."""
    return str(_exporter(name).IMPORT)


def copy_image(record: Record, folder: Path) -> str:
    """Copy an image's file as it is into a folder; return its name there."""
    folder.mkdir(exist_ok=True)
    try:
        shutil.copyfile(record.path, folder / record.path.name)
    except FileNotFoundError:
        raise DataError(f"{record.path}: no such file; `bench data verify` names all that is missing") from None
    return record.path.name
