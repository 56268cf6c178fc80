"""What the benchmark compares must be the same mathematics: losses agree, from equal weights and the same batches."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.seeds import derive
from benchmarks.drawn import drawn_set
from benchmarks.pairs import Setting, new_context, ours, plain
from benchmarks.plain.cyclegan import PlainCycleGan
from benchmarks.plain.data import PlainBatch
from refiners.image_head import ImageHead

STEP_CLASSES = {
    "cyclegan": ("refiners.cycle", "CycleStep"), "vtr": ("refiners.cycle", "CycleStep"),
    "cut": ("refiners.cut", "CutStep"), "t2net": ("refiners.t2net_step", "T2NetStep"),
    "pixelda": ("refiners.pixelda_step", "PixelDaStep"),
}  # fmt: skip
OPTIONS: Mapping[str, dict[str, Any]] = {"pixelda": {"keep": 1.0, "discriminator_noise": 0.0}}
"""Without what the discriminator draws: both would draw it in another order."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """What our steps were called with."""
    calls: list[tuple[Any, ...]] = []
    for module, name in set(STEP_CLASSES.values()):
        kind = getattr(importlib.import_module(module), name)

        def spy(self: Any, *arguments: Any, original: Any = kind.__call__) -> Any:
            calls.append(arguments)
            return original(self, *arguments)

        monkeypatch.setattr(kind, "__call__", spy)
    monkeypatch.setattr(torch, "randperm", lambda count, **options: torch.arange(count, **options))
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *a, **k: x)
    yield calls


def test_the_plain_step_has_plain_convolutions(tmp_path: Path) -> None:
    setting = Setting("cyclegan", 32, 1, small=True)
    synthetic, real = (drawn_set(tmp_path, domain, 2, 32) for domain in ("synthetic", "real"))
    step = ours(setting, synthetic, real, new_context(tmp_path / "ours", "cpu", "fp32"))
    published = plain(setting, step, synthetic, new_context(tmp_path / "plain", "cpu", "fp32"))
    assert isinstance(published, PlainCycleGan)
    mine = step.parts["generators"]
    assert isinstance(mine, nn.ModuleList)
    for network, other in zip((published.to_real, published.to_synthetic), mine, strict=True):
        assert type(network.get_submodule("head.1")) is nn.Conv2d
        assert type(other.get_submodule("head.1")) is ImageHead
        for weight, like in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.equal(weight, like)
            assert weight is not like


@pytest.mark.parametrize("name", list(STEP_CLASSES))
def test_losses_of_both_steps_agree(name: str, tmp_path: Path, seen: list[tuple[Any, ...]]) -> None:
    options = tuple(OPTIONS.get(name, {}).items())
    setting = Setting(name, 32, 2, small=True, options=options)
    synthetic, real = (drawn_set(tmp_path, domain, 8, 32) for domain in ("synthetic", "real"))
    step = ours(setting, synthetic, real, new_context(tmp_path / "ours", "cpu", "fp32"))
    published = plain(setting, step, synthetic, new_context(tmp_path / "plain", "cpu", "fp32"))
    for index in range(2):
        found = step(index)
        batch = same(seen[-1], published)
        torch.manual_seed(derive(7, "torch", index))
        wanted = published(index, batch)
        assert set(wanted) <= set(found)
        for loss, value in wanted.items():
            torch.testing.assert_close(
                found[loss], value, rtol=2e-3 if index else 5e-5, atol=1e-6, msg=f"{index} {loss}"
            )
    assert len(seen) == 2


def same(arguments: tuple[Any, ...], published: Any) -> PlainBatch:
    """The batch that our step was given."""
    batch = arguments[1]
    if hasattr(batch, "source"):
        return PlainBatch(batch.source, batch.target, batch.mask, None, list(batch.indices))
    if hasattr(batch, "targets"):  # labels were mirrored along with the images
        published.targets = batch.targets
        return PlainBatch(batch.synthetic, batch.real, None, None, list(range(len(batch.real))))
    return PlainBatch(batch.synthetic, batch.real, batch.synthetic_mask, batch.real_mask, [])


def test_pieces_of_a_plain_batch_fit(tmp_path: Path) -> None:
    from benchmarks.pairs import loader

    synthetic, real = (drawn_set(tmp_path, domain, 4, 32) for domain in ("synthetic", "real"))
    batch = loader(Setting("vtr", 32, 2), synthetic, real)()
    masked: Tensor | None = batch.synthetic_mask
    assert batch.synthetic.shape == batch.real.shape == (2, 3, 32, 32)
    assert masked is not None
    assert 0 < masked.mean() < 1
    assert -1 <= batch.synthetic.min() < batch.synthetic.max() <= 1
