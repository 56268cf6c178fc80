from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from refiners.history import HistoryBuffer


def images(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def stored(buffer: HistoryBuffer) -> list[float]:
    return [float(image.mean()) for image in buffer.state_dict()["images"]]


def levels(batch: Tensor) -> list[float]:
    return batch.mean((1, 2, 3)).tolist()


def test_it_fills_by_half_a_batch_a_step_and_then_stays_full() -> None:
    buffer, random = HistoryBuffer(7), np.random.default_rng(0)
    for k in range(6):
        batch = images(*range(4 * k, 4 * k + 4))
        buffer.exchange(batch, random)
        assert len(buffer) == min(7, 2 * (k + 1))
    assert len(set(stored(buffer))) == 7


def test_a_full_buffer_replaces_half_a_batch_of_its_entries() -> None:
    buffer, random = HistoryBuffer(8), np.random.default_rng(0)
    for k in range(4):
        buffer.exchange(images(*range(4 * k, 4 * k + 4)), random)
    replaced = np.zeros(8)
    for k in range(4, 204):
        before = stored(buffer)
        buffer.exchange(images(*range(4 * k, 4 * k + 4)), random)
        after = stored(buffer)
        changed = [place for place in range(8) if before[place] != after[place]]
        assert len(changed) == 2
        assert {after[place] for place in changed} == {4 * k, 4 * k + 1}
        replaced[changed] += 1
    assert (replaced > 25).all()  # each place in its turn: 50 expected


def test_half_of_the_batch_is_old() -> None:
    buffer, random = HistoryBuffer(6), np.random.default_rng(0)
    assert levels(buffer.exchange(images(0, 1, 2, 3), random)) == [0, 1, 2, 3]  # nothing is stored yet
    for k in range(1, 40):
        before = stored(buffer)
        batch = levels(buffer.exchange(images(*range(4 * k, 4 * k + 4)), random))
        assert batch[:2] == [4 * k, 4 * k + 1]
        assert set(batch[2:]) <= set(before)
        assert batch[2] != batch[3]


def test_few_stored_images_are_all_shown_and_the_rest_is_fresh() -> None:
    buffer, random = HistoryBuffer(1), np.random.default_rng(0)
    buffer.exchange(images(0, 1), random)
    assert stored(buffer) == [0]
    assert levels(buffer.exchange(images(4, 5, 6, 7), random)) == [4, 5, 6, 0]
    assert len(buffer) == 1
    odd = HistoryBuffer(4)
    odd.exchange(images(0, 1, 2), random)
    assert levels(odd.exchange(images(3, 4, 5), random)) == [3, 4, 0]


def test_old_images_are_drawn_evenly() -> None:
    buffer, random = HistoryBuffer(4), np.random.default_rng(0)
    buffer.load_state_dict({"images": list(images(0, 1, 2, 3))})
    drawn = []
    for _ in range(400):
        again = HistoryBuffer(4)
        again.load_state_dict(buffer.state_dict())
        drawn += levels(again.exchange(images(9, 9, 9, 9), random))[2:]
    assert (np.bincount(np.array(drawn, int)) == pytest.approx(200, abs=45))


def test_stored_images_are_copies_without_gradients() -> None:
    buffer, random = HistoryBuffer(4), np.random.default_rng(0)
    given = images(1, 2, 3, 4).clone().requires_grad_()
    first = buffer.exchange(given, random)
    assert not first.requires_grad
    with torch.no_grad():
        given.zero_()
    first.zero_()
    assert stored(buffer) == [1, 2]
    assert not any(image.requires_grad for image in buffer.state_dict()["images"])


def test_state_goes_on_where_it_stopped() -> None:
    first = HistoryBuffer(5)
    for k in range(4):
        first.exchange(images(*range(4 * k, 4 * k + 4)), np.random.default_rng(k))
    second = HistoryBuffer(5)
    second.load_state_dict(first.state_dict())
    for k in range(4, 12):
        batch = images(*range(4 * k, 4 * k + 4))
        answers = [buffer.exchange(batch, np.random.default_rng(k)) for buffer in (first, second)]
        assert torch.equal(*answers)
        assert stored(first) == stored(second)
