"""Pictures of classes and poses for the report: who is taken for whom, how far the turns are off, the worst images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.drawing import INK, PAPER, contact_sheet, magnification, upscale
from bench.heatmaps import beside, confusion_picture, stacked
from bench.samples import ImageSet
from bench.showing import Showing, Shown, TaskPicture
from tasks.pose.metrics import angle_errors

WORST = 6
TILE = 150
BINS = 18
U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """What an arm's model says: (N,) classes, and (N,) angle errors in degrees or None."""

    shown: Shown
    classes: NDArray[np.int64]
    angles: F64 | None


def pose_pictures(showing: Showing, classes: NDArray[np.int64], quaternions: F64 | None) -> list[TaskPicture]:
    """``confusion``, ``angles`` where poses are known and predicted, and the ``worst`` test images.

    Args:
        showing: see `bench.showing.Showing`.
        classes: (N,) true classes.
        quaternions: (N, 4) true unit quaternions, or None.
    """
    guesses = [_guess(shown, quaternions) for shown in showing.chosen()]
    if not guesses:
        return []
    names = showing.truth.class_names
    matrices = [
        confusion_picture(_counts(g.classes, classes, len(names)), names, g.shown.title, 46 if len(names) <= 8 else 34)
        for g in guesses
    ]
    found = [
        TaskPicture(
            "confusion",
            "Confusion of classes",
            f"Of the {showing.real} test images of each true class (row), the percentage that {showing.model} gives "
            "each class; rows sum to 100, darker is more, a perfect model has 100 on the diagonal. Replicate 0.",
            beside(matrices, 12),
        )
    ]
    angled = [(guess.shown.title, guess.angles) for guess in guesses if guess.angles is not None]
    if angled:
        found.append(
            TaskPicture(
                "angles",
                "How far the poses are off",
                f"Angle between predicted and true orientation in {showing.real} test images, {180 // BINS} degrees a "
                "bar, as a share of the images; the orange line is the median. Further left is better; 180 degrees is "
                "the most that an orientation can be off. Replicate 0.",
                stacked([_histogram(title, angles) for title, angles in angled], 6),
            )
        )
    return [*found, _worst(showing, guesses, classes)]


def _guess(shown: Shown, quaternions: F64 | None) -> Guess:
    with np.load(shown.predictions / "predictions.npz") as file:
        known = quaternions is not None and "quaternion" in file
        angles = angle_errors(file["quaternion"], quaternions) if known and quaternions is not None else None
        return Guess(shown, np.asarray(file["classes"], np.int64), angles)


def _counts(predicted: NDArray[np.int64], true: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _histogram(title: str, angles: F64, width: int = 760, height: int = 120) -> U8:
    """Shares of the images by angle error, 0 to 180 degrees, with the median; (h, width, 3) uint8."""
    font: Any = ImageFont.load_default(15)
    counts = np.histogram(angles, BINS, (0.0, 180.0))[0] / len(angles)
    left, top = 50, 28
    picture = Image.new("RGB", (width, top + height + 26), PAPER)
    draw = ImageDraw.Draw(picture)
    median, mean = float(np.median(angles)), float(np.mean(angles))
    draw.text((8, 4), f"{title}: median {median:.1f}, mean {mean:.1f} degrees", fill=INK, font=font)
    span, base = width - left - 20, top + height
    for k, share in enumerate(counts / max(counts.max(), 1e-9)):
        x0, x1 = left + span * k / BINS, left + span * (k + 1) / BINS - 2
        draw.rectangle((x0, base - share * (height - 4), x1, base), fill=(0, 114, 178))
    x = left + span * median / 180
    draw.line((x, top, x, base), fill=(213, 94, 0), width=3)
    draw.line((left, base, left + span, base), fill=INK)
    draw.text((4, top), f"{100 * counts.max():.0f} %", fill=INK, font=font)
    draw.text((4, base - 16), "0 %", fill=INK, font=font)
    for degrees in range(0, 181, 30):
        text = f"{degrees}°"
        draw.text((left + span * degrees / 180 - font.getlength(text) / 2, base + 3), text, fill=INK, font=font)
    return np.asarray(picture)


def _worst(showing: Showing, guesses: list[Guess], classes: NDArray[np.int64]) -> TaskPicture:
    """Each arm's worst images: of the wrong class first, then those turned farthest off."""
    names, tiles, titles = showing.truth.class_names, [], []
    number = min(WORST, len(showing.truth))
    for guess in guesses:
        wrong = guess.classes != classes
        angles = np.zeros(len(classes)) if guess.angles is None else guess.angles
        for index in np.lexsort((-angles, ~wrong))[:number].tolist():
            tiles.append(_tile(showing.truth, index, bool(wrong[index])))
            off = "" if guess.angles is None else f" {angles[index]:.0f}°"
            said = names[int(guess.classes[index])]
            titles.append(f"{said}, not {names[int(classes[index])]}" if wrong[index] else f"{said}{off}")
    accuracies = [f"{g.shown.title}: {100 * float((g.classes == classes).mean()):.1f} % right" for g in guesses]
    sheet = contact_sheet(tiles, number, titles, row_titles=accuracies)
    turned = ", then those whose orientation is farthest off (in degrees)" if any(
        guess.angles is not None for guess in guesses
    ) else ""  # fmt: skip
    return TaskPicture(
        "worst",
        "The worst test images of each arm",
        f"Those of the {showing.real} test images that {showing.model} does worst on: of a wrong class first, in an "
        f"orange frame{turned}. These are the failures, not a fair sample. Replicate 0.",
        sheet,
    )


def _tile(images: ImageSet, index: int, wrong: bool) -> U8:
    image = images.image(index)
    image = upscale(image, magnification(image.shape[0], image.shape[1], TILE))
    frame: Any = (213, 94, 0) if wrong else (203, 210, 217)
    framed = Image.new("RGB", (image.shape[1] + 6, image.shape[0] + 6), frame)
    framed.paste(Image.fromarray(image), (3, 3))
    return np.asarray(framed)
