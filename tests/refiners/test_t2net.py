from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from bench import training
from bench.contracts import Context, Progress, State
from bench.errors import DataError, DivergedError, LabelsHiddenError, UsageError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.plugins import find
from bench.samples import ImageSet, Labels
from refiners.t2net import PUBLISHED_BATCH, PUBLISHED_STEPS, T2Net, T2NetConfig
from tasks.depth.t2net_unet import T2NetUNetModel
from tasks.depth.task import Depth
from tasks.depth.unet_depth import UNetDepth

TINY: dict[str, Any] = {
    "width": 4, "n_blocks": 1, "ndf": 4, "n_layers": 2, "feature_width": 8, "learning_rate": 2e-3,
    "sheets": 2, "pool_size": 3, "residual": True,
}
LOSSES = {
    "adversarial", "reconstruction", "feature_adversarial", "task", "smoothness", "total", "discriminator",
    "feature_discriminator",
}


@pytest.fixture(scope="module")
def make_rooms(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """Rooms of six tiles, the nearer the brighter; photographs of them are darker and yellow."""

    def make(domain: str, count: int, seed: int = 0, size: tuple[int, int] = (16, 24)) -> ImageSet:
        root: Path = tmp_path_factory.mktemp(domain)
        kind = "stand-in" if domain == "real" else "rendered"
        writer = ImageSetWriter(root, domain=domain, kind=kind, class_names=["room"], labels=["depth"])
        random = np.random.default_rng(seed)
        for index in range(count):
            metres = np.kron(random.uniform(1, 8, (2, 3)), np.ones((size[0] // 2, size[1] // 3))).astype(np.float32)
            image = (255 - metres * 25)[..., None] * np.ones(3)
            if domain == "real":
                image = image * (0.75, 0.7, 0.4) + random.normal(0, 3, image.shape)
            writer.add(f"{domain[0]}{index}", image.clip(0, 255).astype(np.uint8), Labels(depth=metres))
        writer.close()
        return open_image_set(root)

    return make


@pytest.fixture(scope="module")
def rendered(make_rooms: Callable[..., ImageSet]) -> ImageSet:
    return make_rooms("synthetic", 24)


@pytest.fixture(scope="module")
def photographed(make_rooms: Callable[..., ImageSet]) -> ImageSet:
    return make_rooms("real", 24, seed=1)


def depth_task(steps: int = 12) -> Depth:
    return Depth(Depth.Config(steps=steps, batch_size=4, learning_rate=5e-3))


def model(width: int = 4) -> T2NetUNetModel:
    return T2NetUNetModel(T2NetUNetModel.Config(width=width))


def jointly(
    context: Context, synthetic: ImageSet, real: ImageSet, task: Depth | None = None, **settings: Any
) -> tuple[T2Net, State]:
    refiner = T2Net(T2NetConfig(**TINY | settings))
    learner = (task or depth_task()).learner(model(), synthetic, Context(11, context.directory))
    refiner.fit_jointly(learner, synthetic, real.unlabelled(), context)
    return refiner, learner.state()


def alone(context: Context, synthetic: ImageSet, real: ImageSet, **settings: Any) -> T2Net:
    refiner = T2Net(T2NetConfig(**{"steps": 6, "batch_size": 2} | TINY | settings))
    refiner.fit(synthetic, real.unlabelled(), context)
    return refiner


def test_found_by_name() -> None:
    assert find("refiner", "t2net").load() is T2Net
    assert T2Net.joint
    assert T2Net.separable


def test_defaults_are_the_published_ones() -> None:
    config = T2NetConfig()
    weights = (
        config.lambda_image_adversarial, config.lambda_reconstruction, config.lambda_feature_adversarial,
        config.lambda_task, config.lambda_smoothness,
    )
    assert weights == (1, 100, 0.1, 100, 0.1)
    assert (config.discriminator_every, config.feature_clamp, config.pool_size) == (5, 0.01, 20)
    assert (config.learning_rate, config.task_learning_rate) == (5e-5, 1e-4)
    assert (21_030 * 10 // PUBLISHED_BATCH, PUBLISHED_BATCH) == (PUBLISHED_STEPS, 6)


def test_steps_and_batches_are_those_of_the_other_arms(
    rendered: ImageSet, photographed: ImageSet, context: Context
) -> None:
    seen: list[Progress] = []
    jointly(replace(context, progress=seen.append), rendered, photographed)
    assert seen[-1].total == 12
    with (context.directory / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 10, 12]
    assert set(rows[0]) == {"step", *LOSSES}
    seen.clear()
    jointly(replace(context, progress=seen.append), rendered, photographed, steps=5)
    assert seen[-1].total == 5


def test_joint_training_learns_real_depth(rendered: ImageSet, photographed: ImageSet, context: Context) -> None:
    """The task network, trained end to end, predicts on real images as they are; better than one trained on renders."""
    task = depth_task(steps=50)
    test, network = photographed, model()
    _, joint = jointly(context, rendered, photographed, task, learning_rate=5e-3, discriminator_every=1)
    plain = task.train(network, rendered, Context(11, context.directory))
    scores = []
    for state in (joint, plain):
        task.predict(network, state, test.unlabelled(), context)
        scores.append({score.metric: score.value for score in task.score(context.directory, test)}["abs_rel"])
    assert scores[0] < 0.9 * scores[1], scores


def test_the_translator_approaches_the_real_images_and_leaves_them_alone(
    rendered: ImageSet, photographed: ImageSet, context: Context
) -> None:
    refiner = alone(
        context, rendered, photographed, steps=120, batch_size=4, width=8, ndf=8, discriminator_every=1,
        lambda_reconstruction=20.0, learning_rate=1e-3,
    )
    target = photographed.images().astype(float).mean(axis=(0, 1, 2))
    before = np.abs(rendered.images().astype(float).mean(axis=(0, 1, 2)) - target).mean()
    refined = np.stack(refiner.refine(list(rendered), context)).astype(float)
    assert np.abs(refined.mean(axis=(0, 1, 2)) - target).mean() < 0.6 * before
    again = np.stack(refiner.refine(list(photographed), context)).astype(float)
    assert np.abs(again - photographed.images()).mean() < 0.5 * before


def test_an_image_does_not_depend_on_its_batch(rendered: ImageSet, photographed: ImageSet, context: Context) -> None:
    refiner = alone(context, rendered, photographed)
    samples = list(rendered)[:4]
    together = refiner.refine(samples, context)
    for k, sample in enumerate(samples):
        single = refiner.refine([sample], replace(context, seed=99))[0]
        assert single.dtype == np.uint8
        np.testing.assert_array_equal(single, together[k])
        assert (single != sample.image).any()


def test_same_seed_same_bytes(rendered: ImageSet, photographed: ImageSet, tmp_path: Path) -> None:
    states = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        torch.rand(3)  # whatever was drawn before must not matter
        refiner, task = jointly(Context(3, tmp_path / run), rendered, photographed)
        states.append({**refiner.state_dict(), **task})
    other = jointly(Context(4, tmp_path / "a"), rendered, photographed)[0].state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], other[name]) for name in other)


def test_killed_and_resumed_ends_in_the_same_bytes(
    rendered: ImageSet, photographed: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.step >= 10:
            raise Killed

    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole, whole_task = jointly(Context(3, tmp_path / "whole"), rendered, photographed)
    ticks = iter(range(0, 10**6, 100))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(ticks))  # every step is due for a checkpoint
    context = Context(3, tmp_path / "parts", checkpoint=tmp_path / "run.ckpt", progress=kill)
    with pytest.raises(Killed):
        jointly(context, rendered, photographed)
    assert torch.load(tmp_path / "run.ckpt", weights_only=True)["step"] == 9
    resumed, resumed_task = jointly(replace(context, progress=lambda _: None), rendered, photographed)
    first, second = {**whole.state_dict(), **whole_task}, {**resumed.state_dict(), **resumed_task}
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    logs = [(tmp_path / name / "losses.csv").read_bytes() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_state_goes_to_another_process(rendered: ImageSet, photographed: ImageSet, context: Context) -> None:
    refiner = alone(context, rendered, photographed)
    state = refiner.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)  # safetensors refuses shared memory
    copy = T2Net(refiner.config)
    copy.load_state_dict({name: value.clone() for name, value in state.items()})
    for first, second in zip(
        refiner.refine(list(rendered)[:3], context), copy.refine(list(rendered)[:3], context), strict=True
    ):
        np.testing.assert_array_equal(first, second)


def test_sheets_show_both_domains(rendered: ImageSet, photographed: ImageSet, context: Context) -> None:
    refiner = alone(context, rendered, photographed)
    sheets = sorted(path.name for path in (context.directory / "sheets").iterdir())
    assert sheets == ["step-000003.png", "step-000006.png"]
    with Image.open(context.directory / "sheets" / sheets[1]) as sheet:
        assert sheet.size == (4 * 24 + 3 * 2, 4 * 16 + 3 * 2)
        pixels = np.asarray(sheet)
    np.testing.assert_array_equal(pixels[:16, :24], rendered.image(0))
    np.testing.assert_array_equal(pixels[:16, 26:50], refiner.refine([rendered[0]], context)[0])
    np.testing.assert_array_equal(pixels[:16, 52:76], photographed.image(0))


def test_no_real_label_is_read(
    rendered: ImageSet, photographed: ImageSet, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = photographed.unlabelled()
    with pytest.raises(LabelsHiddenError):
        hidden.labels(0)
    jointly(context, rendered, photographed)  # hands over a hidden view, so a read would have raised


@pytest.mark.parametrize("settings", [{"task_optimizer": "paper"}, {"residual": False}, {"flip": False}])
def test_options_change_the_result(
    rendered: ImageSet, photographed: ImageSet, context: Context, settings: dict[str, Any]
) -> None:
    task = depth_task(3)
    first, second = (jointly(context, rendered, photographed, task, **kind)[1] for kind in ({}, settings))
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_networks_with_one_scale_work_too(rendered: ImageSet, photographed: ImageSet, context: Context) -> None:
    unet = UNetDepth(UNetDepth.Config(decoder_channels=(8, 8, 8, 8, 8)))
    learner = depth_task(2).learner(unet, rendered, context)
    T2Net(T2NetConfig(**TINY)).fit_jointly(learner, rendered, photographed.unlabelled(), context)
    assert set((context.directory / "losses.csv").read_text().splitlines()[0].split(",")) == {"step", *LOSSES}


def test_messages(
    rendered: ImageSet, photographed: ImageSet, make_rooms: Callable[..., ImageSet], context: Context
) -> None:
    with pytest.raises(UsageError, match="t2net: nothing fitted yet"):
        T2Net(T2NetConfig()).refine([rendered[0]], context)
    with pytest.raises(DataError, match="needs synthetic and real images, got 24 and 0"):
        alone(context, rendered, photographed.subset([]))
    with pytest.raises(DataError, match="synthetic images are 24x16, real ones 18x16"):
        alone(context, rendered, make_rooms("real", 1, size=(16, 18)))
    with pytest.raises(UsageError, match="without a task network only the weights"):
        alone(context, rendered, photographed, lambda_image_adversarial=0, lambda_reconstruction=0)
    with pytest.raises(DivergedError, match=r"step \d+: \w+ is (nan|inf)"):
        alone(context, rendered, photographed, learning_rate=1e30, residual=False)


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"lambda_task": -1}, {"decay_from": 0.9, "decay_until": 0.5}, {"discriminator_every": 0}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        T2NetConfig(**settings)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_trains_and_refines_on_cuda(
    precision: Any, rendered: ImageSet, photographed: ImageSet, tmp_path: Path
) -> None:
    context = Context(3, tmp_path, device="cuda", precision=precision)
    refiner = T2Net(T2NetConfig(**TINY))
    learner = depth_task().learner(model(), rendered, context)
    refiner.fit_jointly(learner, rendered, photographed.unlabelled(), context)
    on_gpu = refiner.refine([rendered[0]], context)[0].astype(int)
    on_cpu = refiner.refine([rendered[0]], replace(context, device="cpu", precision="fp32"))[0].astype(int)
    assert np.abs(on_gpu - on_cpu).max() <= (2 if precision == "fp32" else 12)
