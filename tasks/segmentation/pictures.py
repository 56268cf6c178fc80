"""Pictures of segmentation for the report: who is taken for whom, and a strip of test images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.arms import Arm
from bench.drawing import contact_sheet, magnification, upscale
from bench.heatmaps import beside, class_legend, class_map, confusion_picture, stacked
from bench.samples import U8
from bench.showing import Showing, Shown, TaskPicture
from tasks.segmentation.metrics import VOID, set_confusion

STRIP_ROWS = 4
STRIP_ARMS = 3
TILE = 220


def segmentation_pictures(showing: Showing) -> list[TaskPicture]:
    """``confusion`` of the synthetic, the best adapted and the real arm, and ``strip`` of some test images."""
    arms = showing.chosen(STRIP_ARMS)
    if not arms:
        return []
    maps = {shown.arm: _semantic(shown) for shown in arms}
    few = showing.chosen()
    names = showing.truth.class_names
    matrices = [
        confusion_picture(
            set_confusion(maps[shown.arm], showing.truth), names, shown.title, 46 if len(names) <= 12 else 30
        )
        for shown in few
    ]
    confusion = TaskPicture(
        "confusion",
        "Confusion of classes",
        f"Of the pixels of each true class (row) in the {showing.real} test images, the percentage that "
        f"{showing.model} gives each class; rows sum to 100, darker is more, a perfect model has 100 on the diagonal. "
        "A dash: no such pixel. Replicate 0.",
        beside(matrices, 12),
    )
    return [confusion, _strip(showing, arms, maps)]


def _semantic(shown: Shown) -> NDArray[np.uint8]:
    with np.load(shown.predictions / "predictions.npz") as file:
        return np.asarray(file["semantic"], np.uint8)


def _strip(showing: Showing, arms: list[Shown], maps: dict[Arm, NDArray[np.uint8]]) -> TaskPicture:
    chosen, tiles, seen = showing.spread(STRIP_ROWS), [], set()
    for index in chosen:
        sample = showing.truth[index]
        truth = sample.labels.semantic
        if truth is None:
            raise ValueError(f"{sample.id}: no semantic map to show")
        predicted = [maps[shown.arm][index] for shown in arms]
        seen |= {int(value) for semantic in (truth, *predicted) for value in np.unique(semantic)}
        tiles += [_fitted(picture) for picture in (sample.image, class_map(truth), *map(class_map, predicted))]
    titles = ["test image", "truth", *(shown.title for shown in arms)]
    heading = f"{showing.model} on {showing.real} test images, by what it was trained on"
    sheet = contact_sheet(tiles, len(titles), column_titles=titles, heading=heading)
    legend = class_legend(sheet.shape[1], sorted(seen), showing.truth.class_names, filled=True)
    void = " Grey in the truth is void, which is not scored." if VOID in seen else ""
    return TaskPicture(
        "strip",
        "Test images as the models see them",
        f"Some {showing.real} test images, spread evenly over the set, their true classes, and what {showing.model} "
        f"makes of them after each kind of training; the same colours all over.{void} Replicate 0.",
        stacked([sheet, legend]),
    )


def _fitted(image: U8) -> U8:
    """Small maps magnified by whole pixels, large ones shrunk."""
    height, width = image.shape[:2]
    if max(height, width) <= TILE:
        return upscale(image, magnification(height, width, TILE))
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
