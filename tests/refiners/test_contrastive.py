"""InfoNCE against numbers worked out by hand and torch's cross-entropy; which layers are compared, and where."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from refiners.contrastive import PatchSampler, encode, patch_nce_loss, tap_channels, tap_indices, tap_positions
from refiners.networks import ResnetGenerator


def test_by_hand() -> None:
    # Two patches, orthogonal keys, temperature 1/2. Query 0 is its key: similarities 2 and 0. Query 1 is half way
    # between both keys: equal similarities, so ln 2.
    queries = torch.tensor([[[1.0, 0.0], [math.sqrt(0.5), math.sqrt(0.5)]]])
    keys = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    first = math.log(1 + math.exp(-2))
    expected = (first + math.log(2)) / 2
    assert patch_nce_loss(queries, keys, 0.5).item() == pytest.approx(expected, rel=1e-6)


def test_equals_cross_entropy_over_similarities() -> None:
    torch.manual_seed(0)
    queries, keys = (F.normalize(torch.randn(3, 11, 8), dim=2) for _ in range(2))
    expected = 0.0
    for query, key in zip(queries, keys, strict=True):
        for p in range(11):
            negatives = torch.cat([key[:p], key[p + 1 :]])
            logits = torch.cat([query[p : p + 1] @ key[p, :, None], query[p : p + 1] @ negatives.T], 1) / 0.07
            expected += F.cross_entropy(logits, torch.zeros(1, dtype=torch.long)).item() / 33
    assert patch_nce_loss(queries, keys).item() == pytest.approx(expected, rel=1e-5)


def test_keys_are_constants_and_images_do_not_mix() -> None:
    queries = F.normalize(torch.randn(2, 5, 4), dim=2).requires_grad_()
    keys = F.normalize(torch.randn(2, 5, 4), dim=2).requires_grad_()
    patch_nce_loss(queries, keys).backward()
    assert keys.grad is None and queries.grad is not None and queries.grad.abs().sum() > 0
    alone = [patch_nce_loss(queries[k : k + 1], keys[k : k + 1]) for k in range(2)]
    assert patch_nce_loss(queries, keys).item() == pytest.approx((alone[0].item() + alone[1].item()) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("blocks", "halvings", "kinds", "channels"),
    [
        # The paper's five layers: RGB pixels, first and second stride-2 convolution, first and fifth residual block.
        (9, 2, ["", "NormalisedConv2d", "NormalisedConv2d", "ResidualBlock", "ResidualBlock"], [3, 8, 16, 16, 16]),
        (1, 1, ["", "NormalisedConv2d", "ResidualBlock"], [3, 8, 8]),
        (0, 2, ["", "NormalisedConv2d", "NormalisedConv2d"], [3, 8, 16]),
    ],
)
def test_tapped_layers(blocks: int, halvings: int, kinds: list[str], channels: list[int]) -> None:
    network = ResnetGenerator(4, blocks, halvings)
    taps = tap_indices(network)
    assert [type(network.body[k]).__name__ if k >= 0 else "" for k in taps] == kinds
    assert tap_channels(network) == channels
    image = torch.rand(2, 3, 16, 16)
    features, _ = encode(network, image)
    assert [feature.shape[1] for feature in features] == channels
    side = 16 // 2**halvings
    assert [tuple(features[0].shape[2:]), tuple(features[-1].shape[2:])] == [(16, 16), (side, side)]
    if blocks == 9:
        numbers = [k for k, layer in enumerate(network.body) if type(layer).__name__ == "ResidualBlock"]
        assert taps[-2:] == [numbers[0], numbers[4]]


def test_features_and_translation_share_one_pass() -> None:
    network = ResnetGenerator(4, 3, 2, residual=True, noise=True)
    image, noise = torch.rand(1, 3, 16, 20), torch.randn(1, 3, 16, 20)
    features, body = encode(network, image, whole=True)
    assert torch.equal(network.finish(body, image, noise), network(image, noise))
    assert all(torch.equal(a, b) for a, b in zip(features, encode(network, image)[0], strict=True))


@pytest.mark.parametrize(("blocks", "halvings", "size"), [(9, 2, (32, 48)), (1, 3, (40, 24)), (0, 0, (5, 7))])
def test_positions_are_those_of_the_features(blocks: int, halvings: int, size: tuple[int, int]) -> None:
    network = ResnetGenerator(2, blocks, halvings)
    features, _ = encode(network, torch.rand(1, 3, *size))
    assert tap_positions(network, *size) == [feature.shape[2] * feature.shape[3] for feature in features]


def test_patches_are_distinct_places_and_unit_vectors() -> None:
    sampler = PatchSampler([3, 8], width=6, patches=10)
    features = [torch.randn(2, 3, 4, 4), torch.randn(2, 8, 2, 2)]
    places = sampler.places([feature.shape[2] * feature.shape[3] for feature in features])
    assert [len(set(place.tolist())) for place in places] == [10, 4]  # the second layer has only four places
    assert all(int(place.max()) < count for place, count in zip(places, (16, 4), strict=True))
    embedded = sampler(features, places)
    assert [tuple(e.shape) for e in embedded] == [(2, 10, 6), (2, 4, 6)]
    assert torch.allclose(embedded[0].norm(dim=2), torch.ones(2, 10), atol=1e-5)
    where = int(places[0][3])
    by_hand = sampler.heads[0](features[0][1, :, where // 4, where % 4])
    assert torch.allclose(embedded[0][1, 3], by_hand / by_hand.norm(), atol=1e-6)


def test_perceptrons_have_two_layers() -> None:
    # 256 units: (3 + 1) 256 + 257 256 for the pixels, (128 + 1) 256 + 257 256 for 128 channels.
    sampler = PatchSampler([3, 128])
    assert sum(p.numel() for p in sampler.parameters()) == 4 * 256 + 129 * 256 + 2 * 257 * 256


def test_enlarging_first_keeps_the_parameters_and_leaves_no_checkerboard() -> None:
    networks = {kind: ResnetGenerator(8, 2, 2, upsampling=kind) for kind in ("transposed", "resize")}
    counts = {kind: sum(p.numel() for p in network.parameters()) for kind, network in networks.items()}
    assert counts["transposed"] == counts["resize"]
    assert tap_channels(networks["resize"]) == tap_channels(networks["transposed"])
    spread = {}
    for kind, network in networks.items():
        flat = torch.rand(1, 32, 1, 1, generator=torch.Generator().manual_seed(0)).expand(1, 32, 6, 6)
        layers = list(network.body)
        last = max(k for k, layer in enumerate(layers) if type(layer).__name__ == "ResidualBlock")
        norm = next(k for k in range(last + 1, len(layers)) if type(layers[k]).__name__ == "InstanceNorm2d")
        x = flat
        for layer in layers[last + 1 : norm]:
            x = layer(x)
        assert x.shape == (1, 16, 12, 12)
        spread[kind] = x[..., 2:-2, 2:-2].std(dim=(2, 3)).max().item()
    assert spread["resize"] < 1e-6 < 1e-2 < spread["transposed"]
