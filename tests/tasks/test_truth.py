"""Predictions made from the truth score perfectly in every task that there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import plugins
from bench.contracts import Task
from bench.describe import construct
from bench.formats.courses import GroundPlan
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import ImageSet, Labels

NAMES = ("duck", "jug", "never seen")
SIDE = 24
BUILT_IN = sorted(name for name in plugins.names("task") if not name.startswith("toy-"))


def views(count: int = 6) -> list[tuple[str, Labels]]:
    """(group, labels) of images with every kind of label: two boxes, depth, classes of pixels, pose, free distances."""
    random = np.random.default_rng(0)
    plan = GroundPlan(6.0, 3.0, 8.0, np.empty((0, 6)))
    found = []
    for index in range(count):
        y, x = 1.0 * (index % 3) - 1, 1.5 * (index // 3)
        quaternion = random.normal(size=4)
        boxes = np.array([[1, 2, 9, 12], [10 + index, 3, 18 + index, 20]], np.float32)
        depth = random.uniform(1, 8, (SIDE, SIDE)).astype(np.float32)
        depth[:, 0] = 0
        semantic = np.where(np.arange(SIDE)[:, None] < 5 + index, 0, 1).repeat(SIDE, 1).astype(np.uint8)
        semantic[0] = 255
        vectors = {
            "quaternion": quaternion / np.linalg.norm(quaternion), "free": random.uniform(0.5, 20, 16),
            "pose": np.array([x, y, 1.4, 0.0]), "node": np.array([index // 3, index % 3]), **plan.vectors(),
        }  # fmt: skip
        labels = Labels(
            boxes=boxes, classes=np.array([index % 2, 1]), depth=depth, semantic=semantic,
            vectors={name: np.asarray(value, np.float32) for name, value in vectors.items()},
        )  # fmt: skip
        found.append((f"course-{index // 6}", labels))
    return found


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Six images of one course, labelled in every way."""
    kinds = ("boxes", "depth", "semantic", "vectors")
    root = tmp_path_factory.mktemp("truth")
    writer = ImageSetWriter(root, domain="real", kind="stand-in", class_names=NAMES, labels=kinds)
    for index, (group, labels) in enumerate(views()):
        writer.add(f"{index:03d}", np.full((SIDE, SIDE, 3), 40 * index, np.uint8), labels, group=group)
    writer.close()
    return open_image_set(root)


def arrays(**named: Callable[[ImageSet], np.ndarray]) -> Callable[[ImageSet, Path], None]:
    """A writer of ``predictions.npz`` for the tasks that keep arrays."""
    return lambda data, folder: np.savez(folder / "predictions.npz", **{n: make(data) for n, make in named.items()})


def stacked(kind: str) -> Callable[[ImageSet], np.ndarray]:
    return lambda data: np.stack([getattr(data.labels(index), kind) for index in range(len(data))])


def vector(name: str) -> Callable[[ImageSet], np.ndarray]:
    return lambda data: np.stack([data.labels(index).vectors[name] for index in range(len(data))])


def detections(data: ImageSet, folder: Path) -> None:
    results = []
    for index in range(len(data)):
        labels = data.labels(index)
        assert labels.boxes is not None
        assert labels.classes is not None
        for (x0, y0, x1, y1), cls in zip(labels.boxes.tolist(), labels.classes.tolist(), strict=True):
            box = [x0, y0, x1 - x0, y1 - y0]
            results.append({"image_id": index + 1, "category_id": cls + 1, "bbox": box, "score": 0.9})
    (folder / "predictions.json").write_text(json.dumps(results))


WRITERS: dict[str, Callable[[ImageSet, Path], None]] = {
    "avoidance": arrays(free=vector("free")),
    "depth": arrays(depth=stacked("depth")),
    "detection": detections,
    "pose": arrays(
        classes=lambda data: np.array([r.classes[0] for r in data.records]), quaternion=vector("quaternion")
    ),
    "segmentation": arrays(semantic=lambda data: np.where((s := stacked("semantic")(data)) == 255, 2, s)),
}  # fmt: skip
PERFECT = {"metres_flown": 3.0}
"""What the best is where it is neither 1 (higher is better) nor 0 (lower is better): metres of an open course."""


@pytest.mark.parametrize("name", BUILT_IN)
def test_predictions_made_from_the_truth_score_perfectly(name: str, truth: ImageSet, tmp_path: Path) -> None:
    assert name in WRITERS, f"task '{name}' is new: say here what its perfect predictions are"
    task: Task = construct("task", name, {})
    WRITERS[name](truth, tmp_path)
    scores = {score.metric: score.value for score in task.score(tmp_path, truth)}
    assert set(task.metrics) == {metric.split("/")[0] for metric in scores}
    for metric, value in scores.items():
        best = PERFECT.get(metric, float(task.metrics[metric.split("/")[0]]))
        assert value == pytest.approx(best, abs=1e-4), metric
