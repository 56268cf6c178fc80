"""What all translators share: several states of one generator, several images of one, and keys that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Context, PluginConfig, State
from bench.samples import ImageSet
from refiners.cut import Cut, CutConfig
from refiners.cyclegan import CycleGan, CycleGanConfig
from refiners.translator import Translator
from refiners.vtr import Vtr, VtrConfig

TINY: dict[str, Any] = {
    "steps": 8, "ngf": 2, "ndf": 2, "n_blocks": 1, "n_layers": 1, "crop": 24, "sheets": 0, "pool_size": 0,
    "residual": True, "learning_rate": 1e-2,
}  # fmt: skip
KINDS: list[tuple[type[Translator], type[PluginConfig], dict[str, Any]]] = [
    (CycleGan, CycleGanConfig, {}), (Vtr, VtrConfig, {}), (Cut, CutConfig, {"embedding": 8, "patches": 16}),
]  # fmt: skip


def fitted(
    kind: tuple[type[Translator], type[PluginConfig], dict[str, Any]], sets: tuple[ImageSet, ImageSet], path: Path,
    **settings: Any,
) -> Translator:  # fmt: skip
    cls, config, own = kind
    refiner = cls(config(**TINY | own | settings))
    path.mkdir()
    refiner.fit(*sets, Context(3, path))
    return refiner


def nth(state: State, k: int) -> State:
    """One of several states as a refiner of a single state has it."""
    own = f"generator.{k}."
    return {name.replace(own, "generator."): value for name, value in state.items() if name.startswith(own)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0].name)
def test_snapshots_refine_by_turns_and_the_last_one_is_what_a_single_state_was(
    kind: Any, synthetic: ImageSet, real: ImageSet, tmp_path: Path
) -> None:
    single = fitted(kind, (synthetic, real), tmp_path / "single")
    several = fitted(kind, (synthetic, real), tmp_path / "several", snapshots=3)
    state = several.state_dict()
    assert {name.split(".")[1] for name in state} == {"0", "1", "2"}
    last = nth(state, 2)
    alone = single.state_dict()
    assert last.keys() == alone.keys()
    assert all(torch.equal(last[name], alone[name]) for name in alone)

    again = type(several)(several.config)
    again.load_state_dict(state)
    context, samples = Context(6, tmp_path), [synthetic[i] for i in range(6)]
    made = np.stack(several.refine(samples, context))
    np.testing.assert_array_equal(made, np.stack(again.refine(samples, context)))
    by_state = []
    for k in range(3):
        one = type(single)(single.config)
        one.load_state_dict(nth(state, k))
        by_state.append(np.stack(one.refine(samples, context)))
    chosen = [[k for k in range(3) if np.array_equal(made[i], by_state[k][i])] for i in range(6)]
    assert all(chosen), "every image is made by one of the states"
    assert len({tuple(k) for k in chosen}) > 1, "not all by the same one"
    np.testing.assert_array_equal(several.refine(samples[4:5], context)[0], made[4], "whatever the others of a call")
    other = np.stack(several.refine(samples, Context(5, tmp_path)))
    assert not np.array_equal(other, made), "a copy with another seed is made by another state"


def test_copies_are_what_the_harness_is_told() -> None:
    assert CycleGan(CycleGanConfig(**TINY)).copies == 1
    assert CycleGan(CycleGanConfig(**TINY, copies=3)).copies == 3


def test_without_cycles_the_generator_learns_the_same_and_the_way_back_nothing(
    synthetic: ImageSet, real: ImageSet, tmp_path: Path
) -> None:
    """A weight next to nothing keeps the way back in training; its share of the generator's gradient is rounding."""
    tiny = {"lambda_identity": 0.0, "lambda_cycle_synthetic": 1e-12, "lambda_cycle_real": 1e-12, "learning_rate": 1e-4}
    none = tiny | {"lambda_cycle_synthetic": 0.0, "lambda_cycle_real": 0.0}
    both = fitted(KINDS[1], (synthetic, real), tmp_path / "both", **tiny).state_dict()
    one = fitted(KINDS[1], (synthetic, real), tmp_path / "one", **none).state_dict()
    for name, value in one.items():
        torch.testing.assert_close(value, both[name], rtol=0, atol=1e-5, msg=name)
    columns = [(tmp_path / way / "losses.csv").read_text().splitlines()[0].split(",") for way in ("both", "one")]
    gone = {"adversarial_synthetic", "cycle_synthetic", "cycle_real", "discriminator_synthetic"}
    assert gone <= set(columns[0]) and not gone & set(columns[1])
    assert "background_synthetic" in columns[1] and "background_real" not in columns[1]


def test_options_that_came_later_are_in_no_key_until_they_are_used() -> None:
    plain = VtrConfig(**TINY).identity()
    assert "copies" not in plain and "snapshots" not in plain
    assert plain["lambda_background"] == VtrConfig(**TINY).lambda_background
    assert VtrConfig(**TINY, snapshots=1, copies=4).identity() == plain | {"copies": 4}
    for option in VtrConfig.added:
        assert not VtrConfig.model_fields[option].is_required(), "there has to be a default that changes nothing"
