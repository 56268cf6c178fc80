from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench import plugins, training
from bench.contracts import Context, Progress
from bench.errors import DataError
from bench.samples import ImageSet
from tasks.depth.metrics import METRICS, image_errors
from tasks.depth.t2net_unet import T2NetUNetModel
from tasks.depth.task import Depth
from tasks.depth.unet_depth import UNetDepth

SMALL = T2NetUNetModel(T2NetUNetModel.Config(width=4))


def task(**settings: Any) -> Depth:
    return Depth(Depth.Config(**{"steps": 60, "batch_size": 8, "learning_rate": 5e-3} | settings))


def test_found_by_name() -> None:
    assert plugins.find("task", "depth").load() is Depth
    assert Depth.headline in Depth.metrics


def test_the_loss_by_hand() -> None:
    depth = torch.tensor([[[1.0, 3.0], [0.0, 30.0]]])  # unknown, and beyond max_depth: learnt as 1
    fine = torch.tensor([[[[0.0, 0.0], [0.9, 0.0]]]])
    coarse = torch.tensor([[[[0.5]]]])
    wanted = [2 * 1 / 10 - 1, 2 * 3 / 10 - 1, 1.0]
    expected_fine = sum(abs(value) for value in wanted) / 3
    expected_coarse = abs(0.5 - sum(wanted) / 3)
    target = {"depth": depth}
    assert float(task().losses(fine, target)["depth"]) == pytest.approx(expected_fine)
    assert float(task().losses([coarse, fine], target)["depth"]) == pytest.approx(expected_fine + expected_coarse)


def test_the_loss_against_plain_loops() -> None:
    random = np.random.default_rng(0)
    depth = random.uniform(0.5, 12, (3, 8, 12)).astype(np.float32)
    depth[random.random(depth.shape) < 0.5] = 0
    depth[0, :4, :4] = 0
    maps = [random.uniform(-1, 1, (3, 1, 8 // k, 12 // k)).astype(np.float32) for k in (4, 2, 1)]
    total = 0.0
    for k, predicted in zip((4, 2, 1), maps, strict=True):
        errors = []
        for b in range(3):
            for y in range(8 // k):
                for x in range(12 // k):
                    cell = depth[b, y * k : y * k + k, x * k : x * k + k]
                    known = cell[cell > 0]
                    if len(known):
                        errors.append(abs(predicted[b, 0, y, x] - np.minimum(2 * known / 10 - 1, 1).mean()))
        total += float(np.mean(errors))
    loss = task().losses([torch.from_numpy(m) for m in maps], {"depth": torch.from_numpy(depth)})["depth"]
    assert float(loss) == pytest.approx(total, rel=1e-5)


def test_a_batch_without_any_depth_costs_nothing() -> None:
    outputs = torch.zeros(1, 1, 4, 4, requires_grad=True)
    loss = task().losses(outputs, {"depth": torch.zeros(1, 4, 4)})["depth"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


def test_decoding_inverts_normalising_and_takes_the_finest() -> None:
    depth = torch.tensor([[[0.1, 5.0, 9.9]]])
    coarse, fine = torch.zeros(1, 1, 1, 1), (depth * 2 / 10 - 1).unsqueeze(1)
    assert torch.allclose(task().decode([coarse, fine])["depth"], depth)
    assert torch.allclose(task(max_depth=80).decode(torch.ones(1, 1, 1, 1))["depth"], torch.full((1, 1, 1), 80.0))


def test_mirroring_takes_image_and_depth_along() -> None:
    images = torch.rand(64, 3, 2, 5)
    targets = {"depth": images[:, 0].clone()}
    flipped, moved = task(flip=0.5).augment(images, targets, np.random.default_rng(0))
    assert torch.equal(flipped[:, 0], moved["depth"])
    share = (flipped != images).flatten(1).any(1).float().mean()
    assert 0.25 < float(share) < 0.75
    assert torch.equal(task(flip=1).augment(images, targets, np.random.default_rng(0))[0], images.flip(-1))
    assert torch.equal(task(flip=0).augment(images, targets, np.random.default_rng(0))[0], images)


def test_learns_and_keeps_depth_unquantised(make_set: Callable[..., ImageSet], context: Context) -> None:
    train, test = make_set(32, unknown=4), make_set(12, seed=1)
    depth = task()
    state = depth.train(SMALL, train, context)
    depth.predict(SMALL, state, test.unlabelled(), context)
    figures = {score.metric: score.value for score in depth.score(context.directory, test)}
    assert set(figures) == set(METRICS)
    assert figures["abs_rel"] < 0.3, figures
    assert figures["delta1"] > 0.6, figures
    with np.load(context.directory / "predictions.npz") as file:
        predicted = file["depth"]
    assert predicted.dtype == np.float32
    assert predicted.shape == (12, 32, 48)
    assert len(np.unique(predicted)) > 5000  # 8 bits would be 256
    rows = [
        image_errors(predicted[k], test[k].labels.depth, min_depth=0.1, cap=10)  # type: ignore[arg-type]
        for k in range(len(test))
    ]
    assert figures["rmse"] == pytest.approx(np.mean([row["rmse"] for row in rows if row]))


def test_any_encoder_learns(make_set: Callable[..., ImageSet], context: Context) -> None:
    model = UNetDepth(UNetDepth.Config(decoder_channels=(16, 16, 8, 8, 8)))
    if reason := model.skip():
        pytest.skip(reason)
    train = make_set(16, size=(64, 64))
    depth = task(steps=25)
    start = depth.learner(model, train, context).state()
    scores = []
    for state in (start, depth.train(model, train, context)):
        depth.predict(model, state, train.unlabelled(), context)
        scores.append({score.metric: score.value for score in depth.score(context.directory, train)}["abs_rel"])
    assert scores[1] < 0.8 * scores[0]


def test_perfect_predictions_score_perfectly(make_set: Callable[..., ImageSet]) -> None:
    truth = make_set(3, unknown=5)
    scores = task().measure({"depth": task().targets(truth)["depth"]}, truth)
    assert {score.metric: score.value for score in scores} == {name: float(up) for name, up in METRICS.items()}


def test_images_without_a_pixel_to_score_are_left_out(make_set: Callable[..., ImageSet]) -> None:
    truth = make_set(2)
    half = make_set(1, unknown=48)
    joined = truth.joined(half)
    predictions = {"depth": np.full((3, 32, 48), 4.0, np.float32)}
    both = task().measure(predictions, joined)
    first = task().measure({"depth": predictions["depth"][:2]}, truth)
    assert both == first
    with pytest.raises(DataError, match=r"no pixel of the test images .* train\.min_depth"):
        task().measure({"depth": predictions["depth"][:1]}, half)


def test_same_seed_same_bytes_and_resume(
    make_set: Callable[..., ImageSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, depth = make_set(8), task(steps=12)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = depth.train(SMALL, data, Context(3, tmp_path / "whole"))
    ticks = iter(range(0, 10**6, 100))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(ticks))

    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.step >= 10:
            raise Killed

    context = Context(3, tmp_path / "parts", checkpoint=tmp_path / "run.ckpt", progress=kill)
    with pytest.raises(Killed):
        depth.train(SMALL, data, context)
    resumed = depth.train(SMALL, data, replace(context, progress=lambda _: None))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_depth_of_another_size_is_one_clear_line(make_set: Callable[..., ImageSet]) -> None:
    data = make_set(1)
    with pytest.raises(DataError, match="depth predicted at 3x2, the truth has 48x32"):
        task().measure({"depth": np.ones((1, 2, 3), np.float32)}, data)
    with pytest.raises(DataError, match="needs depth"):
        task().targets(replace(data, has=frozenset()))


@pytest.mark.parametrize(
    "settings", [{"max_depth": 0}, {"min_depth": 12}, {"min_depth": 3, "cap": 2}, {"flip": 2}, {"crop": "centre"}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Depth.Config(**settings)
