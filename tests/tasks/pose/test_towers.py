"""The towers: parameter counts derived by hand, shapes, private layers, and what feature alignment gets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tasks.pose.doubling_tower import DoublingTower
from tasks.pose.dsn import DSNTower
from tasks.pose.mnist_tower import MNISTTower
from tasks.pose.model import TowerModel
from tasks.supervised import DataSpec

LINEMOD = DataSpec(classes=11, channels=4, size=(64, 64))
DIGITS = DataSpec(classes=10, channels=3, size=(32, 32))
TOWERS: list[type[TowerModel]] = [DSNTower, DoublingTower, MNISTTower]


def built(cls: type[TowerModel], spec: DataSpec, **options: Any) -> tuple[TowerModel, nn.Module]:
    torch.manual_seed(0)
    model = cls(cls.Config(**options))
    return model, model.build(spec)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def test_dsn_count_by_hand() -> None:
    """64 is halved twice, so fc128 sees 64 x 16 x 16."""
    by_hand = conv(4, 32, 5) + conv(32, 64, 5) + linear(64 * 16 * 16, 128) + linear(128, 4) + linear(128, 11)
    assert by_hand == 2_153_711
    assert parameters(built(DSNTower, LINEMOD)[1]) == by_hand


def test_doubling_tower_count_by_hand() -> None:
    """64, 32, 16, 8, 4: four convolutions; at 32 pixels three."""
    by_hand = sum(conv(i, o, 3) for i, o in ((4, 32), (32, 64), (64, 128), (128, 256)))
    by_hand += linear(256 * 4 * 4, 100) + linear(100, 4) + linear(100, 11)
    assert by_hand == 799_919
    assert parameters(built(DoublingTower, LINEMOD)[1]) == by_hand
    small = sum(conv(i, o, 3) for i, o in ((3, 32), (32, 64), (64, 128)))
    small += linear(128 * 4 * 4, 100) + linear(100, 4) + linear(100, 10)
    assert parameters(built(DoublingTower, DIGITS)[1]) == small


def test_mnist_tower_count_by_hand() -> None:
    by_hand = conv(3, 32, 5) + conv(32, 48, 5) + linear(48 * 8 * 8, 100) + linear(100, 100) + linear(100, 10)
    assert by_hand == 359_290
    assert parameters(built(MNISTTower, DIGITS)[1]) == by_hand


@pytest.mark.parametrize("cls", TOWERS)
@pytest.mark.parametrize("spec", [LINEMOD, DIGITS, DataSpec(2, 3, (16, 24)), DataSpec(2, 3, (33, 50))])
def test_outputs_and_features(cls: type[TowerModel], spec: DataSpec) -> None:
    model, module = built(cls, spec, width=0.25)
    images = torch.rand(3, spec.channels, *spec.size) * 2 - 1
    outputs = model.forward(module, images)
    assert outputs["logits"].shape == (3, spec.classes)
    assert ("quaternion" in outputs) == (cls is not MNISTTower)
    if "quaternion" in outputs:
        assert outputs["quaternion"].shape == (3, 4)
        assert outputs["quaternion"].norm(dim=1).tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert model.features(module, images).shape == (3, 32 if cls is DSNTower else 25)


def test_the_quaternion_is_the_normalised_tanh() -> None:
    model, module = built(DSNTower, DIGITS, dropout=0.0)
    images = torch.rand(2, 3, 32, 32)
    raw = module.heads[1].quaternion(model.features(module, images)).tanh()
    assert torch.allclose(model.forward(module, images)["quaternion"], raw / raw.square().sum(1, keepdim=True).sqrt())


def test_dropout_acts_in_training_only_and_not_on_the_features() -> None:
    model, module = built(DSNTower, DIGITS)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(model.features(module, images), model.features(module, images))
    assert not torch.equal(model.forward(module, images)["logits"], model.forward(module, images)["logits"])
    module.eval()
    assert torch.equal(model.forward(module, images)["logits"], model.forward(module, images)["logits"])


@pytest.mark.parametrize("cls", TOWERS)
def test_outputs_and_features_in_one_pass(cls: type[TowerModel]) -> None:
    model, module = built(cls, DIGITS, width=0.25)
    module.eval()
    images = torch.rand(2, 3, 32, 32)
    outputs, features = model.outputs_and_features(module, images)
    assert torch.equal(features, model.features(module, images))
    assert all(torch.equal(outputs[name], value) for name, value in model.forward(module, images).items())


def private_layers(cls: type[TowerModel], channels: int) -> int:
    if cls is DoublingTower:
        return conv(channels, 32, 3) + conv(32, 64, 3)
    return conv(channels, 32, 5)


@pytest.mark.parametrize("cls", TOWERS)
def test_private_first_layers(cls: type[TowerModel]) -> None:
    """They add their parameters, change nothing for other images, and leave the other initial weights alone."""
    plain_model, plain = built(cls, DIGITS)
    model, module = built(cls, DIGITS, private=True)
    assert parameters(module) - parameters(plain) == private_layers(cls, 3)
    state = module.state_dict()
    assert all(torch.equal(state[name], value) for name, value in plain.state_dict().items())
    images = torch.rand(2, 3, 32, 32)
    plain.eval()
    module.eval()
    target, source = model.forward(module, images), model.forward(module, images, source=True)
    assert torch.equal(target["logits"], plain_model.forward(plain, images)["logits"])
    assert torch.equal(target["logits"], plain_model.forward(plain, images, source=True)["logits"])
    assert not torch.allclose(target["logits"], source["logits"])


def test_gradients_reach_the_layers_of_the_images_domain_and_the_shared_ones() -> None:
    model, module = built(DSNTower, DIGITS, private=True)
    model.forward(module, torch.rand(2, 3, 32, 32), source=True)["logits"].sum().backward()
    touched = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert "source_first.0.weight" in touched
    assert "first.0.weight" not in touched
    assert "shared.0.0.weight" in touched


def test_width_multiplies_channels() -> None:
    _, module = built(DSNTower, LINEMOD, width=0.5)
    by_hand = conv(4, 16, 5) + conv(16, 32, 5) + linear(32 * 16 * 16, 64) + linear(64, 4) + linear(64, 11)
    assert parameters(module) == by_hand
