"""The pictures that a task drew: checked, written to ``plots/`` and made part of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.report.gallery import write_sheet
from bench.report.page import Picture, picture_of_sheet
from bench.showing import TaskPicture

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
"""What may stand before ``.png``: no dot and no slash, so that no name leaves the folder on any system."""


def write_pictures(
    pictures: Sequence[TaskPicture], folder: Path, reserved: Sequence[str]
) -> tuple[list[Picture], list[str]]:
    """Write ``folder/<name>.png`` for each picture; what cannot be shown becomes a note instead.

    Args:
        pictures: in the order of the page.
        folder: the report's ``plots/``.
        reserved: names of the harness's own plots; none of the pictures may have one, or begin with one and a hyphen.
    """
    shown: dict[str, Picture] = {}
    notes = []
    for picture in pictures:
        fault = _fault(picture, [*reserved, *shown], reserved)
        if fault:
            notes.append(f"picture {str(picture.name)[:60]!r} is not shown: {fault}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write_sheet(picture.image, folder / f"{picture.name}.png")
        shown[picture.name] = picture_of_sheet(picture.image, picture.title, picture.caption, picture.title)
    return list(shown.values()), notes


def _fault(picture: TaskPicture, taken: Sequence[str], reserved: Sequence[str]) -> str:
    name, image = picture.name, picture.image
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return "its name must be small letters, digits and hyphens, 60 at most"
    if name in taken or any(name.startswith(f"{plot}-") for plot in reserved):
        return "another plot has its name"
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return "its image must be (H, W, 3) uint8"
    return "" if image.size else "its image is empty"
