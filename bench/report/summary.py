"""What a report is made of: the rows of a run and everything that explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.claims import Verdict
from bench.results import Row
from bench.samples import U8, RealKind
from bench.showing import TaskPicture


@dataclass(frozen=True)
class GalleryColumn:
    """One column of the gallery; entry i belongs to row i, and a shorter column leaves its cells empty.

    Attributes:
        title: "synthetic", an arm such as "refined(R)", or "real".
        images: (H, W, 3) uint8 each.
        boxes: (N, 4) x0 y0 x1 y1 in pixels for each image, or None where there are none to draw.
        classes: (N,) class indices for each image; empty where there are no boxes.
        semantics: (H, W) uint8 class map for each image (255 = void), or None.
        depths: (H, W) float32 depth in metres for each image (0 = unknown), or None.
    """

    title: str
    images: Sequence[U8]
    boxes: Sequence[NDArray[np.float32] | None] = ()
    classes: Sequence[Sequence[int] | NDArray[np.int64]] = ()
    semantics: Sequence[U8 | None] = ()
    depths: Sequence[NDArray[np.float32] | None] = ()


@dataclass(frozen=True)
class LossCurve:
    """A ``losses.csv`` (first column ``step``, then one column a loss) and what to call it."""

    title: str
    path: Path


@dataclass(frozen=True)
class RunSummary:
    """Everything that `bench.report.build.build_report` shows.

    Attributes:
        out: folder that the report is written into.
        suite: the resolved suite as plain data: name, title, profile, task, metric (the headline one), reference_arm,
            arms, models, arm_models, replicates, controls, sweep, paper, and whatever else belongs to it. An optional
            ``baselines`` lists refiners that any other one has to beat.
        real_kind: what "real" means in this run.
        rows: every row of the run, failed ones included.
        command: the exact command line.
        environment: versions, devices and the like; nested values are shown as JSON.
        gallery: columns, left to right.
        class_names: of the boxes and class maps in the gallery.
        curves: loss logs of refiners.
        costs: refiner -> mean seconds of fit and refine over replicates.
        notes: lines to show as they are (what a refiner says about its run, why something was skipped).
        pictures: what the task drew of its predictions.
        resamples: (model, arm, replicate) -> metric -> its values on the drawn test sets (`bench.resampling`); draw b
            is the same test set in every cell.
        test_groups: how many groups of test images were drawn from.
        verdicts: what this run says to the sentences of the papers that are about its suite.
        reported: a file of reported figures; None takes the one that comes with the project.
    """

    out: Path
    suite: Mapping[str, Any]
    real_kind: RealKind
    rows: Sequence[Row]
    command: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    gallery: Sequence[GalleryColumn] = ()
    class_names: Sequence[str] = ()
    curves: Sequence[LossCurve] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    pictures: Sequence[TaskPicture] = ()
    resamples: Mapping[tuple[str, str, int], Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    test_groups: int = 0
    verdicts: Sequence[Verdict] = ()
    reported: Path | None = None
