"""What a task draws pictures from for the report, and what it returns: see `bench.contracts.Task.pictures`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.arms import Arm
from bench.samples import U8, ImageSet


@dataclass(frozen=True, slots=True)
class Shown:
    """One arm of a run, finished.

    Attributes:
        arm: the arm.
        title: what it is called in the report, such as "refined(R)" or "real (rendered stand-in)".
        predictions: folder that `bench.contracts.Task.predict` wrote into, at replicate 0.
        value: mean of the headline metric over the finished replicates.
        control: whether its refiner is a control of the suite, which changes nothing and is not worth a picture.
        images: the refined training set, with its labels, where the arm has one.
    """

    arm: Arm
    title: str
    predictions: Path
    value: float
    control: bool = False
    images: ImageSet | None = None


@dataclass(frozen=True)
class Showing:
    """One model at replicate 0.

    Attributes:
        model: its name.
        metric: the headline metric.
        higher_is_better: its direction.
        real: what "real" is called, "real (rendered stand-in)" or "real (photographs)" (rule 8).
        truth: the real test images with their labels; predictions are in their order.
        arms: those with predictions, in the suite's order, sweep arms left out.
        synthetic: the synthetic training images with their labels, where they are in the store.
    """

    model: str
    metric: str
    higher_is_better: bool
    real: str
    truth: ImageSet
    arms: tuple[Shown, ...]
    synthetic: ImageSet | None = None

    def chosen(self, adapted: int = 1) -> list[Shown]:
        """The synthetic arm, the best ``adapted`` ones that rest on a refiner and no real label, and the real arm.

        The adapted arms stand best first; controls and hybrids are left out, and so is whatever the run lacks.
        """
        sign = 1 if self.higher_is_better else -1
        families = ("refined", "joint", "separate")
        found = [shown for shown in self.arms if shown.arm.family in families and not shown.control]
        found.sort(key=lambda shown: -sign * shown.value)
        ends = {family: [s for s in self.arms if s.arm.family == family][:1] for family in ("synthetic", "real")}
        return [*ends["synthetic"], *found[:adapted], *ends["real"]]

    def spread(self, count: int) -> list[int]:
        """Places of at most ``count`` test images, evenly over the set: nobody has picked the fine ones."""
        number = min(count, len(self.truth))
        return [(2 * k + 1) * len(self.truth) // (2 * number) for k in range(number)]


@dataclass(frozen=True, slots=True)
class TaskPicture:
    """A picture that a task draws.

    Attributes:
        name: file stem in ``plots/``: small letters, digits and hyphens.
        title: what it shows, in a line; its heading on the page and its alternative text.
        caption: how to read it.
        image: (H, W, 3) uint8, sRGB.
    """

    name: str
    title: str
    caption: str
    image: U8
