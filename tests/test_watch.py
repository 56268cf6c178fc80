"""Explosions and discriminators that win, in logs written by hand and in the real training loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.contracts import Context
from bench.errors import DivergedError
from bench.training import train
from bench.watch import LossWatch, doubts


def said(values: list[float]) -> list[int]:
    """Places at which the watch calls."""
    watch = LossWatch()
    return [place for place, value in enumerate(values) if watch({"loss": value})]


def test_an_explosion_is_large_for_three_logged_steps() -> None:
    calm = [3.0, 2.0, 1.0, 1.0, 0.5]
    assert said([*calm, 4e4, 5e4, 6e4, 7e4]) == [7, 8], "3 * 1e4 is the limit, and the third step over it calls"
    assert said([*calm, 2e4, 2e4, 2e4, 2e4]) == []
    assert said([*calm, 4e4, 5e4, 1.0, 6e4, 7e4]) == [], "outliers come back"
    assert said([*calm, -4e4, 5e4, -6e4]) == [7], "losses of log likelihoods explode downwards"
    assert said([1e-9] * 5 + [1e3] * 5) == [], "a loss that starts near 0 is measured against 1"
    assert said([1e9, *[1e9] * 9]) == [], "a loss that is large from the start is somebody's unit"


def test_losses_that_come_later_are_watched_from_then_on() -> None:
    watch = LossWatch()
    for _ in range(9):
        assert not watch({"a": 1.0})
    assert not any(watch({"a": 1.0, "b": 5.0}) for _ in range(5))
    assert [bool(watch({"a": 1.0, "b": 6e4})) for _ in range(3)] == [False, False, True]


def context(folder: Path) -> Context:
    return Context(seed=1, directory=folder, device="cpu", checkpoint=folder / "checkpoint.pt")


class _Nothing:
    def state_dict(self) -> dict[str, int]:
        return {"none": 0}

    def load_state_dict(self, state: dict[str, int]) -> None:
        pass


def run(folder: Path, steps: int, until: int | None = None) -> None:
    """A training whose loss is 1, then from step 60 on grows without end; broken off after ``until`` steps."""

    def step(i: int) -> dict[str, torch.Tensor]:
        if i == until:
            raise KeyboardInterrupt
        return {"loss": torch.tensor(1.0 if i < 60 else 1e5 * (i - 59))}

    train(
        step, steps=steps, batch_size=1, context=context(folder), parts={"nothing": _Nothing()}, log_every=2,
        checkpoint_seconds=-1,
    )  # fmt: skip


@pytest.mark.parametrize("until", [None, 62, 63, 65])
def test_the_training_loop_ends_at_the_same_step_interrupted_or_not(tmp_path: Path, until: int | None) -> None:
    """Steps 62, 64 and 66 are logged above the limit, so 66 is the last one."""
    if until is not None:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, 100, until)
    with pytest.raises(DivergedError, match=r"step 66: loss is 6e\+05, over 10000 times its size at the start; lower"):
        run(tmp_path, 100)
    (tmp_path / "short").mkdir()
    run(tmp_path / "short", 64)  # two logged steps above the limit are no explosion yet


def log(folder: Path, **columns: list[float]) -> Path:
    path = folder / "losses.csv"
    names = list(columns)
    lines = [",".join(["step", *names])]
    lines += [
        ",".join(map(str, [10 * (k + 1), *row])) for k, row in enumerate(zip(*columns.values(), strict=True))
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_discriminator_that_won_is_a_doubt(tmp_path: Path) -> None:
    won = [0.5] * 40 + [0.008, 0.004] * 5
    (found,) = doubts(log(tmp_path, adversarial=[0.0] * 50, feature_discriminator=won, discriminator=[0.2] * 50))
    assert found.startswith("the feature discriminator won: its loss was 0.006 from step 410 on")
    assert doubts(log(tmp_path, discriminator=[0.5] * 40 + [0.02] * 10)) == []
    assert doubts(log(tmp_path, discriminator=[0.001] * 40 + [0.3] * 10)) == [], "it was won back"
    assert doubts(log(tmp_path, discriminator=[-4.0] * 50)) == [], "a critic's loss has no floor"
    assert doubts(log(tmp_path, discriminator=[0.001] * 49)) == [], "too short to tell"
    assert doubts(log(tmp_path, discriminator=[])) == [] == doubts(tmp_path / "none.csv")
