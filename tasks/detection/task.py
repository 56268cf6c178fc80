"""The detection task: one training loop, one prediction format and one evaluation for every detector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from bench.contracts import Context, PluginConfig, Progress, Score, State, Task
from bench.frames import DeviceRows, image_rows
from bench.rates import set_rate
from bench.samples import ImageSet
from bench.seeds import derive
from bench.showing import Showing, TaskPicture
from bench.training import Batches, autocast, evaluating, step_generator, train
from tasks.detection.agreement import detection_agreement
from tasks.detection.batches import TrainingImages, as_input
from tasks.detection.evaluation import coco_scores
from tasks.detection.model import DetectionModel, Detections, Limits
from tasks.detection.pictures import detection_pictures
from tasks.detection.resampling import resampled_scores
from tasks.optimization import Schedule, learning_rate_factor, make_optimizer


class Detection(Task):
    """Object detection, scored by COCO's average precision.

    ``train`` gives every arm the same initial weights, the same batches and the same number of optimizer steps, all
    from ``context.seed``. ``predict`` writes ``predictions.json``: a COCO result list (``image_id`` = position + 1,
    ``category_id`` = class + 1, ``bbox`` = x y width height in pixels, ``score``).
    """

    name = "detection"
    version = 1
    score_version = 1
    metrics: ClassVar[Mapping[str, bool]] = {"mAP": True, "mAP50": True, "AP50": True, "mAR100": True}
    headline = "mAP50"
    needs = frozenset({"boxes"})

    class Config(PluginConfig):
        """Training and prediction, shared by all detectors; a detector's own options go first.

        Attributes:
            steps, batch_size, learning_rate, weight_decay: see `tasks.detection.model.DetectorConfig`.
            optimizer: AdamW, or SGD with Nesterov momentum.
            schedule, warmup: see `tasks.optimization.learning_rate_factor`.
            flip: probability of mirroring a training image.
            gradient_clip: largest norm of the gradient; 0 switches clipping off.
            score_threshold, nms_threshold, max_detections: which detections are kept.
        """

        steps: int = Field(default=240, ge=1)
        batch_size: int = Field(default=8, ge=1)
        learning_rate: float = Field(default=6e-3, gt=0)
        weight_decay: float = Field(default=0.02, ge=0)
        optimizer: Literal["adamw", "sgd"] = "adamw"
        schedule: Schedule = "one-cycle"
        warmup: float = Field(default=0.25, ge=0, le=1)
        flip: float = Field(default=0.5, ge=0, le=1)
        gradient_clip: float = Field(default=5.0, ge=0)
        score_threshold: float = Field(default=0.01, ge=0, lt=1)
        nms_threshold: float = Field(default=0.5, gt=0, le=1)
        max_detections: int = Field(default=100, ge=1)

    def train(self, model: DetectionModel, data: ImageSet, context: Context) -> State:
        """Train from scratch; see `bench.contracts.Task.train`. Raises `DataError` on a set without boxes."""
        config = self.config
        options = {name: self._option(model, name) for name in ("steps", "batch_size", "learning_rate", "weight_decay")}
        images = TrainingImages(data, context.device)
        module = self._module(model, data, context)
        module.train()
        optimizer = make_optimizer(module, config.optimizer, options["learning_rate"], options["weight_decay"])
        parameters = list(module.parameters())
        batches = Batches(len(data), options["batch_size"], context.seed)

        def step(i: int) -> dict[str, Tensor]:
            generator = step_generator(context.seed, "flip", i)
            inputs, targets = images.batch(batches.indices(i), config.flip, generator)
            factor = learning_rate_factor(i, options["steps"], config.schedule, config.warmup)
            set_rate(optimizer, options["learning_rate"] * factor)
            with autocast(context):
                losses = model.loss(module, inputs, targets)
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            if config.gradient_clip:
                nn.utils.clip_grad_norm_(parameters, config.gradient_clip)
            optimizer.step()
            return {name: loss.detach() for name, loss in losses.items()}

        train(
            step, steps=options["steps"], batch_size=options["batch_size"], context=context,
            parts={"module": module, "optimizer": optimizer},
        )
        return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, value in module.state_dict().items()}

    def predict(self, model: DetectionModel, state: State, data: ImageSet, context: Context) -> None:
        """Write ``predictions.json``; boxes are clipped to the image and those without area are dropped."""
        module = self._module(model, data, context)
        module.load_state_dict(dict(state))
        config = self.config
        limits = Limits(config.score_threshold, config.nms_threshold, config.max_detections)
        images = DeviceRows(image_rows(data))
        batch_size = 16
        with evaluating(module), ResultWriter(context.directory / "predictions.json") as results:
            for start in range(0, len(images), batch_size):
                batch = as_input(images[range(start, min(start + batch_size, len(images)))], context.device)
                # Always in float32: it costs little here, and coarse scores would tie.
                for offset, detections in enumerate(model.detect(module, batch, limits)):
                    results.write(coco_results(start + offset + 1, detections, data.size))
                context.progress(Progress(min(start + batch_size, len(images)), len(images)))

    def score(self, predictions: Path, truth: ImageSet) -> list[Score]:
        """COCO figures of ``predictions`` (the folder that `predict` wrote into, or the JSON file itself)."""
        return coco_scores(read_results(predictions), truth)

    def resample(
        self, predictions: Path, truth: ImageSet, draws: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """See `tasks.detection.resampling.resampled_scores`."""
        return resampled_scores(read_results(predictions), truth, draws)

    def agreement(self, predictions: Path, truth: ImageSet) -> NDArray[np.float64]:
        """F1 of every image; see `tasks.detection.agreement`."""
        return detection_agreement(json.loads((predictions / "predictions.json").read_text()), truth)

    def doubt(self, predictions: Path, truth: ImageSet) -> str:
        """Whether the detector found nothing at all."""
        return "" if read_results(predictions) else f"the detector found nothing in any of {len(truth)} test images"

    def pictures(self, showing: Showing) -> list[TaskPicture]:
        """See `tasks.detection.pictures`."""
        return detection_pictures(showing)

    def _option(self, model: DetectionModel, name: str) -> Any:
        own = getattr(model.config, name)
        return getattr(self.config, name) if own is None else own

    def _module(self, model: DetectionModel, data: ImageSet, context: Context) -> nn.Module:
        """The network with initial weights that depend on the seed and nothing else."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(context.seed, "weights"))
            module = model.build(len(data.class_names), data.size).to(context.device)
        # Channels last: 15 to 25 % faster convolutions on AVX-512, and what tensor cores want.
        return module.to(memory_format=torch.channels_last)


class ResultWriter:
    """A COCO result list, written image by image: of a large set it would fill memory many times over."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        self._first = True

    def __enter__(self) -> ResultWriter:
        self._file.write("[")
        return self

    def write(self, results: list[dict[str, Any]]) -> None:
        """Add results."""
        for result in results:
            self._file.write(("" if self._first else ",") + json.dumps(result, separators=(",", ":")))
            self._first = False

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._file.write("]")
        self._file.close()


def read_results(predictions: Path) -> list[dict[str, Any]]:
    """The result list of the folder that `predict` wrote into, or of the JSON file itself."""
    file = predictions / "predictions.json" if predictions.is_dir() else predictions
    results: list[dict[str, Any]] = json.loads(file.read_text())
    return results


def coco_results(image_id: int, detections: Detections, size: tuple[int, int]) -> list[dict[str, Any]]:
    """COCO result entries of one image of ``size`` = (height, width): clipped, without degenerate boxes."""
    height, width = size
    boxes = detections.boxes.detach().float().cpu().clone()
    boxes[:, 0::2] = boxes[:, 0::2].clamp(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clamp(0, height)
    extent = boxes[:, 2:] - boxes[:, :2]
    keep = (extent > 0).all(1) & boxes.isfinite().all(1)
    rows = torch.cat([boxes[:, :2], extent], 1)[keep].double().tolist()
    scores = detections.scores.detach().double().cpu()[keep].tolist()
    classes = detections.classes.cpu()[keep].tolist()
    return [
        {"image_id": image_id, "category_id": cls + 1, "bbox": [round(v, 3) for v in box], "score": round(score, 6)}
        for box, score, cls in zip(rows, scores, classes, strict=True)
    ]
