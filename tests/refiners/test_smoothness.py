from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from refiners.smoothness import edge_aware_smoothness_loss


def test_by_hand() -> None:
    depth = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])
    image = torch.zeros(1, 3, 2, 2)
    image[0, :, :, 1] = torch.tensor([0.3, 0.6, 0.0])[:, None]  # edges of 0.3, 0.6 and 0 between the columns: mean 0.3
    across = (1 + 3) / 2 * math.exp(-0.3)
    down = (0 + 2) / 2 * math.exp(0)
    assert float(edge_aware_smoothness_loss([depth], image)) == pytest.approx(across + down)


def test_finer_scales_weigh_less() -> None:
    coarse, fine = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 2, 4)
    coarse[..., 1] = 1.0
    image = torch.zeros(1, 3, 2, 4)
    first = float(edge_aware_smoothness_loss([coarse[:, :, :, :].expand(1, 1, 2, 2), fine], image))
    second = float(edge_aware_smoothness_loss([torch.zeros(1, 1, 2, 2), fine + torch.tensor([0.0, 1, 1, 1])], image))
    assert first == pytest.approx(1.0)
    assert second == pytest.approx(1 / 3 / 2)


def test_against_plain_loops() -> None:
    random = np.random.default_rng(0)
    maps = [random.normal(size=(2, 1, 8 // k, 12 // k)) for k in (4, 2, 1)]
    image = random.uniform(-1, 1, (2, 3, 8, 12))
    total = 0.0
    for i, (k, depth) in enumerate(zip((4, 2, 1), maps, strict=True)):
        small = image.reshape(2, 3, 8 // k, k, 12 // k, k).mean((3, 5))
        height, width = depth.shape[2:]
        across = [
            abs(depth[b, 0, y, x + 1] - depth[b, 0, y, x])
            * math.exp(-np.mean([abs(small[b, c, y, x + 1] - small[b, c, y, x]) for c in range(3)]))
            for b in range(2) for y in range(height) for x in range(width - 1)
        ]
        down = [
            abs(depth[b, 0, y + 1, x] - depth[b, 0, y, x])
            * math.exp(-np.mean([abs(small[b, c, y + 1, x] - small[b, c, y, x]) for c in range(3)]))
            for b in range(2) for y in range(height - 1) for x in range(width)
        ]
        total += (np.mean(across) + np.mean(down)) / 2**i
    loss = edge_aware_smoothness_loss([torch.from_numpy(m) for m in maps], torch.from_numpy(image))
    assert float(loss) == pytest.approx(total)


def test_edges_of_the_image_excuse_edges_of_depth() -> None:
    depth = torch.zeros(1, 1, 8, 8)
    depth[..., 4:] = 1
    flat, edged = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    edged[..., 4:] = 1
    assert float(edge_aware_smoothness_loss([depth], edged)) < 0.5 * float(edge_aware_smoothness_loss([depth], flat))
