"""DeepLab-v2: strides, dilations, learning rates, parameter counts and torchvision's ResNet as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from bench.contracts import Context
from bench.errors import UsageError
from bench.samples import ImageSet
from tasks.segmentation import deeplab_v2
from tasks.segmentation.deeplab_v2 import AtrousPyramid, DeepLabV2
from tasks.segmentation.dilated_resnet import DilatedResNet
from tasks.segmentation.model import MAIN
from tasks.segmentation.task import Segmentation
from tasks.supervised import DataSpec

SPEC = DataSpec(classes=21, channels=3, size=(64, 64))


def model(**options: Any) -> DeepLabV2:
    return DeepLabV2(DeepLabV2.Config(**options))


def small(**options: Any) -> DeepLabV2:
    return model(**{"layers": 18, "width": 0.125} | options)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


PUBLISHED = [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (101, 44_549_160)]


@pytest.mark.parametrize(("depth", "published"), PUBLISHED)
def test_parameters_of_the_trunk_are_torchvisions(depth: int, published: int) -> None:
    """torchvision's counts are for 1,000 classes behind 512 or 2,048 channels."""
    outputs = 512 if depth < 50 else 2048
    trunk = DilatedResNet(depth)
    assert count(trunk) == published - (outputs + 1) * 1000 and trunk.out_channels == outputs
    with torch.device("meta"):
        names = set(getattr(torchvision.models, f"resnet{depth}")(weights=None).state_dict())
    assert set(trunk.state_dict()) == {name for name in names if not name.startswith("fc.")}


def test_parameters_of_the_whole() -> None:
    network = model().build(SPEC)
    # Four 3x3 convolutions from 2,048 channels to 21 classes, with bias: 4 (9 * 2048 * 21 + 21).
    assert count(network.head) == 4 * (9 * 2048 * 21 + 21) == 1_548_372
    assert count(network) == 42_500_160 + 1_548_372


@pytest.mark.parametrize("depth", [18, 50])
def test_the_same_numbers_as_torchvision_without_dilation(depth: int) -> None:
    torch.manual_seed(0)
    reference = getattr(torchvision.models, f"resnet{depth}")(weights=None).eval()
    trunk = DilatedResNet(depth, output_stride=32).eval()
    trunk.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")})
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = reference.fc(trunk(image).mean((2, 3)))
        assert torch.allclose(reference(image), expected, atol=1e-4, rtol=1e-4)


def test_the_same_numbers_as_torchvision_with_dilation() -> None:
    """torchvision gives a dilated layer's first block the dilation before it; we, as the paper's models, do not."""
    torch.manual_seed(0)
    reference = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    for layer, dilation in ((reference.layer3, 2), (reference.layer4, 4)):
        layer[0].conv2.dilation = layer[0].conv2.padding = (dilation, dilation)
    trunk = DilatedResNet(50).eval()
    trunk.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")})
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = reference.maxpool(reference.relu(reference.bn1(reference.conv1(image))))
        for layer in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
            x = layer(x)
        assert torch.allclose(trunk(image), x, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("layers", [18, 34, 50, 101])
@pytest.mark.parametrize(
    ("stride", "dilations"), [(8, [1, 1, 2, 4]), (4, [1, 2, 4, 8]), (16, [1, 1, 1, 2]), (32, [1, 1, 1, 1])]
)
def test_output_stride_and_dilations(layers: int, stride: int, dilations: list[int]) -> None:
    trunk = DilatedResNet(layers, width=0.0625, output_stride=stride).eval()
    with torch.no_grad():
        assert trunk(torch.zeros(1, 3, 64, 96)).shape[2:] == (64 // stride, 96 // stride)
    for number, dilation in enumerate(dilations, 1):
        layer = trunk.get_submodule(f"layer{number}")
        convolutions = [m for m in layer.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
        assert {m.dilation for m in convolutions} == {(dilation, dilation)}


def test_the_paper_s_input_of_321_gives_41() -> None:
    network = small().build(SPEC).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 321, 321)).shape == (1, 21, 41, 41)


def test_head_sums_four_dilated_convolutions() -> None:
    head = AtrousPyramid(5, 3, (6, 12, 18, 24))
    assert [branch.dilation[0] for branch in head.branches] == [6, 12, 18, 24]
    weights = torch.cat([branch.weight.flatten() for branch in head.branches])
    assert weights.std().item() == pytest.approx(0.01, rel=0.1)
    for branch in head.branches:
        nn.init.normal_(branch.bias)
    x = torch.randn(2, 5, 30, 30)
    by_hand = sum(F.conv2d(x, b.weight, b.bias, padding=b.dilation, dilation=b.dilation) for b in head.branches)
    assert torch.allclose(head(x), by_hand, atol=1e-6)


def test_learning_rates_of_the_recipe(make_set: Callable[..., ImageSet], context: Context) -> None:
    """Chen et al.: base 2.5e-4, the head's weights x10, its biases x20 and not decayed; (1 - i / n)^0.9."""
    task = Segmentation(
        Segmentation.Config(steps=100, learning_rate=2.5e-4, weight_decay=5e-4, optimizer="sgd", schedule="poly")
    )
    learner = task.learner(small(), make_set(2), context)
    optimizer = learner.optimizer()
    network = learner.network
    for step, factor in ((0, 1.0), (50, 0.5**0.9)):
        learner.schedule(optimizer, step)
        groups = [(p, group) for group in optimizer.param_groups for p in group["params"]]
        rates = {id(p): (group["lr"], group["weight_decay"]) for p, group in groups}
        branch = network.head.branches[0]
        assert rates[id(network.trunk.conv1.weight)] == pytest.approx((2.5e-4 * factor, 5e-4))
        assert rates[id(branch.weight)] == pytest.approx((2.5e-3 * factor, 5e-4))
        assert rates[id(branch.bias)] == pytest.approx((5e-3 * factor, 0.0))
    assert len(rates) == len(list(network.parameters()))


def test_multi_scale_is_a_maximum_and_trains_every_scale() -> None:
    torch.manual_seed(0)
    subject = small(multi_scale=True)
    network, images = subject.build(SPEC), torch.rand(2, 3, 64, 64)
    outputs = subject.forward(network, images)
    assert list(outputs) == [MAIN, "scale_1", "scale_0.5", "scale_0.75"]
    assert all(logits.shape == (2, 21, 64, 64) for logits in outputs.values())
    network.eval()
    with torch.no_grad():
        fused = subject.forward(network, images)
        assert list(fused) == [MAIN]
        large = F.interpolate(network(images), (64, 64), mode="bilinear")
        assert (fused[MAIN] >= large - 1e-5).all() and (fused[MAIN] > large + 1e-6).any()
        parts = [large]
        for side in (32, 48):
            part = network(F.interpolate(images, (side, side), mode="bilinear"))
            parts.append(F.interpolate(part, (64, 64), mode="bilinear"))
        assert torch.allclose(fused[MAIN], torch.stack(parts).amax(0), atol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_normalisation_stays_as_it_was(
    frozen: bool, make_set: Callable[..., ImageSet], context: Context
) -> None:
    task = Segmentation(Segmentation.Config(steps=2, batch_size=2))
    subject = small(frozen_normalisation=frozen)
    data = make_set(4)
    before = {name: value.clone() for name, value in task.network(subject, data, context).state_dict().items()}
    after = task.train(subject, data, context)
    normal = [name for name in before if ".bn" in name and not name.endswith("num_batches_tracked")]
    assert normal and all(torch.equal(before[name], after[name]) for name in normal) == frozen
    assert not torch.equal(before["trunk.conv1.weight"], after["trunk.conv1.weight"])


def test_pretrained_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Published:
        def get_state_dict(self) -> dict[str, torch.Tensor]:
            return torchvision.models.resnet18(weights=None).state_dict() | {"conv1.weight": torch.ones(64, 3, 7, 7)}

    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: iter([Published()]))
    network = model(layers=18, pretrained=True).build(SPEC)
    assert (network.trunk.conv1.weight == 1).all()
    with pytest.raises(UsageError, match=r"model\.deeplab-v2\.pretrained = true: only for width = 1"):
        small(pretrained=True).build(SPEC)

    def offline(name: str) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models, "get_model_weights", offline)
    with pytest.raises(UsageError, match="no network; connect to the network once, or set"):
        model(layers=18, pretrained=True).build(SPEC)


def test_scales_beside_the_first_are_the_paper_s() -> None:
    assert deeplab_v2.SCALES == (0.5, 0.75)
