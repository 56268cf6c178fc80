"""Pictures of depth for the report: what each arm sees in test images, how far it is off, and what was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.drawing import contact_sheet
from bench.heatmaps import colour_bar, round_up, stacked, value_map
from bench.samples import U8
from bench.showing import Showing, Shown, TaskPicture
from tasks.depth.metrics import Crop, inside

ROWS = 3
ARMS = 3
TILE = 200
ERROR_PERCENTILE, FAR_PERCENTILE = 97, 98
"""The scales end here, so that a few far or wild pixels do not bleach all the rest."""


def depth_pictures(
    showing: Showing, cap: float, min_depth: float, crop: Crop = "none", median_scaling: bool = False
) -> list[TaskPicture]:
    """``depth`` of some test images and, where the run has refined sets, ``translated`` training images.

    Args:
        showing: see `bench.showing.Showing`.
        cap, min_depth, crop, median_scaling: what is scored and how, see `tasks.depth.metrics.image_errors`.
    """
    arms = showing.chosen(ARMS)
    found = [_strip(showing, arms, cap, min_depth, crop, median_scaling)] if arms else []
    translated = _translated(showing, [shown for shown in arms if shown.images is not None], cap)
    return [*found, *([translated] if translated else [])]


def _strip(
    showing: Showing, arms: list[Shown], cap: float, min_depth: float, crop: Crop, median_scaling: bool
) -> TaskPicture:
    chosen = showing.spread(ROWS)
    truth = [_truth(showing, index) for index in chosen]
    scored = [(t > min_depth) & (t < cap) & inside(t.shape[0], t.shape[1], crop) for t in truth]
    predicted = {shown.arm: _depth(shown, chosen) for shown in arms}
    if median_scaling:
        for maps in predicted.values():
            for guess, t, s in zip(maps, truth, scored, strict=True):
                guess *= np.median(t[s]) / max(float(np.median(guess[s])), 1e-6) if s.any() else 1
    predicted = {arm: maps.clip(min_depth, cap) for arm, maps in predicted.items()}
    off = {arm: [np.abs(p - t) for p, t in zip(maps, truth, strict=True)] for arm, maps in predicted.items()}
    values = [e[s] for maps in off.values() for e, s in zip(maps, scored, strict=True) if s.any()]
    worst = round_up(float(np.percentile(np.concatenate(values), ERROR_PERCENTILE))) if values else 1.0
    far = _far(truth, cap)
    tiles, titles = [], []
    blank = np.full((1, 1, 3), 255, np.uint8)
    for row, index in enumerate(chosen):
        depths = [value_map(predicted[shown.arm][row], far, "depth") for shown in arms]
        errors = [value_map(off[shown.arm][row], worst, "error", scored[row]) for shown in arms]
        image = showing.truth.image(index)
        tiles += [_fitted(m) for m in (image, value_map(truth[row], far, "depth", truth[row] > 0), *depths)]
        tiles += [blank, blank, *map(_fitted, errors)]
        means = [
            f"off by {float(off[shown.arm][row][scored[row]].mean()):.2f} m on average" if scored[row].any() else ""
            for shown in arms
        ]
        titles += ["test image", "true depth", *(["predicted depth"] * len(arms)), "", "", *means]
    columns = ["", "", *(shown.title for shown in arms)]
    heading = f"{showing.model} on {showing.real} test images, by what it was trained on"
    sheet = contact_sheet(tiles, len(columns), titles, column_titles=columns, heading=heading)
    width = sheet.shape[1]
    bars = [
        colour_bar(width, far, "m", "Depth: metres from the camera (grey: unknown)", "depth"),
        colour_bar(width, worst, "m", "Error: metres between prediction and truth (white: right)", "error"),
    ]
    scaled = "Predictions are scaled to the true median of each image. " if median_scaling else ""
    return TaskPicture(
        "depth",
        "Depth in test images",
        f"Some {showing.real} test images, spread evenly over the set, their true depth, and what {showing.model} "
        "predicts after each kind of training; below each prediction, how far it is off. Every depth map has one "
        "scale, every error map another; what lies beyond its end has the last colour. Grey errors are not "
        f"scored (unknown, cropped, or outside {min_depth:g} to {cap:g} m). {scaled}Replicate 0.",
        stacked([sheet, *bars], 4),
    )


def _translated(showing: Showing, arms: list[Shown], cap: float) -> TaskPicture | None:
    """Training images before and after translation, with the depth that both are trained on."""
    synthetic = showing.synthetic
    if synthetic is None or not arms or not len(synthetic):
        return None
    chosen = [(2 * k + 1) * len(synthetic) // (2 * ROWS) for k in range(ROWS)] if len(synthetic) > ROWS else [0]
    depths = [_known(synthetic.labels(index).depth, synthetic.ids[index]) for index in chosen]
    far = _far(depths, cap)
    places = [{id: place for place, id in enumerate(shown.images.ids)} for shown in arms if shown.images is not None]
    tiles = []
    for index, depth in zip(chosen, depths, strict=True):
        tiles.append(_fitted(synthetic.image(index)))
        for shown, place in zip(arms, places, strict=True):
            id = synthetic.ids[index]
            # A refiner that makes several images of one calls the first of them <id>-0.
            position = place.get(id, place.get(f"{id}-0"))
            assert shown.images is not None
            blank = np.full((1, 1, 3), 255, np.uint8)
            tiles.append(blank if position is None else _fitted(shown.images.image(position)))
        tiles.append(_fitted(value_map(depth, far, "depth", depth > 0)))
    titles = ["synthetic", *(shown.title for shown in arms), "rendered depth"]
    sheet = contact_sheet(tiles, len(titles), column_titles=titles)
    return TaskPicture(
        "translated",
        "Training images, translated",
        "Synthetic training images as rendered and as each refiner translates them, and the rendered depth that every "
        "one of them is trained with: what a translation moves or invents no longer fits it.",
        stacked(
            [sheet, colour_bar(sheet.shape[1], far, "m", "Depth: metres from the camera (grey: unknown)", "depth")]
        ),
    )


def _far(depths: list[NDArray[np.float32]], cap: float) -> float:
    """Where the depth scale ends: all but the farthest pixels lie on it."""
    known = np.concatenate([depth[depth > 0] for depth in depths])
    return round_up(min(cap, float(np.percentile(known, FAR_PERCENTILE)))) if known.size else cap


def _depth(shown: Shown, chosen: list[int]) -> NDArray[np.float32]:
    with np.load(shown.predictions / "predictions.npz") as file:
        return np.asarray(file["depth"][chosen], np.float32)


def _truth(showing: Showing, index: int) -> NDArray[np.float32]:
    return _known(showing.truth.labels(index).depth, showing.truth.ids[index])


def _known(depth: NDArray[Any] | None, name: str) -> NDArray[np.float32]:
    if depth is None:
        raise ValueError(f"{name}: no depth to show")
    return np.asarray(depth, np.float32)


def _fitted(image: U8) -> U8:
    """Every tile `TILE` pixels wide; maps stay sharp."""
    height, width = image.shape[:2]
    resample = Image.Resampling.NEAREST if width < TILE else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize((TILE, max(1, round(height * TILE / width))), resample))
