"""The training loop, predictions on disk, and what makes arms comparable."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bench.contracts import Context
from bench.errors import DivergedError, LabelsHiddenError
from bench.samples import ImageSet
from tasks.detection import task as task_module
from tasks.detection.model import Detections, Target
from tasks.detection.pvanet import PVANET
from tasks.detection.ssd import SSD
from tasks.detection.task import Detection, coco_results

Make = Callable[..., ImageSet]


def small_ssd(**options: Any) -> SSD:
    return SSD(SSD.Config(width=8, **options))


def detection(**options: Any) -> Detection:
    return Detection(Detection.Config(**{"steps": 8, "batch_size": 4} | options))


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name


def test_training_is_deterministic_and_depends_on_the_seed(make_set: Make, tmp_path: Path) -> None:
    data = make_set(6)
    states = [
        detection().train(small_ssd(), data, Context(seed=seed, directory=folder(tmp_path, f"{k}")))
        for k, seed in enumerate((1, 1, 2))
    ]
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_state_is_flat_and_can_be_saved(make_set: Make, context: Context) -> None:
    state = detection(steps=1).train(small_ssd(), make_set(4), context)
    assert all(value.is_contiguous() and value.device.type == "cpu" for value in state.values())
    save_file(dict(state), context.directory / "state.safetensors")


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("name", ["ssd", "pvanet"])
def test_a_killed_training_ends_in_the_same_bytes(
    name: str, make_set: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSD draws flips only; PVANET also draws the anchors and RoIs that it looks at, from torch's generator."""
    model = small_ssd() if name == "ssd" else PVANET(PVANET.Config(width=0.125, head_width=16, dropout=0.5))
    data = make_set(6)
    whole = detection().train(model, data, Context(seed=3, directory=folder(tmp_path, "whole")))

    plain_train, plain_loss, calls = task_module.train, model.loss, []

    def save_always(*arguments: Any, **options: Any) -> None:
        plain_train(*arguments, **options, checkpoint_seconds=-1.0)

    def die_in_step_six(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise Killed
        return plain_loss(*arguments)

    monkeypatch.setattr(task_module, "train", save_always)
    monkeypatch.setattr(model, "loss", die_in_step_six)
    context = Context(seed=3, directory=folder(tmp_path, "killed"), checkpoint=tmp_path / "checkpoint.pt")
    with pytest.raises(Killed):
        detection().train(model, data, context)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5
    torch.manual_seed(99)
    assert same(whole, detection().train(model, data, context))
    assert len(calls) == 6 + 3


def test_arms_share_initial_weights_batches_and_steps(make_set: Make, tmp_path: Path) -> None:
    """Two sets of one size (as synthetic and refined are) see the same sequence; only their pixels differ."""
    seen: list[list[tuple[int, ...]]] = []
    initial: list[dict[str, Tensor]] = []

    class Watching(SSD):
        def loss(self, module: torch.nn.Module, images: Tensor, targets: Sequence[Target]) -> Any:
            if len(initial) < len(seen):
                initial.append({name: value.clone() for name, value in module.state_dict().items()})
            seen[-1].append(tuple(len(target.boxes) for target in targets))
            return super().loss(module, images, targets)

    first = make_set(5)
    # Other pixels under the same labels, as a refiner would make them.
    other = replace(make_set(5, seed=100), records=tuple(
        replace(theirs, boxes=ours.boxes, classes=ours.classes)
        for ours, theirs in zip(first.records, make_set(5, seed=100).records, strict=True)
    ))
    for k, data in enumerate((first, other)):
        seen.append([])
        detection().train(Watching(SSD.Config(width=8)), data, Context(seed=7, directory=folder(tmp_path, f"{k}")))
    assert same(initial[0], initial[1])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 8
    assert len(set(seen[0])) > 1


def test_a_model_may_override_steps_and_batch_size(make_set: Make, context: Context) -> None:
    reports: list[tuple[int, int]] = []
    context = replace(context, progress=lambda p: reports.append((p.step, p.total)))
    sizes: list[int] = []

    class Watching(SSD):
        def loss(self, module: torch.nn.Module, images: Tensor, targets: Sequence[Target]) -> Any:
            sizes.append(len(images))
            return super().loss(module, images, targets)

    detection().train(Watching(SSD.Config(width=8, steps=3, batch_size=2)), make_set(4), context)
    assert sizes == [2, 2, 2]
    assert reports[-1] == (3, 3)
    lines = (context.directory / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,bbox_regression,classification"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "3"]


def test_weights_that_explode_are_reported(make_set: Make, context: Context) -> None:
    with pytest.raises(DivergedError, match="lower the learning rate"):
        detection(steps=20, learning_rate=1e12, gradient_clip=0, optimizer="sgd").train(
            small_ssd(), make_set(4), context
        )


def test_hidden_labels_cannot_be_trained_on(make_set: Make, context: Context) -> None:
    with pytest.raises(LabelsHiddenError):
        detection().train(small_ssd(), make_set(4).unlabelled(), context)


def test_predictions_on_disk(make_set: Make, context: Context) -> None:
    """Hidden labels suffice; boxes lie in the image, have area, and name images and classes from 1."""
    data = make_set(18)
    task, model = detection(steps=2, score_threshold=0.05, max_detections=7), small_ssd()
    state = task.train(model, data, context)
    task.predict(model, state, data.unlabelled(), context)
    results = json.loads((context.directory / "predictions.json").read_text())
    assert {r["image_id"] for r in results} == set(range(1, 19))
    assert {r["category_id"] for r in results} <= {1, 2}
    for r in results:
        x, y, width, height = r["bbox"]
        assert x >= 0 and y >= 0 and width > 0 and height > 0
        assert x + width <= 64.001 and y + height <= 64.001
        assert 0.05 < r["score"] <= 1
    assert max(sum(r["image_id"] == k for r in results) for k in range(1, 19)) == 7
    assert {s.metric for s in task.score(context.directory, data)} >= {"mAP", "mAP50", "mAR100"}
    assert task.score(context.directory, data) == task.score(context.directory / "predictions.json", data)


def test_result_entries_are_clipped_and_degenerate_ones_dropped() -> None:
    boxes = torch.tensor([[-5.0, 2, 10, 70], [50, 4, 90, 20], [64, 4, 70, 9], [3, 8, 3, 9]])
    found = Detections(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([0, 1, 0, 1]))
    assert coco_results(4, found, (60, 64)) == [
        {"image_id": 4, "category_id": 1, "bbox": [0, 2, 10, 58], "score": 0.9},
        {"image_id": 4, "category_id": 2, "bbox": [50, 4, 14, 16], "score": 0.8},
    ]


def test_metrics_declare_what_score_writes(make_set: Make, context: Context) -> None:
    data = make_set(4)
    (context.directory / "predictions.json").write_text("[]")
    written = {score.metric.split("/")[0] for score in detection().score(context.directory, data)}
    assert written == set(Detection.metrics)
    assert Detection.headline in Detection.metrics
