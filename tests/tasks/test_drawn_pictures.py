"""What the tasks draw for the report, from toy predictions: the right panels, with the right numbers in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.arms import parse_arm
from bench.drawing import class_colour
from bench.formats.courses import GroundPlan
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.heatmaps import ramp
from bench.samples import ImageSet, Labels
from bench.showing import Showing, Shown, TaskPicture
from tasks.avoidance.pictures import avoidance_pictures
from tasks.avoidance.task import Avoidance
from tasks.depth.task import Depth
from tasks.detection.task import Detection
from tasks.pose.task import Pose
from tasks.segmentation.task import Segmentation

SIZE = 24
ARMS = ("synthetic", "refined(same)", "refined(worse)", "refined(better)", "real")
VALUES = (0.2, 0.9, 0.4, 0.6, 0.8)
Arrays = Mapping[str, NDArray[Any]]


def image_set(folder: Path, labels: list[Labels], kinds: list[str], names: list[str], domain: str = "real") -> ImageSet:
    folder.mkdir(parents=True)
    writer = ImageSetWriter(folder, domain=domain, kind="stand-in", class_names=names, labels=kinds)
    for index, label in enumerate(labels):
        writer.add(f"{index:03d}", np.full((SIZE, SIZE, 3), 10 + 30 * index, np.uint8), label, group="course")
    writer.close()
    return open_image_set(folder)


def showing(folder: Path, truth: ImageSet, predicted: Callable[[str], Arrays], sets: bool = False) -> Showing:
    arms = []
    for arm, value in zip(ARMS, VALUES, strict=True):
        made = folder / arm
        made.mkdir()
        np.savez_compressed(made / "predictions.npz", **predicted(arm))
        images = truth if sets and arm.startswith("refined") else None
        title = "real (rendered stand-in)" if arm == "real" else arm
        arms.append(Shown(parse_arm(arm), title, made, value, arm == "refined(same)", images))
    return Showing("net", "score", True, "real (rendered stand-in)", truth, tuple(arms), truth if sets else None)


def pixels(picture: TaskPicture, colour: Any) -> int:
    """How many pixels of a colour a picture has."""
    return int((picture.image == np.asarray(colour)).all(-1).sum())


def by_name(pictures: list[TaskPicture]) -> dict[str, TaskPicture]:
    for picture in pictures:
        assert picture.image.dtype == np.uint8
        assert picture.image.shape[1] < 2200
        assert picture.title
        assert "real (rendered stand-in)" in picture.caption or picture.name in ("translated", "course")
    return {picture.name: picture for picture in pictures}


def test_segmentation(tmp_path: Path) -> None:
    truth_map = np.zeros((SIZE, SIZE), np.uint8)
    truth_map[:, 12:] = 1
    truth_map[0] = 255
    truth = image_set(tmp_path / "set", [Labels(semantic=truth_map)] * 5, ["semantic"], ["road", "tree", "sky"])

    def predicted(arm: str) -> Arrays:
        maps = np.where(truth_map == 255, 0, truth_map)
        if arm == "synthetic":
            maps = np.full_like(maps, 2)
        return {"semantic": np.stack([maps] * 5).astype(np.uint8)}

    found = by_name(Segmentation(Segmentation.Config()).pictures(showing(tmp_path, truth, predicted)))
    assert list(found) == ["confusion", "strip"]
    # Two full rows each: off the diagonal for synthetic, on it for the others; rows without pixels stay white.
    assert pixels(found["confusion"], ramp(1.0, "share")) > 6 * 40 * 40 * 0.5
    assert pixels(found["confusion"], ramp(1.0, "share")) < 6 * 46 * 46
    # Columns: image, truth, synthetic, better, worse, real; the control is left out.
    height, width = found["strip"].image.shape[:2]
    assert width == 6 + 6 * (216 + 6)
    sky = (found["strip"].image == class_colour(2)).all(-1)
    columns = [int(sky[: height - 30, 6 + 222 * k : 6 + 222 * k + 216].sum()) for k in range(6)]
    assert columns == [0, 0, 4 * 216 * 216, 0, 0, 0]
    assert "void" in found["strip"].caption


def test_depth(tmp_path: Path) -> None:
    depth = np.full((SIZE, SIZE), 4.0, np.float32)
    depth[:, :6] = 0
    truth = image_set(tmp_path / "set", [Labels(depth=depth)] * 4, ["depth"], [])

    def predicted(arm: str) -> Arrays:
        off = {"synthetic": 2.0, "real": 0.0}.get(arm, 1.0)
        return {"depth": np.full((4, SIZE, SIZE), 4.0 + off, np.float32)}

    view = showing(tmp_path, truth, predicted, sets=True)
    found = by_name(Depth(Depth.Config(max_depth=8.0)).pictures(view))
    assert list(found) == ["depth", "translated"]
    # The error scale ends at the largest error: the synthetic arm's maps have its last colour, real's its first.
    errors = found["depth"].image
    tiles = 3 * 200 * 150
    assert tiles <= pixels(found["depth"], ramp(1.0, "error")) < tiles * 1.02
    assert 2 * tiles <= pixels(found["depth"], ramp(0.5, "error")) < 2 * tiles * 1.02
    left, right = 6 + 206 * 2, 6 + 206 * 5
    synthetic = (errors[:, left : left + 200] == ramp(1.0, "error")).all(-1).sum()
    assert synthetic >= tiles
    assert not (errors[: errors.shape[0] - 150, right : right + 200] == ramp(1.0, "error")).all(-1).any()
    # Unknown truth is grey: in the true depth and in every error map.
    assert pixels(found["depth"], (150, 150, 150)) == 3 * 200 * 50 * 5
    assert "0.1 to 8 m" in found["depth"].caption
    # Synthetic, two refiners, and the depth that goes with them.
    assert found["translated"].image.shape[1] == 6 + 4 * 206
    other = tmp_path / "other"
    other.mkdir()
    without = Depth(Depth.Config()).pictures(showing(other, truth, predicted))
    assert [picture.name for picture in without] == ["depth"]
    # Scaled by the median, flat maps are right everywhere: no error has a colour.
    (right,) = Depth(Depth.Config(median_scaling=True)).pictures(replace(view, synthetic=None))
    assert pixels(right, ramp(1.0, "error")) < 200
    assert pixels(right, ramp(0.5, "error")) < 200
    assert "true median" in right.caption


def test_pose(tmp_path: Path) -> None:
    turns = np.array([[1, 0, 0, 0]] * 4, np.float32)
    box = np.array([[2, 2, 20, 20]], np.float32)
    labels = [Labels(boxes=box, classes=np.array([k % 2]), vectors={"quaternion": turns[k]}) for k in range(4)]
    truth = image_set(tmp_path / "set", labels, ["boxes", "vectors"], ["cat", "duck"])

    def predicted(arm: str) -> Arrays:
        half = np.array([[np.cos(np.pi / 8), np.sin(np.pi / 8), 0, 0]] * 4)
        classes = [1, 0, 1, 0] if arm == "synthetic" else [0, 1, 0, 1]
        return {"classes": np.array(classes), "quaternion": half if arm == "synthetic" else turns}

    found = by_name(Pose(Pose.Config()).pictures(showing(tmp_path, truth, predicted)))
    assert list(found) == ["confusion", "angles", "worst"]
    bars = (found["angles"].image == (0, 114, 178)).all(-1)
    rows = found["angles"].image.shape[0] // 3
    filled = [np.flatnonzero(bars[k * rows : (k + 1) * rows].any(0)) for k in range(3)]
    # 45 degrees is in the fifth of 18 bars, 0 in the first; the plot is 690 pixels wide and begins at 50.
    assert 50 + 690 * 4 / 18 - 1 <= filled[0].min() <= filled[0].max() <= 50 + 690 * 5 / 18 + 1
    assert 50 <= filled[1].min() <= filled[1].max() <= 50 + 690 / 18 + 1
    # Orange frames: four wrong images of the synthetic arm and none of the others.
    orange = (found["worst"].image == (213, 94, 0)).all(-1)
    rows = found["worst"].image.shape[0] // 3
    assert orange[:rows].sum() > 1000
    assert not orange[rows:].any()


def test_pose_without_orientation(tmp_path: Path) -> None:
    labels = [Labels(boxes=np.array([[2, 2, 20, 20]], np.float32), classes=np.array([k % 2])) for k in range(3)]
    truth = image_set(tmp_path / "set", labels, ["boxes"], ["0", "1"])
    view = showing(tmp_path, truth, lambda arm: {"classes": np.array([0, 1, 1])})
    assert list(by_name(Pose(Pose.Config()).pictures(view))) == ["confusion", "worst"]


def test_detection(tmp_path: Path) -> None:
    box = np.array([[4, 4, 16, 20]], np.float32)
    labels = [Labels(boxes=box, classes=np.array([1]))] * 6
    truth = image_set(tmp_path / "set", labels, ["boxes"], ["can", "jar"])
    view = showing(tmp_path, truth, lambda arm: {})
    for shown in view.arms:
        score = 0.29 if shown.title == "synthetic" else 0.31
        entries = [
            {"image_id": k + 1, "category_id": 1, "bbox": [4, 4, 12, 16], "score": score} for k in range(len(truth))
        ]
        (shown.predictions / "predictions.json").write_text(json.dumps(entries))
    found = by_name(Detection(Detection.Config()).pictures(view))
    assert list(found) == ["detections"]
    image = found["detections"].image[:-40]
    column = (image.shape[1] - 6) // 5
    counts = [
        [int((image[:, 6 + column * k : 6 + column * (k + 1)] == class_colour(c)).all(-1).sum()) for c in (0, 1)]
        for k in range(5)
    ]
    assert counts[0][0] == 0 < counts[0][1]
    assert counts[1] == [0, 0]
    assert all(can > 0 == jar for can, jar in counts[2:])


CRATE = GroundPlan(6.0, 8.0, 12.0, np.array([[5.0, 0.0, 0.0, 0.4, 0.4, 0.0]]))


def fans() -> NDArray[np.float64]:
    """(4, 16) true free distances of the views of `course`."""
    edges = np.radians(np.linspace(45, -45, 17))
    angles = np.linspace(edges[:-1], edges[1:], 5)
    return np.stack([CRATE.cast((2.0 * row, 0.0), angles.ravel(), 20.0).reshape(5, 16).min(0) for row in range(4)])


@pytest.fixture
def course(tmp_path: Path) -> ImageSet:
    """A corridor of 8 m, 6 m wide, with views every 2 m in the middle and one crate in the way at x = 5 m."""
    seen = fans()
    labels = []
    for row in range(4):
        vectors = {
            "free": seen[row], "pose": np.array([2.0 * row, 0, 0]), "node": np.array([row, 0]),
        } | CRATE.vectors()  # fmt: skip
        labels.append(Labels(vectors={name: value.astype(np.float32) for name, value in vectors.items()}))
    return image_set(tmp_path / "set", labels, ["vectors"], [])


def test_avoidance(tmp_path: Path, course: ImageSet) -> None:
    task = Avoidance(Avoidance.Config(starts=(0.0,)))

    def predicted(arm: str) -> Arrays:
        """Who sees nothing flies straight into the crate; who sees the truth passes it."""
        return {"free": np.full((4, 16), 20.0) if arm == "synthetic" else fans()}

    view = showing(tmp_path, course, predicted)
    found = by_name(task.pictures(view))
    assert list(found) == ["flight", "course"]
    flights = {str(s.arm): task.flights(predicted(str(s.arm))["free"], course)[0][1][0] for s in view.arms}
    assert flights["synthetic"].collided
    assert not flights["real"].collided
    # One row of views an arm: the bars of the one that sees nothing are full.
    strip = found["flight"].image
    rows = strip.shape[0] // 4
    bars = [(strip[k * rows : (k + 1) * rows] == (86, 180, 233)).all(-1).sum() for k in range(4)]
    assert bars[0] > 1.5 * bars[1]
    # Paths: grey and black, and the crate as dark as the walls.
    assert pixels(found["course"], (97, 110, 124)) > 500
    assert pixels(found["course"], (110, 118, 128)) > 4000
    nothing = avoidance_pictures(view, fans(), lambda _: [], task.steering, 0.3)
    assert nothing == []


@pytest.mark.parametrize("task", [Segmentation, Depth, Detection])
def test_no_arms_no_pictures(task: Any, tmp_path: Path) -> None:
    truth = image_set(tmp_path / "set", [Labels(depth=np.ones((SIZE, SIZE), np.float32))], ["depth"], [])
    assert task(task.Config()).pictures(Showing("net", "x", True, "real (photographs)", truth, ())) == []
