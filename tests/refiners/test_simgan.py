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
from PIL import Image
from pydantic import ValidationError

from bench import training
from bench.contracts import Context, Progress, Refined
from bench.errors import DataError, DivergedError, UsageError
from bench.plugins import find
from bench.samples import ImageSet
from refiners.simgan import SimGan, SimGanConfig

TINY: dict[str, Any] = {
    "steps": 7, "batch_size": 4, "ngf": 3, "n_blocks": 1, "widths": (3, 3, 3, 3), "pretrain_refiner": 3,
    "pretrain_discriminator": 2, "buffer_size": 5, "sheets": 2,
}


class Killed(Exception):
    """Stands for SIGKILL in the middle of training."""


def fit(context: Context, synthetic: ImageSet, real: ImageSet, **settings: Any) -> SimGan:
    refiner = SimGan(SimGanConfig(**TINY | settings))
    refiner.fit(synthetic, real, context)
    return refiner


def same(first: Any, second: Any) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_found_and_reads_no_labels(synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    assert find("refiner", "simgan").load() is SimGan
    assert not SimGan.needs and not SimGan.joint
    states = []
    for name, data in (("labelled", synthetic), ("not", synthetic.unlabelled())):
        (tmp_path / name).mkdir()
        states.append(fit(Context(3, tmp_path / name), data, real).state_dict())
    assert same(*states)


def test_killed_and_resumed_ends_in_the_same_bytes(
    synthetic: ImageSet, real: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = fit(Context(3, tmp_path / "whole"), synthetic, real)

    ticks = iter(range(0, 10**6, 100))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(ticks))  # every step is due for a checkpoint

    def kill(progress: Progress) -> None:
        if progress.step >= 10:
            raise Killed

    context = Context(3, tmp_path / "parts", checkpoint=tmp_path / "run.ckpt", progress=kill)
    with pytest.raises(Killed):
        fit(context, synthetic, real)
    saved = torch.load(tmp_path / "run.ckpt", weights_only=True)
    assert saved["step"] == 9
    assert len(saved["parts"]["history"]["images"]) == 5  # two a discriminator step: full after three of the six
    torch.rand(3)  # whatever was drawn before must not matter
    seen: list[int] = []
    resumed = fit(replace(context, progress=lambda p: seen.append(p.step)), synthetic, real)
    assert min(seen) >= 10
    assert same(whole.state_dict(), resumed.state_dict())
    assert (tmp_path / "whole/losses.csv").read_bytes() == (tmp_path / "parts/losses.csv").read_bytes()


def test_losses_of_pretraining_and_training_are_logged(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    fit(context, synthetic, real)
    with (context.directory / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 10, 12]
    assert set(rows[0]) == {"step", "adversarial", "regularisation", "discriminator"}


def test_depth_is_refined_with_the_image(
    make_set: Callable[..., ImageSet], tmp_path: Path, context: Context
) -> None:
    synthetic, real = depth_sets(make_set, tmp_path)
    context = replace(context, sensors=DEPTH)
    refiner = fit(context, synthetic, real)
    together = refiner.refine(list(synthetic), context)
    copy = SimGan(refiner.config)
    copy.load_state_dict(refiner.state_dict())
    for sample, made in zip(synthetic, together, strict=True):
        alone = copy.refine([sample], replace(context, seed=99))[0]  # nothing is random in it
        assert isinstance(made, Refined) and isinstance(alone, Refined)
        assert made.depth is not None and made.depth.shape == (16, 16) and made.depth.dtype == np.float32
        np.testing.assert_array_equal(alone.image, made.image)
        np.testing.assert_array_equal(alone.depth, made.depth)
    with pytest.raises(UsageError, match="fitted with other sensors"):
        copy.refine([synthetic[0]], replace(context, sensors={}))
    with Image.open(context.directory / "sheets/step-000012.png") as sheet:
        assert sheet.size == (6 * 16 + 5 * 2, 4 * 16 + 3 * 2)


def test_any_size_can_be_refined(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    refiner = fit(context, synthetic, real)
    small = replace(synthetic[0], image=synthetic.image(0)[:17, :11])
    assert np.asarray(refiner.refine([small], context)[0]).shape == (17, 11, 3)


def test_more_regularisation_changes_less(make_set: Callable[..., ImageSet], tmp_path: Path) -> None:
    synthetic, real = (make_set(d, 12, seed=s, size=(16, 16)) for s, d in enumerate(("synthetic", "real")))
    changes, target = [], real.images().astype(float).mean(axis=(0, 1, 2))
    source = synthetic.images().astype(float)
    for weight in (1.0, 300.0):
        (tmp_path / str(weight)).mkdir()
        settings = {
            "steps": 120, "batch_size": 8, "ngf": 8, "widths": (8, 8, 8, 8), "residual": True, "sheets": 0,
            "pretrain_refiner": 0, "pretrain_discriminator": 10, "learning_rate": 1e-3, "buffer_size": 40,
        }
        refiner = fit(
            Context(3, tmp_path / str(weight)), synthetic, real.unlabelled(), **settings, lambda_regularisation=weight
        )
        images = refiner.refine(list(synthetic), Context(3, tmp_path))
        refined = np.stack([np.asarray(image) for image in images]).astype(float)
        changes.append((np.abs(refined - source).mean(), np.abs(refined.mean(axis=(0, 1, 2)) - target).mean()))
    before = np.abs(source.mean(axis=(0, 1, 2)) - target).mean()
    assert changes[1][0] < 0.5 * changes[0][0]
    assert changes[0][1] < 0.6 * before  # the colours of the photographs, where it is let


def test_what_cannot_be_trained_is_one_clear_line(
    synthetic: ImageSet, real: ImageSet, context: Context
) -> None:
    with pytest.raises(DataError, match="simgan: needs synthetic and real images, got 6 and 0"):
        fit(context, synthetic, real.subset([]))
    with pytest.raises(UsageError, match="simgan: nothing fitted yet"):
        SimGan(SimGanConfig()).refine([synthetic[0]], context)
    with pytest.raises(DivergedError, match=r"step \d+: \w+ is (nan|inf)"):
        fit(context, synthetic, real, optimizer="sgd", learning_rate=1e30, gradient_clip=0.0)


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"refiner_updates": 0}, {"learning_rate": 0}, {"feature": "hue"}, {"buffer_size": -1}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimGanConfig(**settings)
