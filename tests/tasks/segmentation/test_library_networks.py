"""U-Net and DeepLab-v3 of segmentation-models-pytorch: shapes, no silent download, encoders, batches of one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.errors import UsageError
from tasks.segmentation.deeplabv3 import DeepLabV3
from tasks.segmentation.library import LibraryModel
from tasks.segmentation.model import MAIN
from tasks.segmentation.unet import UNet
from tasks.supervised import DataSpec

SPEC = DataSpec(classes=5, channels=3, size=(40, 52))


@pytest.mark.parametrize(
    ("model", "deepest"),
    [(UNet(UNet.Config(decoder_channels=(32, 24, 16, 8, 8))), (2, 2)), (DeepLabV3(DeepLabV3.Config()), (8, 8))],
)
def test_shapes_of_sizes_that_do_not_divide(model: LibraryModel, deepest: tuple[int, int]) -> None:
    assert model.skip() is None
    torch.manual_seed(0)
    network = model.build(SPEC).eval()
    with torch.no_grad():
        logits = model.forward(network, torch.rand(2, 3, 40, 52))[MAIN]
        assert logits.shape == (2, 5, 40, 52) and logits.dtype == torch.float32
        assert model.features(network, torch.rand(1, 3, 64, 64)).shape == (1, 512, *deepest)
    groups = model.parameter_groups(network)
    assert sum(p.numel() for group in groups for p in group["params"]) == sum(p.numel() for p in network.parameters())


def test_weights_come_from_the_seed_alone_and_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("segmentation_models_pytorch")
    asked: list[dict[str, Any]] = []
    real = library.Unet

    def watched(**options: Any) -> Any:
        asked.append(options)
        return real(**options)

    monkeypatch.setattr(library, "Unet", watched)
    torch.manual_seed(3)
    first = UNet(UNet.Config()).build(SPEC)
    torch.manual_seed(3)
    second = UNet(UNet.Config()).build(SPEC)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert [options["encoder_weights"] for options in asked] == [None, None]


def test_further_sensors_and_other_encoders() -> None:
    model = UNet(UNet.Config(encoder="tu-mobilenetv3_small_100"))
    network = model.build(DataSpec(3, 4, (32, 32))).eval()
    with torch.no_grad():
        assert model.forward(network, torch.rand(1, 4, 32, 32))[MAIN].shape == (1, 3, 32, 32)


def test_troubles_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(UsageError, match=r"model\.unet\.encoder: unknown encoder 'resnet81' \(did you mean 'resnet18'"):
        UNet(UNet.Config(encoder="resnet81")).build(SPEC)
    with pytest.raises(UsageError, match=r"encoder: 'tu-nothing' cannot be used"):
        UNet(UNet.Config(encoder="tu-nothing")).build(SPEC)

    def offline(**options: Any) -> Any:
        assert options["encoder_weights"] == "imagenet"
        raise OSError("no network")

    monkeypatch.setattr(library, "Unet", offline)
    with pytest.raises(UsageError, match=r"model\.unet\.pretrained = true: no network; connect"):
        UNet(UNet.Config(pretrained=True)).build(SPEC)


def test_deeplabv3_wants_a_batch_to_train_on() -> None:
    model = DeepLabV3(DeepLabV3.Config())
    network = model.build(SPEC)
    with pytest.raises(UsageError, match="a batch of one cannot be normalised; set batch_size to 2 or more"):
        model.forward(network, torch.rand(1, 3, 32, 32))
    assert model.forward(network, torch.rand(2, 3, 32, 32))[MAIN].shape == (2, 5, 32, 32)
    network.eval()
    assert model.forward(network, torch.rand(1, 3, 32, 32))[MAIN].shape == (1, 5, 32, 32)
