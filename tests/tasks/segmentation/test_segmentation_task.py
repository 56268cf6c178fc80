"""Loss and void, training to a result, determinism, predictions on disk, joint training, and clear errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from bench.contracts import Context
from bench.errors import DataError
from bench.plugins import find, names
from bench.samples import ImageSet
from tasks.segmentation.deeplab_v2 import DeepLabV2
from tasks.segmentation.model import MAIN
from tasks.segmentation.task import Segmentation

Make = Callable[..., ImageSet]


def small(**options: Any) -> DeepLabV2:
    settings = {"layers": 18, "width": 0.125, "rates": (1, 2, 3), "head_rate": 1.0, "head_bias_rate": 2.0}
    return DeepLabV2(DeepLabV2.Config(**settings | options))


def task(**options: Any) -> Segmentation:
    return Segmentation(Segmentation.Config(**{"steps": 4, "batch_size": 4} | options))


def folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name


def test_found_by_name() -> None:
    assert find("task", "segmentation").load() is Segmentation
    assert {"deeplab-v2", "deeplabv3", "unet"} <= set(names("model", "segmentation"))
    assert find("model", "deeplab-v2").load() is DeepLabV2
    assert Segmentation.headline in Segmentation.metrics


def test_loss_is_the_mean_over_pixels_that_are_not_void() -> None:
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    labels = torch.randint(0, 3, (2, 4, 5), dtype=torch.uint8)
    labels[0, :2], labels[1, 3] = 255, 255
    loss = task().losses({MAIN: logits}, {"semantic": labels})[MAIN]
    total, count = 0.0, 0
    for b, y, x in np.ndindex(2, 4, 5):
        if labels[b, y, x] != 255:
            total -= logits[b, :, y, x].log_softmax(0)[int(labels[b, y, x])].item()
            count += 1
    assert loss.item() == pytest.approx(total / count, rel=1e-5)
    expected = F.cross_entropy(logits, labels.long(), ignore_index=255)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad.abs().sum(1) == 0).tolist() == (labels == 255).tolist()


def test_all_void_is_no_loss_and_no_nan() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = task().losses({MAIN: logits}, {"semantic": torch.full((1, 2, 2), 255, dtype=torch.uint8)})[MAIN]
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None and not logits.grad.any()


def test_it_learns_to_tell_sky_from_ground(make_set: Make, context: Context) -> None:
    data, test = make_set(12), make_set(6, seed=100)
    subject, model = task(steps=60, learning_rate=5e-3), small(output_stride=4)
    state = subject.train(model, data, context)
    subject.predict(model, state, test.unlabelled(), context)
    with np.load(context.directory / "predictions.npz") as file:
        assert file.files == ["semantic"] and file["semantic"].shape == (6, 32, 32)
        assert file["semantic"].dtype == np.uint8
    found = {score.metric: score.value for score in subject.score(context.directory, test)}
    assert list(found) == ["mIoU", "pixel_accuracy", "IoU/sky", "IoU/ground", "IoU/post"]
    assert found["IoU/sky"] > 0.75 and found["IoU/ground"] > 0.8 and found["pixel_accuracy"] > 0.8
    assert (context.directory / "losses.csv").read_text().startswith("step,cross_entropy\n")


def test_same_seed_same_bytes_and_sgd_with_poly_and_crops(make_set: Make, tmp_path: Path) -> None:
    recipe = {"optimizer": "sgd", "schedule": "poly", "scales": (0.5, 1.0, 1.5), "crop": 24, "gradient_clip": 0.0}
    states = []
    for k, seed in enumerate((1, 1, 2)):
        states.append(task(**recipe).train(small(), make_set(6), Context(seed, folder(tmp_path, str(k)))))
    same = [all(torch.equal(states[0][name], other[name]) for name in states[0]) for other in states[1:]]
    assert same == [True, False]


def test_a_learner_gives_what_joint_training_needs(make_set: Make, context: Context) -> None:
    data = make_set(5)
    learner = task().learner(small(), data, context)
    targets = learner.targets(data)
    assert targets["semantic"].shape == (5, 32, 32) and targets["semantic"].dtype == torch.uint8
    images = torch.rand(2, 3, 32, 32)
    losses = learner.losses(learner.outputs(images), {"semantic": targets["semantic"][:2]})
    assert list(losses) == [MAIN] and losses[MAIN].requires_grad
    assert learner.features(images).shape == (2, 64, 4, 4)
    optimizer = learner.optimizer()
    learner.schedule(optimizer, 0)
    assert len({group["scale"] for group in optimizer.param_groups}) == 2
    assert (learner.steps, learner.batch_size) == (4, 4)


def test_a_depth_sensor_is_a_fourth_channel(make_set: Make, context: Context) -> None:
    data = replace(make_set(2), sensors={"depth": 4.0})
    network = task().network(small(), data, context)
    assert network.trunk.conv1.weight.shape[1] == 4


def test_other_sizes_of_the_test_images(make_set: Make, context: Context) -> None:
    subject, model = task(steps=1), small()
    state = subject.train(model, make_set(4), context)
    wide = make_set(2, size=(30, 41))
    subject.predict(model, state, wide.unlabelled(), context)
    assert any(score.metric == "mIoU" for score in subject.score(context.directory, wide))
    with pytest.raises(DataError, match="2 predictions of semantic for 3 images"):
        subject.score(context.directory, make_set(3, size=(30, 41)))


def test_maps_that_make_no_sense_are_named(make_set: Make) -> None:
    def spoil(index: int, truth: np.ndarray) -> None:
        truth[3, 3] = 4 if index == 1 else truth[3, 3]

    with pytest.raises(DataError, match=r"001\.png: value 4, but the set has 4 classes \(void is 255\)"):
        task().targets(make_set(2, change=spoil))
    with pytest.raises(DataError, match=r"000\.png: no semantic map of 32x32 pixels"):
        task().targets(make_set(1, labels=()))


@pytest.mark.parametrize("options", [{"flip": 2}, {"scales": ()}, {"scales": (0.0,)}, {"crop": -1}, {"stepz": 1}])
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        task(**options)
