"""The pose task: which object an image shows, and how it is turned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from bench.contracts import Score
from bench.errors import DataError, LabelsHiddenError
from bench.learning import Targets
from bench.resampling import ratio
from bench.samples import ImageSet
from bench.showing import Showing, TaskPicture
from tasks.pose.losses import classification_loss, orientation_loss
from tasks.pose.metrics import accuracy, angle_errors, unit
from tasks.pose.pictures import pose_pictures
from tasks.supervised import Arrays, SupervisedTask


class Pose(SupervisedTask):
    """Class and orientation of one object an image (Bousmalis et al. 2017, PixelDA, Table 2).

    Labels: an image's first class, and the vector ``quaternion``, a unit quaternion in any order of its parts that the
    whole world keeps. A set without quaternions (digits) trains and scores the class alone. A network returns
    ``{"logits": (B, K), "quaternion": (B, 4) of length 1}``; one without ``quaternion`` learns the class alone.

    Nothing is augmented: mirroring or turning an image changes its pose label, and shifts break the crop around the
    object's centre. Colour randomisation is a refiner's business (``augment``).
    """

    name = "pose"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {"accuracy": True, "angle_error": False}
    headline = "accuracy"
    capturable = True
    needs = frozenset({"boxes"})
    predict_batch = 64

    class Config(SupervisedTask.Config):
        """Training, as of every supervised task, and the weight of the orientation.

        Attributes:
            xi: weight of the orientation loss beside the cross-entropy; 0.125 is DSN's (appendix D) and PixelDA's.
        """

        batch_size: int = Field(default=32, ge=1)
        xi: float = Field(default=0.125, ge=0)

    def targets(self, data: ImageSet) -> Arrays:
        """``classes`` (N,) int64 and, where the set has them, ``quaternion`` (N, 4) float32 of length 1.

        Raises:
            LabelsHiddenError: the labels were taken away.
            DataError: an image shows no labelled object, or its quaternion is missing, not four numbers or not unit.
        """
        classes = classes_of(data)
        quaternions = quaternions_of(data)
        if quaternions is None:
            return {"classes": classes}
        return {"classes": classes, "quaternion": quaternions.astype(np.float32)}

    def losses(self, outputs: Any, targets: Targets) -> Mapping[str, Tensor]:
        """``classification``, and ``orientation`` (times xi) where both the network and the labels have one."""
        found = {"classification": classification_loss(outputs["logits"], targets["classes"])}
        if "quaternion" in targets and "quaternion" in outputs:
            found["orientation"] = self.config.xi * orientation_loss(outputs["quaternion"], targets["quaternion"])
        return found

    def decode(self, outputs: Any) -> Mapping[str, Tensor]:
        """``classes`` (B,), and ``quaternion`` (B, 4) where the network has one."""
        found = {"classes": outputs["logits"].argmax(1)}
        return found | ({"quaternion": outputs["quaternion"]} if "quaternion" in outputs else {})

    def doubt(self, predictions: Path, truth: ImageSet) -> str:
        """Whether every image is called one class, where the images show several."""
        found = np.unique(self.arrays(predictions, truth)["classes"])
        if len(found) == 1 and len(np.unique(classes_of(truth))) > 1:
            return f"the model calls all {len(truth)} test images {truth.class_names[found[0]]}"
        return ""

    def measure(self, predictions: Arrays, truth: ImageSet) -> list[Score]:
        """``accuracy`` in [0, 1], the same a class, and the mean ``angle_error`` in degrees over all images.

        The angle counts whether or not the class is right, as in the published code; 90 degrees is about what a
        constant guess gets.
        """
        classes, quaternions = classes_of(truth), quaternions_of(truth)
        predicted = predictions["classes"]
        scores = [Score("accuracy", accuracy(predicted, classes))]
        if quaternions is not None and "quaternion" in predictions:
            scores.append(Score("angle_error", float(angle_errors(predictions["quaternion"], quaternions).mean())))
        for index, name in enumerate(truth.class_names):
            chosen = classes == index
            if chosen.any():
                scores.append(Score(f"accuracy/{name}", accuracy(predicted[chosen], classes[chosen])))
        return scores

    def measure_draws(
        self, predictions: Arrays, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """``accuracy`` and ``angle_error`` are means over images."""
        quaternions = quaternions_of(truth)
        found = {"accuracy": ratio(draws, predictions["classes"] == classes_of(truth))}
        if quaternions is not None and "quaternion" in predictions:
            found["angle_error"] = ratio(draws, angle_errors(predictions["quaternion"], quaternions))
        return found

    def agreement(self, predictions: Path, truth: ImageSet) -> NDArray[np.float64]:
        """(N,) 0 where the class is wrong, else 1, less the angle error as a share of 180 degrees if there is one."""
        arrays, quaternions = self.arrays(predictions, truth), quaternions_of(truth)
        right = (arrays["classes"] == classes_of(truth)).astype(np.float64)
        if quaternions is None or "quaternion" not in arrays:
            return right
        return np.asarray(right * (1 - angle_errors(arrays["quaternion"], quaternions) / 180), np.float64)

    def pictures(self, showing: Showing) -> list[TaskPicture]:
        """See `tasks.pose.pictures`."""
        return pose_pictures(showing, classes_of(showing.truth), quaternions_of(showing.truth))


def classes_of(data: ImageSet) -> NDArray[np.int64]:
    """(N,) class of each image's first object."""
    _readable(data, "boxes")
    for record in data.records:
        if not record.classes:
            raise DataError(f"{record.path}: no labelled object; the pose task needs one an image")
    return np.array([record.classes[0] for record in data.records], np.int64)


def quaternions_of(data: ImageSet) -> NDArray[np.float64] | None:
    """(N, 4) unit quaternions, or None for a set in which no image has one."""
    if "vectors" not in data.has or not any("quaternion" in record.vectors for record in data.records):
        return None
    for record in data.records:
        value = record.vectors.get("quaternion", ())
        if len(value) != 4 or not abs(float(np.linalg.norm(value)) - 1) < 1e-3:
            raise DataError(f"{record.path}: quaternion {list(value)} is not four numbers of length 1; mend the label")
    return unit(np.array([record.vectors["quaternion"] for record in data.records]))


def _readable(data: ImageSet, kind: str) -> None:
    if kind in data.has:
        return
    if data.hidden:
        raise LabelsHiddenError("the pose task was given images without labels (rule 1: no real label is read)")
    raise DataError(f"the {data.domain} images have no {kind}, which carry the classes of the pose task")
