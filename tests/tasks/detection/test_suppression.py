"""Thresholds and non-maximum suppression, by hand."""

from __future__ import annotations

import torch

from tasks.detection.model import Limits
from tasks.detection.suppression import suppress

BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [20, 20, 30, 30]])


def test_the_weaker_of_two_overlapping_boxes_of_a_class_goes() -> None:
    """The first two overlap by .8; the second stays as the other class."""
    scores = torch.tensor([[0.9, 0.0], [0.8, 0.7], [0.3, 0.0]])
    found = suppress(BOXES, scores, Limits(0.1, 0.5, 10))
    assert found.classes.tolist() == [0, 1, 0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.7, 0.3]))
    torch.testing.assert_close(found.boxes, BOXES[[0, 1, 2]])


def test_limits() -> None:
    scores = torch.tensor([[0.9], [0.8], [0.3]])
    assert suppress(BOXES, scores, Limits(0.1, 0.85, 10)).scores.tolist() == scores[:, 0].tolist()
    assert len(suppress(BOXES, scores, Limits(0.5, 0.85, 10)).scores) == 2
    assert suppress(BOXES, scores, Limits(0.1, 0.85, 1)).scores.tolist() == scores[0].tolist()
    nothing = suppress(BOXES, scores, Limits(0.95, 0.5, 10))
    assert nothing.boxes.shape == (0, 4)


def test_only_the_best_candidates_are_looked_at() -> None:
    """More than a thousand candidates: the best is among the kept ones, wherever it stands."""
    boxes = torch.arange(3000.0)[:, None] * 20 + torch.tensor([0.0, 0, 10, 10])
    scores = torch.linspace(0.2, 0.8, 3000)[:, None]
    found = suppress(boxes, scores, Limits(0.1, 0.5, 100))
    torch.testing.assert_close(found.boxes, boxes[-100:].flip(0))
