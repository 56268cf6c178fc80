from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.contracts import Context, Progress
from bench.errors import DivergedError
from bench.seeds import derive
from bench.training import Batches, memory_layout, step_generator, train


def test_an_epoch_shows_every_sample_once_and_crosses_its_end_seamlessly() -> None:
    batches = Batches(5, 2, seed=1)
    drawn = [i for step in range(5) for i in batches.indices(step)]
    assert sorted(drawn[:5]) == list(range(5))
    assert sorted(drawn[5:]) == list(range(5))
    assert [Batches(5, 2, seed=1).indices(step) for step in (4, 0)] == [batches.indices(4), batches.indices(0)]
    assert any(Batches(5, 2, seed=2).indices(step) != batches.indices(step) for step in range(5))


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Batches(0, 2, seed=1)


def test_generators_depend_on_their_arguments_alone() -> None:
    assert step_generator(1, "a", 2).random() == step_generator(1, "a", 2).random()
    assert len({step_generator(*x).random() for x in ((1, "a", 2), (2, "a", 2), (1, "b", 2), (1, "a", 3))}) == 4
    assert derive("a", "bc") != derive("ab", "c")
    assert derive("vending", "train", 1) == derive("vending", "train", 1) < 2**63


class Noisy:
    """A model whose steps use torch's generator, so that a resume must restore it."""

    def __init__(self, context: Context, stop_at: int | None = None) -> None:
        self.context, self.stop_at = context, stop_at
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.Adam(self.layer.parameters(), lr=0.01)

    def run(self, steps: int = 20) -> torch.Tensor:
        def step(i: int) -> dict[str, torch.Tensor]:
            if i == self.stop_at:
                raise KeyboardInterrupt
            loss = self.layer(torch.randn(4, 3)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            return {"loss": loss.detach()}

        train(
            step,
            steps=steps,
            batch_size=4,
            context=self.context,
            log_every=5,
            parts={"layer": self.layer, "optimizer": self.optimizer},
            checkpoint_seconds=0.0,
        )
        return self.layer.weight.detach().clone()


def context(folder: Path, **more: object) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(seed=3, directory=folder, checkpoint=folder / "checkpoint.pt", **more)  # type: ignore[arg-type]


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = Noisy(context(tmp_path / "a")).run()
    with pytest.raises(KeyboardInterrupt):
        Noisy(context(tmp_path / "b"), stop_at=13).run()
    assert torch.equal(Noisy(context(tmp_path / "b")).run(), whole)
    logs = [(tmp_path / name / "losses.csv").read_text().splitlines() for name in "ab"]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_broken_checkpoint_is_dropped_and_training_begins_anew(tmp_path: Path, content: bytes) -> None:
    whole = Noisy(context(tmp_path / "a")).run()
    made = context(tmp_path / "b")
    assert made.checkpoint is not None
    made.checkpoint.write_bytes(content)
    assert torch.equal(Noisy(made).run(), whole)


def test_nan_is_named_with_its_step(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="step 1: cycle is nan"):
        train(
            lambda i: {"gan": 1.0, "cycle": float("nan")},
            steps=5,
            batch_size=1,
            context=context(tmp_path / "a"),
            parts={},
        )


def test_progress_and_sheets(tmp_path: Path) -> None:
    reports: list[Progress] = []
    sheets: list[int] = []
    train(
        lambda i: {"loss": float(i)},
        steps=20,
        batch_size=2,
        context=context(tmp_path / "a", progress=reports.append),
        parts={},
        sheet=sheets.append,
        sheets=4,
    )
    assert sheets == [5, 10, 15, 20]
    assert reports[-1].step == reports[-1].total == 20
    assert reports[-1].losses == {"loss": 19.0}


@pytest.mark.parametrize(
    ("convolution", "layout"),
    [
        (torch.nn.Conv2d(8, 16, 1, 2), torch.channels_last),
        (torch.nn.Conv2d(6, 16, 3, 2), torch.channels_last),
        (torch.nn.Conv2d(6, 16, 1, 1), torch.channels_last),
        (torch.nn.Conv2d(6, 16, 1, 2), torch.contiguous_format),
        (torch.nn.Conv2d(12, 24, 1, (1, 2), groups=2), torch.contiguous_format),
    ],
)
def test_channels_last_but_where_it_would_crash(convolution: torch.nn.Conv2d, layout: torch.memory_format) -> None:
    """The last two corrupt the heap on AVX2 in that layout; in the chosen one they train."""
    assert memory_layout(torch.nn.Sequential(torch.nn.ReLU(), convolution)) is layout
    network = convolution.to(memory_format=layout)
    for _ in range(20):
        network(torch.randn(4, convolution.in_channels, 12, 12).requires_grad_()).sum().backward()
    assert torch.isfinite(convolution.weight.grad).all()  # type: ignore[arg-type]
