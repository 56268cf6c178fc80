from __future__ import annotations

import colorsys

import pytest
import torch

from refiners.hue import chroma, hue, hue_difference, hue_weight, masked_hue_loss


def pixels(*colours: tuple[float, float, float]) -> torch.Tensor:
    """Colours in [0, 1] as one row of an image in [-1, 1], (1, 3, 1, N), float64."""
    return torch.tensor(colours, dtype=torch.float64).T[None, :, None, :] * 2 - 1


def test_hue_is_the_standard_library_s() -> None:
    torch.manual_seed(0)
    colours = [tuple(c) for c in torch.rand(200, 3, dtype=torch.float64).tolist()]
    expected = [colorsys.rgb_to_hsv(*c)[0] for c in colours]
    torch.testing.assert_close(hue(pixels(*colours)).flatten(), torch.tensor(expected, dtype=torch.float64))


def test_hue_ignores_brightness_and_contrast() -> None:
    image = pixels((0.2, 0.5, 0.9), (0.7, 0.1, 0.3))
    torch.testing.assert_close(hue(image * 0.4 + 0.2), hue(image))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0.98, 0.02, 0.04), (0.02, 0.98, 0.04), (0.1, 0.3, 0.2), (0.0, 0.5, 0.5), (0.25, 0.85, 0.4), (0.4, 0.4, 0.0)],
)
def test_the_difference_goes_the_short_way_round(first: float, second: float, expected: float) -> None:
    assert float(hue_difference(torch.tensor(first), torch.tensor(second))) == pytest.approx(expected, abs=1e-6)


def test_chroma_and_weight_by_hand() -> None:
    output, source = pixels((0.9, 0.5, 0.1), (0.5, 0.5, 0.5)), pixels((0.5, 0.3, 0.2), (1.0, 0.0, 0.0))
    torch.testing.assert_close(chroma(output).flatten(), torch.tensor([0.8, 0.0], dtype=torch.float64))
    torch.testing.assert_close(hue_weight(output, source).flatten(), torch.tensor([0.3, 0.0], dtype=torch.float64))


@pytest.mark.parametrize(("norm", "power"), [("l1", 1), ("l2", 2)])
def test_the_loss_by_hand(norm: str, power: int) -> None:
    # red to yellow is 1/6 of a turn at chroma 1; green stays; the third pixel is not in the mask
    source = pixels((1, 0, 0), (0, 0.5, 0), (0, 0, 1))
    output = pixels((1, 1, 0), (0, 0.8, 0), (1, 0, 0))
    mask = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 3)
    assert float(masked_hue_loss(output, source, mask, norm)) == pytest.approx((1 / 6) ** power / 2)
    assert float(masked_hue_loss(output, source, torch.zeros_like(mask), norm)) == 0
    assert float(masked_hue_loss(source, source, mask, norm)) == 0


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_gradients_against_finite_differences(norm: str) -> None:
    torch.manual_seed(1)
    output = (torch.rand(1, 3, 4, 4, dtype=torch.float64) * 2 - 1).requires_grad_()
    source = torch.rand(1, 3, 4, 4, dtype=torch.float64) * 2 - 1
    mask = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    weight = hue_weight(output, source)
    assert torch.autograd.gradcheck(lambda x: hue(x), [output])
    assert torch.autograd.gradcheck(lambda x: masked_hue_loss(x, source, mask, norm, weight), [output])


def test_grey_pixels_have_no_gradient_and_nearly_grey_ones_a_bounded_one() -> None:
    source = pixels((0.9, 0.1, 0.1), (0.9, 0.1, 0.1), (0.5, 0.5, 0.5))
    output = pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5 + 1e-6), (0.2, 0.9, 0.1)).requires_grad_()
    mask = torch.ones(1, 1, 1, 3, dtype=torch.float64)
    masked_hue_loss(output, source, mask).backward()
    assert output.grad is not None
    gradient = output.grad[0, :, 0] * 3  # the loss is a mean over three pixels
    assert torch.isfinite(gradient).all()
    assert not gradient[:, 0].any()
    assert not gradient[:, 2].any()
    # 1/6 of a turn per unit of colour; images are two units of colour wide
    assert 0 < gradient[:, 1].abs().max() <= 1 / 12 + 1e-9


def test_descending_the_loss_brings_the_hue_back_across_the_wrap() -> None:
    source = pixels(colorsys.hsv_to_rgb(0.98, 0.8, 0.8))
    output = pixels(colorsys.hsv_to_rgb(0.04, 0.8, 0.8)).requires_grad_()
    optimizer = torch.optim.SGD([output], lr=0.5)
    mask = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    seen = []
    for _ in range(20):
        optimizer.zero_grad()
        masked_hue_loss(output, source, mask).backward()
        optimizer.step()
        seen.append(float(hue_difference(hue(output), hue(source)).detach()))
    assert seen[-1] < 0.02 < seen[0]
    assert float(chroma(output.detach())) > 0.5  # it turned the colour, it did not grey it
