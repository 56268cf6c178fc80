"""YOLOv3 as in the paper (Redmon and Farhadi 2018, arXiv 1804.02767): priors, objectness, independent classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert, box_iou

from bench.errors import UsageError
from tasks.detection.model import DetectionModel, Detections, DetectorConfig, Limits, Target
from tasks.detection.suppression import suppress
from tasks.detection.yolov3_network import PRIORS_PER_SCALE, STRIDES, YOLOv3Network


class YOLOv3(DetectionModel):
    """Darknet-53, three scales with three priors each, one prior for an object, logistic objectness and classes."""

    name = "yolov3"
    version = 1

    class Config(DetectorConfig):
        """Options of YOLOv3. The defaults suit images of about 100 pixels; `PAPER` has the paper's values.

        Attributes:
            width: multiplies every channel count; 1 is the paper's network.
            depth: multiplies the number of residual blocks.
            scale: images are enlarged by this factor.
            priors: nine (width, height) as shares of the image's sides: three for stride 8, for 16 and for 32.
            ignore_iou: a free prediction that overlaps an object by more is not punished for its objectness.
        """

        width: float = Field(default=0.25, gt=0)
        depth: float = Field(default=0.1, gt=0)
        scale: float = Field(default=1.0, gt=0)
        priors: tuple[tuple[float, float], ...] = (
            (0.13, 0.19), (0.15, 0.31), (0.24, 0.19), (0.24, 0.34), (0.35, 0.50), (0.50, 0.35),
            (0.50, 0.50), (0.70, 0.70), (0.90, 0.90),
        )
        ignore_iou: float = Field(default=0.5, gt=0, le=1)

        @model_validator(mode="after")
        def _nine(self) -> YOLOv3.Config:
            if len(self.priors) != PRIORS_PER_SCALE * len(STRIDES):
                raise ValueError(f"priors must be nine pairs of width and height, not {len(self.priors)}")
            return self

    def build(self, num_classes: int, size: tuple[int, int]) -> nn.Module:
        """See `DetectionModel.build`; raises `UsageError` when published weights are asked for: there are none."""
        if self.config.pretrained:
            raise UsageError(
                "model.yolov3.pretrained = true: the paper's weights were only published for Darknet; "
                "set model.yolov3.pretrained = false, or use yolov3u"
            )
        return YOLOv3Network(num_classes, self.config.width, self.config.depth)

    def loss(self, module: nn.Module, images: Tensor, targets: Sequence[Target]) -> Mapping[str, Tensor]:
        """Squared errors of box coordinates, cross entropies of objectness and classes, each a sum per object.

        As in the paper's section 2.1 and its Darknet code: the prior that fits an object's shape best is
        responsible for it in the cell of the object's centre; box errors weigh 2 - the object's share of the image.
        """
        inputs = self._input(images)
        raw, cells = self._predict(module, inputs)
        batch = torch.cat([torch.full((len(t.boxes),), k, device=raw.device) for k, t in enumerate(targets)])
        classes = torch.cat([target.classes for target in targets])
        extent = raw.new_tensor([inputs.shape[-1], inputs.shape[-2]])
        ratio = extent / extent.new_tensor([images.shape[-1], images.shape[-2]])
        truth = box_convert(torch.cat([target.boxes for target in targets]) * ratio.repeat(2), "xyxy", "cxcywh")
        chosen = cells.responsible(truth)
        count = max(1, len(truth))

        responsible = torch.zeros(raw.shape[:2], dtype=torch.bool, device=raw.device)
        responsible[batch, chosen] = True
        weight = responsible | ~self._ignored(raw, cells, targets, ratio)
        objectness = functional.binary_cross_entropy_with_logits(
            raw[..., 4], responsible.to(raw.dtype), weight.to(raw.dtype), reduction="sum"
        )
        found = raw[batch, chosen]
        wanted_offset = truth[:, :2] / cells.stride[chosen, None] - cells.corner[chosen]
        wanted_size = (truth[:, 2:] / cells.prior[chosen]).log()
        importance = 2 - truth[:, 2:].prod(1) / extent.prod()
        errors = (found[:, :2].sigmoid() - wanted_offset).square() + (found[:, 2:4] - wanted_size).square()
        one_hot = functional.one_hot(classes, raw.shape[-1] - 5).to(raw.dtype)
        return {
            "box": (errors.sum(1) * importance).sum() / count,
            "objectness": objectness / count,
            "class": functional.binary_cross_entropy_with_logits(found[:, 5:], one_hot, reduction="sum") / count,
        }

    def _ignored(self, raw: Tensor, cells: Cells, targets: Sequence[Target], ratio: Tensor) -> Tensor:
        """(B, N): predictions whose box overlaps an object by more than ``ignore_iou``."""
        with torch.no_grad():
            boxes = cells.decode(raw.detach())
            overlaps = [
                box_iou(target.boxes * ratio.repeat(2), box).amax(0) if len(target.boxes) else box.new_zeros(len(box))
                for target, box in zip(targets, boxes, strict=True)
            ]
            ignored: Tensor = torch.stack(overlaps) > self.config.ignore_iou
        return ignored

    def detect(self, module: nn.Module, images: Tensor, limits: Limits) -> list[Detections]:
        """See `DetectionModel.detect`; a score is objectness times class probability."""
        inputs = self._input(images)
        raw, cells = self._predict(module, inputs)
        ratio = raw.new_tensor([inputs.shape[-1] / images.shape[-1], inputs.shape[-2] / images.shape[-2]]).repeat(2)
        boxes = cells.decode(raw) / ratio
        scores = raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid()
        return [suppress(box, score, limits) for box, score in zip(boxes, scores, strict=True)]

    def _predict(self, module: nn.Module, inputs: Tensor) -> tuple[Tensor, Cells]:
        """Raw predictions (B, N, 5 + classes) of every prior in every cell, and what those are."""
        maps = module(inputs)
        rows = [m.float().unflatten(1, (PRIORS_PER_SCALE, -1)).permute(0, 1, 3, 4, 2).flatten(1, 3) for m in maps]
        shapes = [(m.shape[-2], m.shape[-1]) for m in maps]
        priors = inputs.new_tensor(self.config.priors) * inputs.new_tensor([inputs.shape[-1], inputs.shape[-2]])
        return torch.cat(rows, 1), Cells(shapes, priors)

    def _input(self, images: Tensor) -> Tensor:
        """Images enlarged to the nearest size that the largest stride divides."""
        size = tuple(max(1, round(s * self.config.scale / STRIDES[0])) * STRIDES[0] for s in images.shape[-2:])
        if size == tuple(images.shape[-2:]):
            return images
        return functional.interpolate(images, size, mode="bilinear", align_corners=False)


class Cells:
    """Every prior in every cell, in the order of the predictions: coarsest scale first, then prior, row, column.

    Attributes:
        corner: (N, 2) column and row of the cell.
        stride: (N,) pixels between cells.
        prior: (N, 2) width and height of the prior in pixels.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], priors: Tensor) -> None:
        corners, strides, sizes = [], [], []
        self.priors, self.shapes, self.starts = priors, shapes, [0]
        for k, (height, width) in enumerate(shapes):
            rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            corner = torch.stack([columns, rows], -1).view(1, -1, 2).expand(PRIORS_PER_SCALE, -1, -1).reshape(-1, 2)
            first = len(priors) - PRIORS_PER_SCALE * (k + 1)
            corners.append(corner)
            strides.append(torch.full((len(corner),), float(STRIDES[k])))
            sizes.append(priors[first : first + PRIORS_PER_SCALE].repeat_interleave(height * width, 0))
            self.starts.append(self.starts[-1] + len(corner))
        self.corner = torch.cat(corners).to(priors)
        self.stride = torch.cat(strides).to(priors)
        self.prior = torch.cat(sizes)

    def decode(self, raw: Tensor) -> Tensor:
        """Boxes (B, N, 4), x0 y0 x1 y1 in pixels, of raw predictions (B, N, 4 or more) (figure 2 of the paper)."""
        centre = (raw[..., :2].sigmoid() + self.corner) * self.stride[:, None]
        # exp is limited so that a wild prediction cannot become infinite.
        size = self.prior * raw[..., 2:4].clamp(max=6).exp()
        return torch.cat([centre - size / 2, centre + size / 2], -1)

    def responsible(self, truth: Tensor) -> Tensor:
        """(T,) index of the prediction in charge of each box (T, 4), given as centre and size in pixels."""
        shared = torch.minimum(truth[:, None, 2:], self.priors).prod(-1)
        union = truth[:, 2:].prod(1, keepdim=True) + self.priors.prod(1) - shared
        best = (shared / union).argmax(1)
        scale = len(self.shapes) - 1 - best // PRIORS_PER_SCALE
        heights, widths, starts, strides = (
            torch.tensor(values, device=truth.device)[scale]
            for values in ([h for h, _ in self.shapes], [w for _, w in self.shapes], self.starts[:-1], STRIDES)
        )
        column = (truth[:, 0] / strides).long().clamp(min=0).minimum(widths - 1)
        row = (truth[:, 1] / strides).long().clamp(min=0).minimum(heights - 1)
        return starts + (best % PRIORS_PER_SCALE) * heights * widths + row * widths + column


PAPER = YOLOv3.Config(
    width=1.0, depth=1.0,
    priors=tuple(
        (w / 416, h / 416)
        for w, h in ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
    ),
)
"""YOLOv3 as published; the paper's images are 320, 416 or 608 pixels square."""
