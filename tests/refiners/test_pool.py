from __future__ import annotations

import numpy as np
import torch

from refiners.pool import ImagePool


def image(value: float) -> torch.Tensor:
    return torch.full((1, 3, 2, 2), float(value))


def test_a_pool_with_room_stores_and_returns_what_it_gets() -> None:
    pool = ImagePool(3)
    for value in range(3):
        assert torch.equal(pool.query(image(value), np.random.default_rng(0)), image(value))
    assert [float(x.mean()) for x in pool.state_dict()["images"]] == [0, 1, 2]


def test_a_full_pool_answers_with_an_old_image_half_of_the_time() -> None:
    pool = ImagePool(4)
    random = np.random.default_rng(0)
    for value in range(4):
        pool.query(image(value), random)
    old = 0
    for value in range(4, 1004):
        before = [float(x.mean()) for x in pool.state_dict()["images"]]
        answer = float(pool.query(image(value), random).mean())
        after = [float(x.mean()) for x in pool.state_dict()["images"]]
        if answer == value:
            assert after == before
        else:
            old += 1
            assert answer in before
            assert value in after  # it took the place of the one that was shown
    assert 450 < old < 550


def test_size_zero_switches_the_pool_off_and_gradients_never_pass() -> None:
    for size in (0, 2):
        given = image(1.0).requires_grad_()
        assert not ImagePool(size).query(given, np.random.default_rng(0)).requires_grad


def test_stored_images_are_copies() -> None:
    pool, given = ImagePool(1), image(1.0)
    pool.query(given, np.random.default_rng(0))
    given.zero_()
    assert float(pool.state_dict()["images"][0].mean()) == 1


def test_deciding_first_and_exchanging_later_is_the_same_as_asking_at_once() -> None:
    together, apart = ImagePool(3), ImagePool(3)
    for number in range(30):
        images = torch.rand(2, 3, 2, 2)
        moves = apart.decide(2, np.random.default_rng(number))
        assert moves.shape == (2, 2)
        assert torch.equal(apart.exchange(images, moves), together.query(images, np.random.default_rng(number)))


def test_state_goes_on_where_it_stopped() -> None:
    first = ImagePool(2)
    for value in range(2):
        first.query(image(value), np.random.default_rng(value))
    second = ImagePool(2)
    second.load_state_dict(first.state_dict())
    for value in range(2, 12):
        answers = [pool.query(image(value), np.random.default_rng(value)) for pool in (first, second)]
        assert torch.equal(*answers)
