from __future__ import annotations

import pytest
import torch
from torch import nn

from refiners.snapshots import Snapshots, flattened, unflattened


def weight_after(layer: nn.Linear, done: int) -> None:
    with torch.no_grad():
        layer.weight.fill_(done)


@pytest.mark.parametrize(
    ("steps", "count", "share", "due"),
    [(100, 1, 0.5, (100,)), (100, 3, 0.5, (50, 75, 100)), (100, 5, 0.4, (60, 70, 80, 90, 100)), (1, 3, 0.5, (1, 1, 1))],
)
def test_states_are_kept_at_even_distances_up_to_the_end(
    steps: int, count: int, share: float, due: tuple[int, ...]
) -> None:
    layer = nn.Linear(1, 1, bias=False)
    kept = Snapshots(layer, steps, count, share)
    for done in range(1, steps + 1):
        weight_after(layer, done)
        kept.after(done)
    assert kept.due == due
    assert [float(state["weight"]) for state in kept.states()] == list(due)


def test_what_was_kept_survives_a_checkpoint() -> None:
    layer = nn.Linear(1, 1, bias=False)
    first, second = Snapshots(layer, 10, 2), Snapshots(layer, 10, 2)
    weight_after(layer, 5)
    first.after(5)
    second.load_state_dict(first.state_dict())
    weight_after(layer, 10)
    second.after(10)
    assert [float(state["weight"]) for state in second.states()] == [5.0, 10.0]


def test_flat_and_back() -> None:
    states = [{"a.weight": torch.full((2,), float(k)), "b": torch.tensor(k)} for k in range(11)]
    flat = flattened(states)
    assert set(flat) == {f"{k}.{name}" for k in range(11) for name in ("a.weight", "b")}
    back = unflattened(dict(reversed(flat.items())))
    assert all(torch.equal(one[name], other[name]) for one, other in zip(states, back, strict=True) for name in one)
