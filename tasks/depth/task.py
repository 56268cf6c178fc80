"""The depth task: metres from one image, trained on normalised depth at every scale that a network predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Score
from bench.errors import DataError
from bench.learning import Targets
from bench.resampling import ratio
from bench.samples import ImageSet
from bench.showing import Showing, TaskPicture
from bench.spool import spooled
from tasks.depth.metrics import METRICS, Crop, image_errors
from tasks.depth.pictures import depth_pictures
from tasks.supervised import Arrays, Labelled, SupervisedTask


class Depth(SupervisedTask):
    """Monocular depth. ``predictions.npz`` keeps ``depth``: (N, H, W) float32 in metres, not quantised.

    A network returns (B, 1, H, W) in [-1, 1], or a list of such maps from coarse to fine; y stands for
    (y + 1) / 2 * ``max_depth`` metres, and the finest map is the prediction. The published T2Net keeps depth in 8 bits,
    which is a step of 0.31 m at 80 m; nothing here does.
    """

    name = "depth"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = METRICS
    headline = "abs_rel"
    capturable = True
    needs = frozenset({"depth"})

    class Config(SupervisedTask.Config):
        """Training and scoring, beside `SupervisedTask.Config`.

        Attributes:
            max_depth: metres that a network's 1 stands for; what lies farther is learnt as that far.
            min_depth: smallest true depth that is scored, in metres; predictions are clamped to it.
            cap: largest true depth that is scored, in metres; predictions are clamped to it. None: ``max_depth``.
            crop: what is scored of an image, see `tasks.depth.metrics.inside`.
            median_scaling: see `tasks.depth.metrics.image_errors`.
            flip: probability of mirroring a training image.
        """

        max_depth: float = Field(default=10.0, gt=0)
        min_depth: float = Field(default=0.1, gt=0)
        cap: float | None = Field(default=None, gt=0)
        crop: Crop = "none"
        median_scaling: bool = False
        flip: float = Field(default=0.5, ge=0, le=1)

        @model_validator(mode="after")
        def _ordered(self) -> Depth.Config:
            cap = self.max_depth if self.cap is None else self.cap
            if not self.min_depth < cap:
                raise ValueError(f"min_depth = {self.min_depth} m must be less than the cap of {cap} m")
            return self

    def targets(self, data: ImageSet) -> Labelled:
        """``depth``: (N, H, W) float32 in metres, 0 where unknown."""
        height, width = data.size
        measured = replace(data, has=data.has & {"depth"})

        def read(index: int) -> NDArray[np.float32]:
            label = measured.labels(index).depth
            if label is None:
                raise DataError(f"task 'depth' needs depth, which the {data.domain} images do not have")
            if label.shape != (height, width):
                path = data.records[index].label_path("depth")
                raise DataError(f"{path}: depth of {label.shape[1]}x{label.shape[0]}, its image is {width}x{height}")
            return label

        return {"depth": spooled(len(data), (height, width), np.float32, read)}

    def losses(self, outputs: Tensor | Sequence[Tensor], targets: Targets) -> Mapping[str, Tensor]:
        """Mean absolute error of normalised depth over known pixels, summed over scales (T2Net's task loss).

        A coarse scale is compared with the mean of the known depths that each of its pixels covers.
        """
        metres = targets["depth"].unsqueeze(1)
        known = (metres > 0).to(metres.dtype)
        wanted = (metres * (2 / self.config.max_depth) - 1).clamp(max=1)
        return {"depth": torch.stack([_scale_loss(y, wanted, known) for y in scales(outputs)]).sum()}

    def decode(self, outputs: Tensor | Sequence[Tensor]) -> Mapping[str, Tensor]:
        """``depth``: (B, H, W) in metres."""
        finest = scales(outputs)[-1].squeeze(1).float()
        return {"depth": (finest.clamp(-1, 1) + 1) * (self.config.max_depth / 2)}

    def augment(self, images: Tensor, targets: Targets, random: np.random.Generator) -> tuple[Tensor, Targets]:
        """Mirror images and their depth maps."""
        chosen = torch.from_numpy(random.random(len(images)) < self.config.flip).to(images.device)
        depth = targets["depth"]
        images = torch.where(chosen[:, None, None, None], images.flip(-1), images)
        return images, {**targets, "depth": torch.where(chosen[:, None, None], depth.flip(-1), depth)}

    def measure(self, predictions: Arrays, truth: ImageSet) -> list[Score]:
        """Each metric per image, then the mean over images that have a pixel to score."""
        errors, scored = self._errors(predictions, truth)
        return [Score(name, float(errors[scored, k].mean())) for k, name in enumerate(METRICS)]

    def measure_draws(
        self, predictions: Arrays, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """All metrics are means over the images that have a pixel to score."""
        errors, scored = self._errors(predictions, truth)
        return {name: ratio(draws, errors[:, k], scored) for k, name in enumerate(METRICS)}

    def _errors(self, predictions: Arrays, truth: ImageSet) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(N, metrics) of each image, and (N,) whether it has a pixel to score; raises `DataError` where none has one.

        Rows of images without such a pixel are 0.
        """
        config, rows, scored = self.config, np.zeros((len(truth), len(METRICS))), np.zeros(len(truth), np.bool_)
        for index, predicted in enumerate(predictions["depth"]):
            depth = truth.labels(index).depth
            if depth is None or depth.shape != predicted.shape:
                has = "none" if depth is None else f"{depth.shape[1]}x{depth.shape[0]}"
                size = f"{predicted.shape[1]}x{predicted.shape[0]}"
                raise DataError(f"{truth.records[index].id}: depth predicted at {size}, the truth has {has}")
            errors = image_errors(
                predicted, depth, min_depth=config.min_depth, cap=config.cap or config.max_depth, crop=config.crop,
                median_scaling=config.median_scaling,
            )
            if errors is not None:
                rows[index], scored[index] = [errors[name] for name in METRICS], True
        if not scored.any():
            cap = config.cap or config.max_depth
            raise DataError(
                f"no pixel of the test images is between {config.min_depth} and {cap} m deep (crop: {config.crop}); "
                "check train.min_depth, train.cap, and the scale of the depth files"
            )
        return rows, scored

    def agreement(self, predictions: Path, truth: ImageSet) -> NDArray[np.float64]:
        """(N,) ``delta1`` of each image, the share of scored pixels within a factor of 1.25; NaN without such."""
        errors, scored = self._errors(self.arrays(predictions, truth), truth)
        return np.where(scored, errors[:, list(METRICS).index("delta1")], np.nan)

    def pictures(self, showing: Showing) -> list[TaskPicture]:
        """See `tasks.depth.pictures`."""
        c = self.config
        return depth_pictures(showing, c.cap or c.max_depth, c.min_depth, c.crop, c.median_scaling)


def scales(outputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """A network's maps from coarse to fine, each (B, 1, h, w); one that predicts a single map has one scale."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def _scale_loss(predicted: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """L1 over known pixels of one scale; 0 where no pixel of the batch is known."""
    size = predicted.shape[-2], predicted.shape[-1]
    share = F.adaptive_avg_pool2d(known, size)
    mean = F.adaptive_avg_pool2d(wanted * known, size) / share.clamp(min=1e-9)
    usable = (share > 0).to(share.dtype)
    return ((predicted.float() - mean).abs() * usable).sum() / usable.sum().clamp(min=1)
