"""GeneSIS-RT is CycleGAN over whole frames: the same bytes where the crop is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from bench.contracts import Context
from bench.plugins import find
from bench.samples import ImageSet
from refiners.cyclegan import CycleGan, CycleGanConfig
from refiners.genesis_rt import GenesisRt, GenesisRtConfig

TINY: dict[str, Any] = {"steps": 3, "ngf": 2, "ndf": 2, "n_blocks": 1, "n_layers": 1, "sheets": 0}


def test_found_by_name_with_the_reference_implementation_s_settings() -> None:
    assert find("refiner", "genesis-rt").load() is GenesisRt
    config = GenesisRtConfig()
    assert (config.n_blocks, config.ngf, config.ndf, config.n_layers, config.pool_size) == (9, 64, 64, 3, 50)
    assert (config.lambda_cycle_synthetic, config.lambda_cycle_real, config.lambda_identity) == (10, 10, 0.5)
    assert (config.learning_rate, config.beta1, config.decay_from, config.batch_size) == (2e-4, 0.5, 0.5, 1)
    assert config.resize == pytest.approx(286 / 256)


def test_whole_frames_are_cyclegan_with_a_crop_of_their_size(
    make_set: Callable[..., ImageSet], tmp_path: Path
) -> None:
    synthetic, real = make_set("synthetic", 4, size=(32, 32)), make_set("real", 3, seed=1, size=(32, 32)).unlabelled()
    states = []
    for number, refiner in enumerate(
        (GenesisRt(GenesisRtConfig(**TINY)), CycleGan(CycleGanConfig(**TINY, crop=32)),
         CycleGan(CycleGanConfig(**TINY, crop=20)))
    ):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        refiner.fit(synthetic, real, Context(3, tmp_path / str(number)))
        states.append(refiner.state_dict())
    same = [all(torch.equal(states[0][name], other[name]) for name in states[0]) for other in states[1:]]
    assert same == [True, False]


def test_identity_loss_is_on_and_can_be_switched_off(synthetic: ImageSet, real: ImageSet, context: Context) -> None:
    for weight in (0.5, 0.0):
        GenesisRt(GenesisRtConfig(**TINY, lambda_identity=weight)).fit(synthetic, real, context)
        header = (context.directory / "losses.csv").read_text().splitlines()[0]
        assert ("identity_real" in header) == (weight > 0)


@pytest.mark.parametrize("crop", [-1, 8])
def test_impossible_crops_are_refused(crop: int) -> None:
    with pytest.raises(ValidationError):
        GenesisRtConfig(crop=crop)
    assert GenesisRt(GenesisRtConfig(crop=48)).crop_side((64, 96)) == 48
    assert GenesisRt(GenesisRtConfig()).crop_side((64, 96)) == 64
