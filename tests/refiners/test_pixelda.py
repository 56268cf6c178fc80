from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from depth_sets import DEPTH, depth_sets
from fake_learner import FakeLearner
from PIL import Image
from pydantic import ValidationError

from bench import training
from bench.contracts import Context, Progress, Refined
from bench.errors import DataError, DivergedError, UsageError
from bench.plugins import find
from bench.samples import ImageSet
from refiners.pixelda import PixelDa, PixelDaConfig

TINY: dict[str, Any] = {
    "steps": 12, "batch_size": 4, "ngf": 3, "ndf": 3, "n_blocks": 1, "noise_dim": 2, "sheets": 2, "widest": 6,
}


class Killed(Exception):
    """Stands for SIGKILL in the middle of training."""


@pytest.fixture(scope="session")
def with_depth(
    make_set: Callable[..., ImageSet], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ImageSet, ImageSet]:
    return depth_sets(make_set, tmp_path_factory.mktemp("depth"))


def fit(
    context: Context, synthetic: ImageSet, real: ImageSet, learner: FakeLearner | None = None, **own: Any
) -> PixelDa:
    settings = TINY | own
    if learner is not None:
        refiner = PixelDa(PixelDaConfig(**settings | {"steps": None}))
        refiner.fit_jointly(learner, synthetic, real, context)
    else:
        refiner = PixelDa(PixelDaConfig(**settings))
        refiner.fit(synthetic, real, context)
    return refiner


def same(first: Any, second: Any) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_found_and_says_which_arms_it_has() -> None:
    assert find("refiner", "pixelda").load() is PixelDa
    assert PixelDa.joint and PixelDa.separable and PixelDa.refines and PixelDa.needs == {"foreground"}
    assert PixelDa(PixelDaConfig()).needs == {"foreground"}
    assert PixelDa(PixelDaConfig(similarity_weight=0)).needs == set(), "boxes will do without the content loss"


@pytest.mark.parametrize("joint", [False, True])
def test_killed_and_resumed_ends_in_the_same_bytes(
    joint: bool, synthetic: ImageSet, real: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    learners = [FakeLearner() if joint else None for _ in range(3)]
    whole = fit(Context(3, tmp_path / "whole"), synthetic, real, learners[0])

    ticks = iter(range(0, 10**6, 100))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(ticks))  # every step is due for a checkpoint

    def kill(progress: Progress) -> None:
        if progress.step >= 10:
            raise Killed

    context = Context(3, tmp_path / "parts", checkpoint=tmp_path / "run.ckpt", progress=kill)
    with pytest.raises(Killed):
        fit(context, synthetic, real, learners[1])
    assert torch.load(tmp_path / "run.ckpt", weights_only=True)["step"] == 9
    torch.rand(3)  # whatever was drawn before must not matter
    seen: list[int] = []
    resumed = fit(replace(context, progress=lambda p: seen.append(p.step)), synthetic, real, learners[2])
    assert min(seen) >= 10
    assert same(whole.state_dict(), resumed.state_dict())
    if learners[0] is not None and learners[2] is not None:
        assert same(learners[0].state(), learners[2].state())
    assert (tmp_path / "whole/losses.csv").read_bytes() == (tmp_path / "parts/losses.csv").read_bytes()


def test_joint_training_trains_both_for_the_learners_steps(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    learner, untrained = FakeLearner(steps=11, batch_size=3), FakeLearner()
    fit(context, synthetic, real, learner)
    assert learner.scheduled == list(range(11))
    assert not same(learner.state(), untrained.state())
    with (context.directory / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 10, 11]
    assert set(rows[0]) == {
        "step", "domain", "style", "similarity", "task_source", "task_adapted", "task_generator",
    }


def test_the_task_changes_what_the_generator_learns(synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    states = []
    for name, learner in (("separate", None), ("joint", FakeLearner())):
        (tmp_path / name).mkdir()
        states.append(fit(Context(3, tmp_path / name), synthetic, real, learner).state_dict())
    assert not same(*states)


def test_sheets_show_source_adapted_and_real(
    with_depth: tuple[ImageSet, ImageSet], context: Context
) -> None:
    synthetic, real = with_depth
    fit(replace(context, sensors=DEPTH), synthetic, real)
    sheets = sorted((context.directory / "sheets").iterdir())
    assert [path.name for path in sheets] == ["step-000006.png", "step-000012.png"]
    with Image.open(sheets[0]) as sheet:
        assert sheet.size == (6 * 16 + 5 * 2, 4 * 16 + 3 * 2)
        column = np.asarray(sheet)[:16, :16]
    assert any((column == image).all() for image in synthetic.images())


def test_depth_is_adapted_with_the_image(with_depth: tuple[ImageSet, ImageSet], context: Context) -> None:
    synthetic, real = with_depth
    context = replace(context, sensors=DEPTH)
    refiner = fit(context, synthetic, real, residual=True)
    samples = list(synthetic)
    together = refiner.refine(samples, context)
    for sample, made in zip(samples, together, strict=True):
        assert isinstance(made, Refined) and made.depth is not None
        assert made.image.shape == sample.image.shape and made.image.dtype == np.uint8
        assert made.depth.shape == sample.image.shape[:2] and made.depth.dtype == np.float32
        assert made.depth.min() > 0 and made.depth.max() <= 2.0
        alone = refiner.refine([sample], context)[0]
        assert isinstance(alone, Refined)
        np.testing.assert_array_equal(alone.image, made.image)
        np.testing.assert_array_equal(alone.depth, made.depth)
    # The camera's depth is an input: another one gives another image.
    depth = np.full((16, 16), 0.3, np.float32)
    other = replace(samples[0], labels=replace(samples[0].labels, depth=depth))
    changed = refiner.refine([other], context)[0]
    assert isinstance(changed, Refined) and isinstance(together[0], Refined)
    assert (changed.image != together[0].image).any()


def test_refine_uses_running_statistics_and_a_sample_s_own_noise(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    refiner = fit(context, synthetic, real)
    first = refiner.refine([synthetic[0], synthetic[1]], context)
    refiner._generators[0].train()
    second = refiner.refine([synthetic[0], synthetic[5]], context)
    np.testing.assert_array_equal(first[0], second[0])
    assert refiner._generators[0].training
    before = {name: value.clone() for name, value in refiner.state_dict().items()}
    refiner.refine(list(synthetic), context)
    assert same(before, refiner.state_dict())
    renamed = refiner.refine([replace(synthetic[0], id="another")], context)[0]
    assert (np.asarray(renamed) != np.asarray(first[0])).any()


def test_images_are_made_by_several_states_and_some_stay(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    """Each image is what one of the kept states makes of it, or the rendered one, in about the stated share."""
    refiner = fit(context, synthetic, real, snapshots=3, source_share=0.25, learning_rate=0.05)
    copy = PixelDa(refiner.config)
    copy.load_state_dict(refiner.state_dict())
    samples = [replace(synthetic[0], id=f"{k}") for k in range(200)]
    made = [np.asarray(image) for image in copy.refine(samples, context)]
    np.testing.assert_array_equal(made, [np.asarray(image) for image in refiner.refine(samples, context)])
    stayed = [bool((image == synthetic[0].image).all()) for image in made]
    assert 0.15 < np.mean(stayed) < 0.35
    alone = PixelDa(refiner.config.model_copy(update={"source_share": 0.0}))
    used = set()
    for k in range(3):
        alone._generators = refiner._generators[k : k + 1] * 3
        by_one = [np.asarray(image) for image in alone.refine(samples, context)]
        used |= {(i, k) for i, image in enumerate(by_one) if (image == made[i]).all() and not stayed[i]}
    assert {i for i, _ in used} == {i for i, kept in enumerate(stayed) if not kept}
    assert {k for _, k in used} == {0, 1, 2}


def test_state_carries_size_and_channels(with_depth: tuple[ImageSet, ImageSet], context: Context) -> None:
    synthetic, real = with_depth
    context = replace(context, sensors=DEPTH)
    refiner = fit(context, synthetic, real, n_downsampling=1)
    state = refiner.state_dict()
    assert all(value.is_contiguous() for value in state.values())
    copy = PixelDa(refiner.config)
    copy.load_state_dict(state)
    both = [one.refine(list(synthetic), context) for one in (refiner, copy)]
    for first, second in zip(*both, strict=True):
        assert isinstance(first, Refined) and isinstance(second, Refined)
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.depth, second.depth)
    with pytest.raises(UsageError, match="fitted with other sensors"):
        copy.refine([synthetic[0]], replace(context, sensors={}))
    small = replace(synthetic[0], image=np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="pixelda was fitted to 16x16 pixels"):
        copy.refine([small], context)


def test_only_the_named_classes_are_trained_on(
    synthetic: ImageSet, real: ImageSet, tmp_path: Path
) -> None:
    """An image whose first object is of another class has no influence, and one of a named class has."""
    kinds = [record.classes[0] for record in synthetic.records]
    wanted = synthetic.class_names[kinds[0]]
    states = {}
    for name, chosen in (
        ("option", None), ("by-hand", [i for i, kind in enumerate(kinds) if kind == kinds[0]]), ("all", range(6))
    ):
        (tmp_path / name).mkdir()
        data = synthetic if chosen is None else synthetic.subset(list(chosen))
        settings = {"fit_classes": (wanted,)} if chosen is None else {}
        states[name] = fit(Context(3, tmp_path / name), data, real, **settings, sheets=0).state_dict()
    assert same(states["option"], states["by-hand"])
    assert not same(states["option"], states["all"])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"steps": None}, UsageError, r"\[refiner.pixelda\]: steps is missing"),
        ({"fit_classes": ("d",)}, UsageError, r"fit_classes: unknown class 'd'"),
        ({"n_downsampling": 3, "size": (20, 20)}, UsageError, "20x20 pixels do not divide by 8"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_line(
    settings: dict[str, Any], error: type[Exception], message: str, make_set: Callable[..., ImageSet], context: Context
) -> None:
    settings = dict(settings)
    size = settings.pop("size", (16, 16))
    sets = [make_set(domain, 2, size=size) for domain in ("synthetic", "real")]
    with pytest.raises(error, match=message):
        fit(context, sets[0], sets[1].unlabelled(), **settings)


def test_with_other_steps_the_learners_schedule_spans_them_all(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    learner = FakeLearner(steps=12)
    PixelDa(PixelDaConfig(**TINY | {"steps": 4})).fit_jointly(learner, synthetic, real, context)
    assert learner.scheduled == [0, 3, 6, 9]


def test_a_learner_that_learns_nothing_is_refused(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    with pytest.raises(UsageError, match="the model learns nothing"):
        fit(context, synthetic, real, FakeLearner(), task_on_source=False, task_on_adapted=False)


def test_sizes_and_empty_sets_are_one_clear_line(
    synthetic: ImageSet, real: ImageSet, make_set: Callable[..., ImageSet], context: Context
) -> None:
    with pytest.raises(DataError, match="pixelda: needs synthetic and real images, got 6 and 0"):
        fit(context, synthetic, real.subset([]))
    with pytest.raises(DataError, match="pixelda: synthetic images are 40x32, real ones 16x16"):
        fit(context, synthetic, make_set("real", 2, size=(16, 16)).unlabelled())


def test_divergence_is_named(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    with pytest.raises(DivergedError, match=r"step \d+: \w+ is (nan|inf)"):
        fit(context, synthetic, real, learning_rate=1e30, gradient_clip=0.0)


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"keep": 0}, {"learning_rate": 0}, {"style_weight": -1}, {"task_optimizer": "both"}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PixelDaConfig(**settings)


def test_it_learns_the_colour_of_the_real_images(make_set: Callable[..., ImageSet], context: Context) -> None:
    synthetic, real = (make_set(d, 12, seed=s, size=(16, 16)) for s, d in enumerate(("synthetic", "real")))
    settings = {
        "steps": 150, "batch_size": 8, "ngf": 8, "ndf": 8, "widest": 16, "residual": True, "learning_rate": 3e-3,
        "domain_weight": 1.0, "style_weight": 1.0, "sheets": 0,
    }
    refiner = fit(context, synthetic, real.unlabelled(), **settings)
    refined = np.stack([np.asarray(image) for image in refiner.refine(list(synthetic), context)]).astype(float)
    target = real.images().astype(float).mean(axis=(0, 1, 2))
    before = np.abs(synthetic.images().astype(float).mean(axis=(0, 1, 2)) - target).mean()
    after = np.abs(refined.mean(axis=(0, 1, 2)) - target).mean()
    assert after < 0.5 * before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_trains_and_refines_on_cuda(precision: Any, synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    context = Context(3, tmp_path, device="cuda", precision=precision)
    refiner = fit(context, synthetic, real)
    on_gpu = np.asarray(refiner.refine([synthetic[0]], context)[0]).astype(int)
    on_cpu = refiner.refine([synthetic[0]], replace(context, device="cpu", precision="fp32"))[0]
    assert np.abs(on_gpu - np.asarray(on_cpu).astype(int)).max() <= (2 if precision == "fp32" else 12)
