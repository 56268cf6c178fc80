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
from bench.contracts import Context, Progress
from bench.errors import DataError, DivergedError
from bench.samples import ImageSet
from refiners.cyclegan import CycleGan, CycleGanConfig

TINY: dict[str, Any] = {
    "steps": 12, "ngf": 2, "ndf": 2, "n_blocks": 1, "n_layers": 1, "crop": 24, "sheets": 2, "pool_size": 3,
    "residual": True, "noise": True, "learning_rate": 1e-3,
}


class Killed(Exception):
    """Stands for SIGKILL in the middle of training."""


def fit(context: Context, synthetic: ImageSet, real: ImageSet, **settings: Any) -> CycleGan:
    refiner = CycleGan(CycleGanConfig(**TINY | settings))
    refiner.fit(synthetic, real, context)
    return refiner


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
    assert torch.load(tmp_path / "run.ckpt", weights_only=True)["step"] == 9
    seen: list[int] = []
    resumed = fit(replace(context, progress=lambda p: seen.append(p.step)), synthetic, real)
    assert min(seen) >= 10
    first, second = whole.state_dict(), resumed.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_every_loss_is_logged_and_sheets_are_written(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    fit(context, synthetic, real)
    with (context.directory / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 10, 12]
    assert set(rows[0]) == {
        "step", "adversarial_real", "adversarial_synthetic", "cycle_synthetic", "cycle_real", "identity_real",
        "identity_synthetic", "generator", "discriminator_real", "discriminator_synthetic",
    }
    sheets = sorted(path.name for path in (context.directory / "sheets").iterdir())
    assert sheets == ["step-000006.png", "step-000012.png"]
    with Image.open(context.directory / "sheets" / sheets[0]) as sheet:
        assert sheet.size == (4 * 40 + 3 * 2, 4 * 32 + 3 * 2)
        np.testing.assert_array_equal(np.asarray(sheet)[:32, :40], synthetic.image(0))


def test_upsampling_is_the_generators_and_survives_loading(
    synthetic: ImageSet, real: ImageSet, tmp_path: Path
) -> None:
    fitted = {}
    for kind in ("transposed", "resize"):
        (tmp_path / kind).mkdir()
        fitted[kind] = fit(Context(3, tmp_path / kind), synthetic, real, upsampling=kind)
        network = fitted[kind]._generators[0]
        assert network is not None
        layers = [type(layer).__name__ for layer in network.body]
        assert ("NormalisedConvTranspose2d" in layers, "Upsample" in layers) == (kind == "transposed", kind == "resize")
        copy = CycleGan(fitted[kind].config)
        copy.load_state_dict(fitted[kind].state_dict())
        context = Context(4, tmp_path)
        made = [one.refine([synthetic[0]], context)[0] for one in (fitted[kind], copy)]
        np.testing.assert_array_equal(*made)


def test_identity_losses_can_be_switched_off(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    fit(context, synthetic, real, lambda_identity=0.0)
    assert "identity" not in (context.directory / "losses.csv").read_text().splitlines()[0]


def test_divergence_is_named(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    with pytest.raises(DivergedError, match=r"step \d+: \w+ is (nan|inf)"):
        fit(context, synthetic, real, learning_rate=1e30, residual=False, noise=False)


def test_it_learns_the_colour_of_the_real_images(
    make_set: Callable[..., ImageSet], context: Context
) -> None:
    synthetic, real = make_set("synthetic", 12), make_set("real", 12, seed=1).unlabelled()
    settings = {
        "steps": 150, "ngf": 4, "ndf": 8, "n_downsampling": 1, "learning_rate": 3e-3, "lambda_identity": 0.0,
        "lambda_cycle_synthetic": 1.0, "lambda_cycle_real": 1.0, "resize": 1.0, "sheets": 0, "n_layers": 2,
    }
    refiner = fit(context, synthetic, real, **settings)
    refined = np.stack(refiner.refine(list(synthetic), context)).astype(float)
    target = real.images().astype(float).mean(axis=(0, 1, 2))
    before = np.abs(synthetic.images().astype(float).mean(axis=(0, 1, 2)) - target).mean()
    after = np.abs(refined.mean(axis=(0, 1, 2)) - target).mean()
    assert after < 0.6 * before


def test_images_whose_size_the_network_cannot_halve_keep_it(
    make_set: Callable[..., ImageSet], context: Context
) -> None:
    synthetic, real = make_set("synthetic", 2, size=(30, 33)), make_set("real", 2, size=(41, 29)).unlabelled()
    refiner = fit(context, synthetic, real, steps=2)
    assert refiner.refine([synthetic[0]], context)[0].shape == (30, 33, 3)


def test_no_images_is_one_clear_line(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    with pytest.raises(DataError, match="needs synthetic and real images, got 6 and 0"):
        fit(context, synthetic, real.subset([]))


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"crop": 8}, {"learning_rate": 0}, {"lambda_cycle_real": -1}, {"resize": 0.9}]
)
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        CycleGanConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_trains_and_refines_on_cuda(precision: Any, synthetic: ImageSet, real: ImageSet, tmp_path: Path) -> None:
    context = Context(3, tmp_path, device="cuda", precision=precision)
    refiner = fit(context, synthetic, real)
    on_gpu = refiner.refine([synthetic[0]], context)[0].astype(int)
    on_cpu = refiner.refine([synthetic[0]], replace(context, device="cpu", precision="fp32"))[0].astype(int)
    assert np.abs(on_gpu - on_cpu).max() <= (2 if precision == "fp32" else 12)
