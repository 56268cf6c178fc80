from __future__ import annotations

import pytest
import torch

from refiners.losses import (
    cycle_consistency_loss,
    discriminator_adversarial_loss,
    generator_adversarial_loss,
    identity_loss,
    masked_colour_loss,
)


def test_least_squares_adversarial_losses_by_hand() -> None:
    real, refined = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.4])
    assert generator_adversarial_loss(refined) == pytest.approx((1 + 0.36) / 2)
    assert discriminator_adversarial_loss(real, refined) == pytest.approx(0.5 * (0.25 / 2 + 0.16 / 2))
    assert discriminator_adversarial_loss(torch.ones(3), torch.zeros(3)) == 0


def test_absolute_losses_by_hand() -> None:
    first, second = torch.tensor([0.0, 1.0, -1.0]), torch.tensor([0.5, 1.0, 1.0])
    assert cycle_consistency_loss(first, second) == pytest.approx(2.5 / 3)
    assert identity_loss(first, second) == pytest.approx(2.5 / 3)


@pytest.mark.parametrize(("norm", "expected"), [("l1", (0.1 + 0.2 + 0.3 + 0.6) / 6), ("l2", 0.5 / 6)])
def test_masked_colour_loss_counts_the_mask_alone(norm: str, expected: float) -> None:
    output, source = torch.zeros(1, 3, 1, 3), torch.zeros(1, 3, 1, 3)
    output[0, :, 0, 0] = torch.tensor([0.1, -0.2, 0.3])
    output[0, :, 0, 1] = torch.tensor([0.6, 0.0, 0.0])
    output[0, :, 0, 2] = 9.0  # outside of the mask
    mask = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 3)
    assert masked_colour_loss(output, source, mask, norm) == pytest.approx(expected)
    assert masked_colour_loss(output, source, torch.zeros_like(mask), norm) == 0


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_gradient_of_the_masked_colour_loss(norm: str) -> None:
    torch.manual_seed(0)
    output = torch.rand(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    source, mask = torch.rand(2, 3, 3, 3).double() + 2, (torch.rand(2, 1, 3, 3) < 0.5).double()
    assert torch.autograd.gradcheck(lambda x: masked_colour_loss(x, source, mask, norm), [output])
