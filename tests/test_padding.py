from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from bench.padding import ChannelsLastReflection, reflect


@pytest.mark.parametrize(("shape", "by"), [((2, 3, 8, 10), 1), ((1, 4, 9, 5), 3), ((3, 2, 4, 4), 3), ((2, 1, 2, 6), 1)])
def test_channels_last_reflection_is_torchs_forwards_and_backwards(shape: tuple[int, int, int, int], by: int) -> None:
    torch.manual_seed(0)
    image = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    results = []
    for pad in (ChannelsLastReflection.apply, lambda x, by: F.pad(x, (by, by, by, by), mode="reflect")):
        x = image.clone(memory_format=torch.channels_last).requires_grad_()
        out = pad(x, by)
        (out * torch.arange(out.numel()).view(out.shape)).sum().backward()
        results.append((out.detach(), x.grad))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])
    assert results[0][0].is_contiguous(memory_format=torch.channels_last)


def test_on_a_cpu_it_is_torchs_own() -> None:
    image = torch.randn(1, 2, 5, 6).contiguous(memory_format=torch.channels_last)
    assert reflect(image, 2).grad_fn is None
    x = image.requires_grad_()
    assert "ReflectionPad2D" in type(reflect(x, 2).grad_fn).__name__
