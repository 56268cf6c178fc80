"""How predictions agree with labels image by image, by hand for every task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels
from tasks.avoidance.task import Avoidance
from tasks.depth.task import Depth
from tasks.detection.agreement import overlap
from tasks.detection.task import Detection
from tasks.pose.task import Pose
from tasks.segmentation.task import Segmentation


def image_set(root: Path, labels: list[Labels], has: str, classes: tuple[str, ...] = ("a", "b")) -> ImageSet:
    writer = ImageSetWriter(root / "set", domain="synthetic", kind="rendered", class_names=classes, labels=has.split())
    for k, label in enumerate(labels):
        writer.add(f"{k}", np.zeros((20, 20, 3), np.uint8), label)
    writer.close()
    return open_image_set(root / "set")


def boxed(*boxes: tuple[float, ...]) -> Labels:
    rows = np.array(boxes, np.float32).reshape(-1, 5)
    return Labels(boxes=rows[:, :4], classes=rows[:, 4].astype(np.int64))


def found(image: int, box: tuple[float, ...], cls: int, score: float = 0.9) -> dict[str, object]:
    """A COCO result of a box x0 y0 x1 y1."""
    x0, y0, x1, y1 = box
    return {"image_id": image + 1, "category_id": cls + 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}


def test_overlap_by_hand() -> None:
    box, others = np.array([0.0, 0.0, 4.0, 4.0]), np.array([[0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4], [9, 9, 10, 10]])
    assert overlap(box, others.astype(np.float64)) == pytest.approx([1, 8 / 24, 0, 0])


def test_detection_is_f1_at_half_overlap(tmp_path: Path) -> None:
    two = boxed((0, 0, 8, 8, 0), (10, 10, 18, 18, 1))
    truth = image_set(tmp_path, [two, two, two, boxed(), boxed(), boxed((0, 0, 8, 8, 0)), two], "boxes")
    left, right = (0.0, 0.0, 8.0, 8.0), (10.0, 10.0, 18.0, 18.0)
    results = [
        found(0, left, 0), found(0, right, 1),  # both right: 1
        found(1, left, 0), found(1, right, 0),  # the other of the wrong class: 2 * 1 / (2 + 2)
        found(2, left, 0), found(2, left, 0, 0.8), found(2, right, 1, 0.2),  # one twice, one not sure enough
        found(4, left, 0),  # a box where none is
        found(5, (0.0, 0.0, 8.0, 3.9), 0),  # an overlap of less than a half
    ]  # fmt: skip
    (tmp_path / "predictions.json").write_text(json.dumps(results))
    assert Detection(Detection.Config()).agreement(tmp_path, truth) == pytest.approx(
        [1, 0.5, 0.5, np.nan, 0, 0, 0], nan_ok=True
    )


def test_of_two_boxes_the_one_that_overlaps_most_is_taken(tmp_path: Path) -> None:
    truth = image_set(tmp_path, [boxed((0, 0, 10, 10, 0), (0, 2, 10, 12, 0))], "boxes")
    results = [found(0, (0.0, 1.9, 10.0, 12.0), 0, 0.9), found(0, (0.0, 0.0, 10.0, 8.0), 0, 0.8)]
    (tmp_path / "predictions.json").write_text(json.dumps(results))
    assert Detection(Detection.Config()).agreement(tmp_path, truth) == pytest.approx([1.0])


def test_pose_is_the_class_and_how_far_it_is_turned(tmp_path: Path) -> None:
    turn = np.array([1.0, 0, 0, 0], np.float32)
    labels = [
        Labels(boxes=np.array([[0, 0, 9, 9]], np.float32), classes=np.array([k]), vectors={"quaternion": turn})
        for k in (0, 1, 1)
    ]
    truth = image_set(tmp_path, labels, "boxes vectors")
    half = np.array([np.cos(np.pi / 4), np.sin(np.pi / 4), 0, 0])  # a turn by 90 degrees
    predicted = np.array([half, turn, turn])
    np.savez(tmp_path / "predictions.npz", classes=np.array([0, 1, 0]), quaternion=predicted)
    assert Pose(Pose.Config()).agreement(tmp_path, truth) == pytest.approx([0.5, 1, 0], abs=1e-3)
    np.savez(tmp_path / "predictions.npz", classes=np.array([0, 1, 0]))
    assert Pose(Pose.Config()).agreement(tmp_path, truth) == pytest.approx([1, 1, 0])


def test_segmentation_is_the_share_of_right_pixels_without_void(tmp_path: Path) -> None:
    semantic = np.zeros((20, 20), np.uint8)
    semantic[:, 10:] = 1
    semantic[:10] = 255
    truth = image_set(tmp_path, [Labels(semantic=semantic), Labels(semantic=np.full_like(semantic, 255))], "semantic")
    np.savez(tmp_path / "predictions.npz", semantic=np.zeros((2, 20, 20), np.uint8))
    found = Segmentation(Segmentation.Config()).agreement(tmp_path, truth)
    assert found == pytest.approx([0.5, np.nan], nan_ok=True)


def test_depth_is_the_share_within_a_quarter(tmp_path: Path) -> None:
    labels = [Labels(depth=np.full((20, 20), 4, np.float32)), Labels(depth=np.zeros((20, 20), np.float32))]
    truth = image_set(tmp_path, labels, "depth")
    predicted = np.full((2, 20, 20), 4.8, np.float32)
    predicted[:, :5] = 5.1
    np.savez(tmp_path / "predictions.npz", depth=predicted)
    assert Depth(Depth.Config()).agreement(tmp_path, truth) == pytest.approx([0.75, np.nan], nan_ok=True)


def test_avoidance_is_the_share_of_directions_within_a_quarter(tmp_path: Path) -> None:
    truth = image_set(tmp_path, [Labels(vectors={"free": np.array([4, 4, 4, 4], np.float32)})] * 2, "vectors")
    np.savez(tmp_path / "predictions.npz", free=np.array([[4.8, 3.3, 5.1, 3.1], [4, 4, 4, 4]], np.float32))
    task = Avoidance(Avoidance.Config(directions=4))
    assert task.agreement(tmp_path, truth) == pytest.approx([0.5, 1])
