"""What the contract asks of every refiner, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench.contracts import Context, Refined, Refiner
from bench.errors import UsageError
from bench.plugins import find, names
from bench.samples import U8, ImageSet
from refiners.augment import Augment
from refiners.color_transfer import ColorTransfer
from refiners.cut import Cut
from refiners.cyclegan import CycleGan
from refiners.fourier import Fourier
from refiners.genesis_rt import GenesisRt
from refiners.identity import Identity
from refiners.pixelda import PixelDa
from refiners.simgan import SimGan
from refiners.t2net import T2Net
from refiners.vtr import Vtr

TINY = {
    "steps": 3, "ngf": 2, "ndf": 2, "n_blocks": 1, "n_layers": 1, "crop": 24, "sheets": 1, "noise": True,
    "residual": True,
}
EVERY: list[tuple[type[Refiner], dict[str, Any]]] = [
    (Identity, {}), (Augment, {}), (ColorTransfer, {}), (Fourier, {}), (CycleGan, TINY), (Vtr, TINY),
    (GenesisRt, TINY | {"crop": 0}), (Cut, TINY | {"patches": 4, "embedding": 4}),
    (PixelDa, {
        "steps": 8, "batch_size": 2, "ngf": 4, "ndf": 2, "n_blocks": 1, "widest": 8, "sheets": 1, "learning_rate": 0.05,
    }),
    (SimGan, {
        "steps": 2, "batch_size": 2, "pretrain_refiner": 1, "pretrain_discriminator": 1, "ngf": 2, "n_blocks": 1,
        "widths": (2, 2, 2, 2), "buffer_size": 4, "sheets": 1,
    }),
    (T2Net, {"steps": 3, "batch_size": 2, "width": 2, "n_blocks": 1, "ndf": 2, "n_layers": 1, "sheets": 1}),
]
STOCHASTIC = {"augment", "color-transfer", "fourier", "cyclegan", "vtr", "genesis-rt", "cut", "pixelda"}


def images(made: Sequence[U8 | Refined]) -> list[U8]:
    """Pictures alone, whichever way a refiner returns them."""
    return [one.image if isinstance(one, Refined) else one for one in made]


@pytest.fixture(params=EVERY, ids=[cls.name for cls, _ in EVERY])
def fitted(request: pytest.FixtureRequest, synthetic: ImageSet, real: ImageSet, context: Context) -> Refiner:
    """Each refiner in turn, fitted to the small sets."""
    cls, settings = request.param
    refiner: Refiner = cls(cls.Config(**settings))
    if refiner.trained:
        refiner.fit(synthetic, real, context)
    return refiner


def test_found_by_name_without_import() -> None:
    assert {cls.name for cls, _ in EVERY} <= set(names("refiner"))
    for cls, _ in EVERY:
        assert find("refiner", cls.name).load() is cls


def test_an_image_does_not_depend_on_its_batch(fitted: Refiner, synthetic: ImageSet, context: Context) -> None:
    samples = list(synthetic)
    together = images(fitted.refine(samples, context))
    reversed_order = images(fitted.refine(samples[::-1], context))[::-1]
    for sample, first, second in zip(samples, together, reversed_order, strict=True):
        alone = images(fitted.refine([sample], context))[0]
        assert first.shape == sample.image.shape
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, alone)
        np.testing.assert_array_equal(first, second)


def test_seed_decides_what_is_random(fitted: Refiner, synthetic: ImageSet, context: Context) -> None:
    samples = list(synthetic)
    first = np.stack(images(fitted.refine(samples, context)))
    other = np.stack(images(fitted.refine(samples, replace(context, seed=8))))
    assert (first != other).any() == (fitted.name in STOCHASTIC)


def test_state_goes_to_another_process(fitted: Refiner, synthetic: ImageSet, context: Context) -> None:
    state = fitted.state_dict()
    assert bool(state) == fitted.trained
    assert all(value.is_contiguous() and value.device.type == "cpu" for value in state.values())
    copy = type(fitted)(fitted.config)
    copy.load_state_dict({name: value.clone() for name, value in state.items()})
    made, again = (images(refiner.refine(list(synthetic), context)) for refiner in (fitted, copy))
    for first, second in zip(made, again, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("cls", "settings"), EVERY, ids=[cls.name for cls, _ in EVERY])
def test_fit_twice_gives_the_same_bytes(
    cls: type[Refiner], settings: dict[str, Any], synthetic: ImageSet, real: ImageSet, tmp_path: Path
) -> None:
    states = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        refiner = cls(cls.Config(**settings))
        torch.rand(3)  # whatever was drawn before must not matter
        refiner.fit(synthetic, real, Context(3, tmp_path / run))
        states.append(refiner.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(("cls", "settings"), EVERY, ids=[cls.name for cls, _ in EVERY])
def test_refining_before_fitting_is_one_clear_line(
    cls: type[Refiner], settings: dict[str, Any], synthetic: ImageSet, context: Context
) -> None:
    refiner = cls(cls.Config(**settings))
    if not cls.trained:
        assert len(refiner.refine([synthetic[0]], context)) == 1
        return
    with pytest.raises(UsageError, match=f"{cls.name}: nothing fitted yet"):
        refiner.refine([synthetic[0]], context)


@pytest.mark.parametrize("cls", [cls for cls, _ in EVERY], ids=[cls.name for cls, _ in EVERY])
def test_a_misspelt_setting_is_an_error(cls: type[Refiner]) -> None:
    with pytest.raises(ValidationError, match="stepz"):
        cls.Config(stepz=3)  # type: ignore[call-arg]


def test_identity_returns_what_it_got(synthetic: ImageSet, context: Context) -> None:
    samples = list(synthetic)
    for sample, image in zip(samples, Identity(Identity.Config()).refine(samples, context), strict=True):
        np.testing.assert_array_equal(image, sample.image)
        assert image is not sample.image
