"""Every task on predictions made from the truth: perfect scores; and test sets drawn again, scored like real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
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
    assert task.doubt(tmp_path, truth) == ""
    for metric, value in scores.items():
        best = PERFECT.get(metric, float(task.metrics[metric.split("/")[0]]))
        assert value == pytest.approx(best, abs=1e-4), metric


NOTHING_LEARNT = {
    "avoidance": "the model predicts the same free for all 6 test images",
    "depth": "the model predicts the same depth for all 6 test images",
    "detection": "the detector found nothing in any of 6 test images",
    "pose": "the model calls all 6 test images duck",
    "segmentation": "the model calls every pixel of all 6 test images duck",
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_predictions_of_a_model_that_learnt_nothing_are_doubted(name: str, truth: ImageSet, tmp_path: Path) -> None:
    """One answer for all images; what else a model says (the angle, say) may differ."""
    task: Task = construct("task", name, {})
    WRITERS[name](truth, tmp_path)
    if name == "detection":
        (tmp_path / "predictions.json").write_text("[]")
    else:
        with np.load(tmp_path / "predictions.npz") as file:
            made = {key: file[key] for key in file.files}
        for key in made.keys() - {"quaternion"}:
            made[key] = np.zeros_like(made[key])
        np.savez(tmp_path / "predictions.npz", **made)
    assert task.doubt(tmp_path, truth) == NOTHING_LEARNT[name]


def spoilt(name: str, folder: Path) -> None:
    """Make some of the predictions wrong, differently in every image."""
    random = np.random.default_rng(1)
    if name == "detection":
        results = json.loads((folder / "predictions.json").read_text())
        results += [dict(result) for result in results[::3]]
        for result in results:
            result["bbox"][0] += float(random.choice([0, 0.6, 2, 6]))
            result["score"] = round(float(random.uniform(0.1, 0.9)), 6)
            result["category_id"] = int(random.choice([result["category_id"], 1, 2]))
        (folder / "predictions.json").write_text(json.dumps(results))
        return
    with np.load(folder / "predictions.npz") as file:
        made = {key: file[key] for key in file.files}
    for key, values in made.items():
        wrong = random.random((len(values), *[1] * (values.ndim - 1))) < 0.5
        if np.issubdtype(values.dtype, np.integer):
            made[key] = np.where(wrong, random.integers(0, 2, values.shape), values).astype(values.dtype)
        else:
            made[key] = np.where(wrong, values * random.uniform(0.4, 1.8, values.shape), values)
    np.savez(folder / "predictions.npz", **made)


def drawn(name: str, folder: Path, chosen: list[int], into: Path) -> None:
    """The predictions of a set that holds some images several times."""
    into.mkdir()
    if name == "detection":
        results = json.loads((folder / "predictions.json").read_text())
        of = [[r for r in results if r["image_id"] == index + 1] for index in chosen]
        again = [{**r, "image_id": k + 1} for k, listed in enumerate(of) for r in listed]
        (into / "predictions.json").write_text(json.dumps(again))
        return
    with np.load(folder / "predictions.npz") as file:
        np.savez(into / "predictions.npz", **{key: file[key][chosen] for key in file.files})


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_drawn_test_set_is_scored_as_if_it_were_the_test_set(name: str, truth: ImageSet, tmp_path: Path) -> None:
    """`resample` against `score` of a set that really holds each image as often as it was drawn."""
    task: Task = construct("task", name, {})
    WRITERS[name](truth, tmp_path)
    spoilt(name, tmp_path)
    draws = np.array([[1] * 6, [2, 0, 0, 1, 3, 0], [0, 0, 4, 0, 0, 2]])
    found = task.resample(tmp_path, truth, draws)
    assert set(found) >= {task.headline}
    whole = {score.metric: score.value for score in task.score(tmp_path, truth)}
    assert 0 < whole[task.headline] < 1
    for row, counts in enumerate(draws):
        # Flights need whole courses: they are compared on the whole set only.
        metrics = [metric for metric in found if row == 0 or metric not in ("metres_flown", "collision_rate")]
        chosen = np.repeat(np.arange(6), counts).tolist()
        drawn(name, tmp_path, chosen, tmp_path / str(row))
        records = truth.subset(chosen).records
        if row:
            records = tuple(
                replace(r, vectors={k: v for k, v in r.vectors.items() if k != "node"}) for r in records
            )  # fmt: skip
        again = replace(truth, records=records)
        scores = {score.metric: score.value for score in task.score(tmp_path / str(row), again)}
        for metric in metrics:
            assert found[metric][row] == pytest.approx(scores[metric], abs=1e-9), (metric, row)


def test_courses_are_drawn_whole(truth: ImageSet, tmp_path: Path) -> None:
    """A blind pilot flies 3 m in the open course and ends at once in the other; drawn twice, a course counts twice."""
    shut = GroundPlan(6.0, 3.0, 8.0, np.array([(1.0, 0.0, 0.0, 0.1, 2.9, 0.0)]))
    walled = {name: tuple(value.tolist()) for name, value in shut.vectors().items()}
    second = tuple(replace(r, group="walled", vectors={**r.vectors, **walled}) for r in truth.records)
    both = replace(truth, records=truth.records + second)
    np.savez(tmp_path / "predictions.npz", free=np.full((12, 16), 20.0))
    task: Task = construct("task", "avoidance", {"starts": (0.0,)})
    draws = np.repeat([[1, 1], [2, 0], [0, 2]], 6, axis=1)
    found = task.resample(tmp_path, both, draws)
    assert found["collision_rate"].tolist() == [0.5, 0.0, 1.0]
    assert found["metres_flown"][1] == pytest.approx(3.0)
    assert found["metres_flown"][0] == pytest.approx(found["metres_flown"][1:].mean())
