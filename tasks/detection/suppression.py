"""From dense predictions to detections: score threshold, non-maximum suppression per class, at most so many."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from tasks.detection.model import Detections, Limits

CANDIDATES = 1000
"""Pairs of box and class an image that suppression looks at, best first."""


def suppress(boxes: Tensor, scores: Tensor, limits: Limits) -> Detections:
    """Detections of one image, best first; a box may be detected as more than one class.

    Args:
        boxes: (N, 4) x0 y0 x1 y1 in pixels.
        scores: (N, C) in [0, 1].
        limits: thresholds and how many detections to keep.
    """
    boxes, scores = boxes.float(), scores.float()
    rows, classes = torch.where(scores > limits.score_threshold)
    values = scores[rows, classes]
    if len(values) > CANDIDATES:
        values, best = values.topk(CANDIDATES)
        rows, classes = rows[best], classes[best]
    kept = batched_nms(boxes[rows], values, classes, limits.nms_threshold)[: limits.max_detections]
    return Detections(boxes[rows[kept]], values[kept], classes[kept])
