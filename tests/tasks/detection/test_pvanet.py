"""PVANET's size against the published network, and its parts against independent implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import roi_align

from bench.errors import UsageError
from tasks.detection.model import Limits, Target
from tasks.detection.pvanet import PAPER, PVANET, BoxHead, ProposalHead
from tasks.detection.pvanet_backbone import MirroredReLU, PVANETBackbone, PVANETShape, pooling
from tasks.detection.roi_pooling import RoIPooling

HEIGHT, WIDTH = 640, 1056
# Convolutions of PVANET 9.1 counted from its published description, for images of 1056 x 640 pixels.
MULTIPLICATIONS = {
    "conv1": 0.397, "conv2": 1.295, "conv3": 1.709, "conv4": 2.278, "conv5": 1.206, "upsample": 0.004, "convf": 1.038,
    "rpn": 1.423,
}
PARAMETERS = {
    "conv1": 0.002, "conv2": 0.031, "conv3": 0.163, "conv4": 0.864, "conv5": 1.828, "convf": 0.394, "upsample": 0.006,
    "rpn": 0.540,
}


def counted(module: nn.Module, run: Callable[[], Any]) -> tuple[dict[str, float], dict[str, float]]:
    """Multiplications (10^9) and parameters (10^6) of convolutions by the part that they belong to."""
    multiplications = dict.fromkeys(MULTIPLICATIONS, 0.0)
    parameters = dict.fromkeys(PARAMETERS, 0.0)

    def part(name: str) -> str:
        return next(key for key in MULTIPLICATIONS if key in name.split(".")[0])

    def hook(name: str) -> Callable[..., None]:
        def count(layer: Any, inputs: Any, output: Any) -> None:
            # A transposed convolution multiplies once per input pixel, any other once per output pixel.
            positions = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
            multiplications[part(name)] += layer.weight.numel() * positions.shape[-2] * positions.shape[-1] / 1e9

        return count

    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            parameters[part(name)] += sum(p.numel() for p in layer.parameters()) / 1e6
            layer.register_forward_hook(hook(name))
    run()
    return multiplications, parameters


@pytest.fixture(scope="module")
def paper_counts() -> tuple[dict[str, float], dict[str, float]]:
    with torch.device("meta"):
        network = PVANETBackbone(PVANETShape())
        network.eval()
        everything = nn.ModuleDict({**dict(network.named_children()), "rpn": ProposalHead(128, 384, 42)})
        images = torch.zeros(1, 3, HEIGHT, WIDTH)
        return counted(everything, lambda: everything["rpn"]([network(images)]))


@pytest.mark.parametrize("part", MULTIPLICATIONS)
def test_multiplications_of_the_published_network(part: str, paper_counts: tuple[dict[str, float], ...]) -> None:
    assert paper_counts[0][part] == pytest.approx(MULTIPLICATIONS[part], abs=0.0006)


@pytest.mark.parametrize("part", PARAMETERS)
def test_parameters_of_the_published_network(part: str, paper_counts: tuple[dict[str, float], ...]) -> None:
    assert paper_counts[1][part] == pytest.approx(PARAMETERS[part], abs=0.0006)


def test_totals_of_the_published_network(paper_counts: tuple[dict[str, float], ...]) -> None:
    multiplications, parameters = paper_counts
    assert sum(multiplications.values()) - multiplications["rpn"] == pytest.approx(7.93, abs=0.006)
    assert sum(parameters.values()) == pytest.approx(3.83, abs=0.006)


def test_shapes_of_the_published_network() -> None:
    with torch.device("meta"):
        network = PVANETBackbone(PVANETShape())
        first = network.conv1[1](network.conv1[0](torch.zeros(1, 3, HEIGHT, WIDTH)))
        second = network.conv2(network.conv1(torch.zeros(1, 3, HEIGHT, WIDTH)))
        third = network.conv3(second)
        fourth = network.conv4(third)
        fifth = network.conv5(fourth)
        shapes = [tuple(x.shape[1:]) for x in (first, second, third, fourth, fifth)]
        feature = network(torch.zeros(1, 3, HEIGHT, WIDTH))
    assert shapes == [(32, 320, 528), (64, 160, 264), (128, 80, 132), (256, 40, 66), (384, 20, 33)]
    assert tuple(feature.shape[1:]) == (512, 40, 66)
    assert PVANETShape().stride == 16


def test_paper_settings_build_the_published_detector() -> None:
    with torch.device("meta"):
        module: Any = PVANET(PAPER).build(20, (HEIGHT, WIDTH))
    assert module.rpn.anchor_generator.num_anchors_per_location() == [42]
    assert module.rpn.head.classes.out_channels == 84
    assert module.rpn.head.boxes.out_channels == 168
    assert [layer.weight.shape for layer in module.roi_heads.box_head.layers if isinstance(layer, nn.Linear)] == [
        (4096, 512 * 36), (4096, 4096),
    ]


def test_mirrored_relu_by_hand() -> None:
    """Normalisation first, then negation, then a scale and shift of its own for each half."""
    torch.manual_seed(0)
    layer = MirroredReLU(3)
    nn.init.normal_(layer.scale)
    nn.init.normal_(layer.shift)
    x = torch.randn(4, 3, 5, 5) * 3 + 1
    normal = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    both = torch.cat([normal, -normal], 1) * layer.scale[:, None, None] + layer.shift[:, None, None]
    torch.testing.assert_close(layer(x), both.clamp(min=0))


def test_pooling_rounds_up() -> None:
    assert pooling()(torch.zeros(1, 1, 8, 7)).shape == (1, 1, 4, 3)
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert pooling()(x).flatten().tolist() == [10, 11, 14, 15]


def test_upsampling_starts_bilinear() -> None:
    """Away from the border the transposed convolution is bilinear enlargement by two."""
    network = PVANETBackbone(PVANETShape(width=0.125))
    x = torch.randn(1, network.upsample.in_channels, 6, 6)
    expected = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(network.upsample(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


@pytest.mark.parametrize(("stride", "pool", "expected"), [(2, True, 16), (2, False, 8), (1, True, 8), (1, False, 4)])
def test_light_shapes(stride: int, pool: bool, expected: int) -> None:
    shape = PVANETShape(width=0.125, blocks=(1, 1, 1, 1), stem_stride=stride, stem_pool=pool, hyper=(8, 12))
    feature = PVANETBackbone(shape)(torch.zeros(2, 3, 64, 96))
    assert feature.shape == (2, 20, 64 // expected, 96 // expected)
    assert shape.stride == expected


def test_proposals_come_from_the_first_channels_alone() -> None:
    head = ProposalHead(4, 8, 3)
    feature = torch.randn(1, 10, 5, 5)
    other = feature.clone()
    other[:, 4:] = 0
    (a,), (b,) = head([feature])
    (c,), (d,) = head([other])
    assert a.shape == (1, 3, 5, 5)
    assert b.shape == (1, 12, 5, 5)
    torch.testing.assert_close((a, b), (c, d))


def test_objectness_is_a_softmax_over_two_classes() -> None:
    head = ProposalHead(4, 8, 3)
    feature = torch.randn(1, 4, 5, 5)
    logits = head.classes(head.convolution(feature).relu()).view(1, 2, 3, 5, 5)
    torch.testing.assert_close(head([feature])[0][0].sigmoid(), logits.softmax(1)[:, 1])


def test_head_normalises_drops_and_activates() -> None:
    layers = BoxHead(18, 6, 0.25).layers
    assert [type(layer).__name__ for layer in layers] == [
        "Flatten", "Linear", "BatchNorm1d", "Dropout", "ReLU", "Linear", "BatchNorm1d", "Dropout", "ReLU",
    ]
    assert layers[3].p == 0.25


def boxes_of(seed: int, count: int) -> torch.Tensor:
    """Boxes of many sizes, some past the border, some thinner than a cell."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 90 - 15
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) ** 2 * 60 + 0.5], 1)


@pytest.mark.parametrize("size", [3, 4])
def test_roi_pooling_equals_torchvision(size: int) -> None:
    boxes = [boxes_of(0, 20), boxes_of(1, 0), boxes_of(2, 9)]
    weights = torch.randn(29, 5, size, size)
    gradients, results = [], []
    for pool in (
        lambda x: RoIPooling(size, 8)({"0": x}, boxes, None),
        lambda x: roi_align(x, boxes, size, 1 / 8, 2),
    ):
        feature = torch.linspace(-1, 1, 3 * 5 * 9 * 11).sin().view(3, 5, 9, 11).requires_grad_()
        results.append(pool(feature))
        (results[-1] * weights).sum().backward()
        gradients.append(feature.grad)
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-4)


def test_large_maps_take_the_kernel() -> None:
    feature = torch.randn(1, 2, 40, 40)
    boxes = [boxes_of(3, 6) * 3]
    torch.testing.assert_close(
        RoIPooling(4, 8)({"0": feature}, boxes, None), roi_align(feature, boxes, 4, 1 / 8, 2)
    )


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_sizes_that_the_stride_does_not_divide(scale: float) -> None:
    """Images are padded, and boxes come back in the pixels of the images as given."""
    model = PVANET(PVANET.Config(width=0.125, scale=scale, head_width=16))
    module = model.build(2, (50, 70))
    target = Target(torch.tensor([[10.0, 10.0, 30.0, 40.0]]), torch.tensor([1]))
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = model.loss(module.train(), torch.rand(2, 3, 50, 70), [target, nothing])
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"}
    assert all(torch.isfinite(loss) for loss in losses.values())
    with torch.no_grad():
        found = model.detect(module.eval(), torch.rand(2, 3, 50, 70), Limits(0.0, 0.5, 20))
    for item in found:
        assert len(item.boxes) == 20
        assert item.boxes[:, 0::2].max() <= 70
        assert item.boxes[:, 1::2].max() <= 50
        assert set(item.classes.tolist()) <= {0, 1}


def test_published_weights_do_not_exist() -> None:
    with pytest.raises(UsageError, match=r"model\.pvanet\.pretrained"):
        PVANET(PVANET.Config(pretrained=True)).build(2, (64, 64))
