"""The last convolution by rows: the same function, the same gradients, the same parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refiners import image_head
from refiners.image_head import LANES, WIDE, ImageHead, by_rows
from refiners.networks import ResnetGenerator
from refiners.t2net_networks import T2NetTranslator


def _values(function: object, arguments: list[Tensor]) -> list[Tensor]:
    """The result and every argument's gradient of its weighted sum."""
    leaves = [argument.clone().requires_grad_() for argument in arguments]
    out = function(*leaves)  # type: ignore[operator]
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    (out * weights).sum().backward()
    return [out.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize("side, outputs", [(7, 3), (7, 6), (3, 1), (1, 4)])
def test_by_rows_is_a_convolution(side: int, outputs: int) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 5, 12 + side - 1, 9 + side - 1, dtype=torch.float64)
    weight, bias = torch.randn(outputs, 5, side, side, dtype=torch.float64), torch.randn(outputs, dtype=torch.float64)
    ours, theirs = _values(by_rows, [image, weight, bias]), _values(F.conv2d, [image, weight, bias])
    assert ours[0].shape == (2, outputs, 12, 9)
    assert len(ours) == len(theirs) == 4
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_by_rows_without_bias_of_values_counted_by_hand() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    weight = torch.tensor([[1.0, 0.0], [0.0, 10.0]]).view(1, 1, 2, 2)
    # Each place: the value above left once and the one below right ten times.
    assert by_rows(image, weight, None).tolist() == [[[[0 + 40, 1 + 50], [3 + 70, 4 + 80]]]]


@pytest.mark.parametrize(
    "inputs, outputs, rows", [(WIDE, 3, True), (WIDE - 1, 3, False), (WIDE, LANES - 1, True), (WIDE, LANES, False)]
)
def test_only_wide_inputs_and_few_outputs_go_by_rows(
    inputs: int, outputs: int, rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(image_head, "by_rows", lambda *given: calls.append(1) or by_rows(*given))
    head, image = ImageHead(inputs, outputs, 7), torch.randn(1, inputs, 10, 10)
    expected = F.conv2d(image, head.weight, head.bias)
    torch.testing.assert_close(head(image), expected, rtol=1e-4, atol=1e-5)
    assert bool(calls) is rows
    assert rows or torch.equal(head(image), expected)


@pytest.mark.parametrize("network", [ResnetGenerator(WIDE, 0), T2NetTranslator(WIDE, 0)])
def test_translators_end_in_one_and_their_weights_have_the_names_of_a_convolution(network: nn.Module) -> None:
    head = network.get_submodule("head.1" if isinstance(network, ResnetGenerator) else "head")
    assert isinstance(head, ImageHead)
    assert set(head.state_dict()) == set(nn.Conv2d(WIDE, 3, 7).state_dict())
