"""The segmentation task: one loss, one augmentation and one evaluation for every network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Score
from bench.errors import DataError
from bench.learning import Targets
from bench.resampling import ratio
from bench.samples import ImageSet
from bench.showing import Showing, TaskPicture
from bench.spool import spooled
from tasks.segmentation.augmentation import augmented
from tasks.segmentation.metrics import VOID, confusion_scores, image_confusions, set_confusion
from tasks.segmentation.model import MAIN, Outputs
from tasks.segmentation.pictures import segmentation_pictures
from tasks.supervised import Arrays, Labelled, SupervisedTask

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)
"""DeepLab's random scales (Chen et al. 2018, arXiv 1606.00915, section 4.1.1), for ``scales``."""


class Segmentation(SupervisedTask):
    """A class for every pixel, scored by the mean intersection over union.

    Void pixels (255) count neither in the loss nor in the scores. ``predictions.npz`` keeps ``semantic``, (N, H, W)
    uint8. DeepLab's own recipe is ``optimizer = "sgd"``, ``schedule = "poly"``, ``learning_rate = 2.5e-4``,
    ``weight_decay = 5e-4``, ``scales = [0.5, 0.75, 1.0, 1.25, 1.5]``, ``crop = 321``, ``gradient_clip = 0``.
    """

    name = "segmentation"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {"mIoU": True, "pixel_accuracy": True, "IoU": True}
    headline = "mIoU"
    capturable = True
    needs = frozenset({"semantic"})

    class Config(SupervisedTask.Config):
        """Training, shared by all networks.

        Attributes:
            flip: probability of mirroring a training image.
            scales: factors, one of which every training image is resized by.
            crop: side in pixels of the random crop after that; 0: the image's own size.
        """

        batch_size: int = Field(default=8, ge=1)
        flip: float = Field(default=0.5, ge=0, le=1)
        scales: tuple[float, ...] = Field(default=(1.0,), min_length=1)
        crop: int = Field(default=0, ge=0)

        @field_validator("scales")
        @classmethod
        def _positive(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
            if not all(0 < scale <= 8 for scale in scales):
                raise ValueError("each above 0 and at most 8")
            return scales

    def targets(self, data: ImageSet) -> Labelled:
        """``semantic``: (N, H, W) uint8, a class or 255."""
        height, width = data.size
        mapped = replace(data, has=data.has & {"semantic"})

        def read(index: int) -> NDArray[np.uint8]:
            semantic = mapped.labels(index).semantic
            path = data.records[index].label_path("semantic")
            if semantic is None or semantic.shape != (height, width):
                raise DataError(f"{path}: no semantic map of {width}x{height} pixels; render or import the set again")
            strange = np.setdiff1d(semantic, [*range(len(data.class_names)), VOID])
            if strange.size:
                known = f"the set has {len(data.class_names)} classes (void is {VOID})"
                raise DataError(f"{path}: value {strange[0]}, but {known}; mend the map or the class list")
            return semantic

        return {"semantic": spooled(len(data), (height, width), np.uint8, read)}

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        """Random scale, crop and mirroring."""
        config = self.config
        changed, maps = augmented(
            images, targets["semantic"], random, flip=config.flip, scales=config.scales, crop=config.crop
        )
        return changed, {"semantic": maps}

    def losses(self, outputs: Outputs, targets: Targets) -> Mapping[str, Tensor]:
        """The mean cross-entropy over pixels that are not void, one for every output; 0 where all are void."""
        labels = targets["semantic"].long()
        pixels = (labels != VOID).sum().clamp(min=1)
        return {
            name: F.cross_entropy(logits.float(), labels, ignore_index=VOID, reduction="sum") / pixels
            for name, logits in outputs.items()
        }

    def decode(self, outputs: Any) -> Mapping[str, Tensor]:
        """``semantic``: (B, H, W) uint8, the class of the largest logit."""
        return {"semantic": outputs[MAIN].argmax(1).to(torch.uint8)}

    def doubt(self, predictions: Path, truth: ImageSet) -> str:
        """Whether every pixel of every image is called one class."""
        found = np.unique(self.arrays(predictions, truth)["semantic"])
        if len(found) == 1 and len(truth.class_names) > 1:
            return f"the model calls every pixel of all {len(truth)} test images {truth.class_names[found[0]]}"
        return ""

    def measure(self, predictions: Arrays, truth: ImageSet) -> list[Score]:
        """See `tasks.segmentation.metrics.confusion_scores`."""
        return confusion_scores(set_confusion(predictions["semantic"], truth), truth.class_names)

    def measure_draws(
        self, predictions: Arrays, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Both metrics from each image's confusion matrix, which add up over the images of a set."""
        counts = image_confusions(predictions["semantic"], truth)
        both = np.diagonal(counts, axis1=1, axis2=2)
        return {
            "mIoU": ratio(draws, both, counts.sum(1) + counts.sum(2) - both),
            "pixel_accuracy": ratio(draws, both.sum(1), counts.sum((1, 2))),
        }

    def agreement(self, predictions: Path, truth: ImageSet) -> NDArray[np.float64]:
        """(N,) share of the pixels that are not void whose class is right; NaN where all are void."""
        found = np.full(len(truth), np.nan)
        predicted, labels = self.arrays(predictions, truth)["semantic"], self.targets(truth)["semantic"]
        for index, (ours, true) in enumerate(zip(predicted, labels, strict=True)):
            known = true != VOID
            if known.any():
                found[index] = np.mean(ours[known] == true[known])
        return found

    def pictures(self, showing: Showing) -> list[TaskPicture]:
        """See `tasks.segmentation.pictures`."""
        return segmentation_pictures(showing)
