"""SSD: its maps and boxes, SSD300, and published weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.errors import UsageError
from tasks.detection.model import Limits, Target
from tasks.detection.ssd import SSD, SmallPyramid
from tasks.detection.torchvision_parts import BatchTransform


@pytest.mark.parametrize(("first", "sides"), [(4, [16, 8, 4]), (8, [8, 4, 2])])
def test_maps_have_doubling_strides(first: int, sides: list[int]) -> None:
    pyramid = SmallPyramid(8, first, 3)
    features = pyramid(torch.zeros(1, 3, 64, 64))
    assert [f.shape[-1] for f in features.values()] == sides
    assert [f.shape[1] for f in features.values()] == pyramid.out_channels


def test_default_boxes_by_hand() -> None:
    """Sizes .25 and .5 of 64 pixels: 16, sqrt(16 * 32), and 16 stretched to 2 : 1 and 1 : 2, in every cell's centre."""
    config = SSD.Config(width=8, box_sizes=(0.25, 0.5), aspect_ratios=(2.0,))
    module: Any = SSD(config).build(2, (64, 64))
    images, _ = module.transform(torch.zeros(1, 3, 64, 64))
    boxes = module.anchor_generator(images, [torch.zeros(1, 1, 8, 8)])[0]
    assert boxes.shape == (8 * 8 * 4, 4)
    sizes = (boxes[:4, 2:] - boxes[:4, :2]).tolist()
    expected = [[16, 16], [16 * 2**0.5, 16 * 2**0.5], [16 * 2**0.5, 16 / 2**0.5], [16 / 2**0.5, 16 * 2**0.5]]
    for size, want in zip(sizes, expected, strict=True):
        assert size == pytest.approx(want, abs=1e-4)
    assert ((boxes[:4, 2:] + boxes[:4, :2]) / 2).unique(dim=0).tolist() == [[4, 4]]


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_losses_and_detections(scale: float) -> None:
    """An image without objects does not disturb the batch; boxes come back in the pixels of the images."""
    model = SSD(SSD.Config(width=8, scale=scale))
    module = model.build(2, (48, 64))
    target = Target(torch.tensor([[10.0, 10.0, 30.0, 40.0]]), torch.tensor([1]))
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = model.loss(module.train(), torch.rand(2, 3, 48, 64), [target, nothing])
    assert set(losses) == {"bbox_regression", "classification"}
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    with torch.no_grad():
        found = model.detect(module.eval(), torch.rand(2, 3, 48, 64), Limits(0.0, 0.9, 30))
    for item in found:
        assert len(item.boxes) == 30
        assert item.boxes[:, 0::2].max() <= 64
        assert item.boxes[:, 1::2].max() <= 48
        assert item.boxes[:, 0::2].max() > 32
        assert set(item.classes.tolist()) <= {0, 1}
        assert item.scores.tolist() == sorted(item.scores.tolist(), reverse=True)


def test_transform_normalises_enlarges_and_pads() -> None:
    transform = BatchTransform(scale=2.0, divisor=32, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 1.0))
    box = {"boxes": torch.tensor([[1.0, 2.0, 3.0, 4.0]])}
    images, targets = transform(torch.full((1, 3, 20, 10), 0.75), [box])
    assert images.tensors.shape == (1, 3, 64, 32)
    assert images.image_sizes == [(40, 20)]
    torch.testing.assert_close(images.tensors[0, :, 39, 19], torch.tensor([0.5, 0.75, 0.75]))
    assert images.tensors[0, :, 40:].abs().sum() == 0
    assert images.tensors[0, :, :, 20:].abs().sum() == 0
    assert targets is not None
    assert targets[0]["boxes"].tolist() == [[2, 4, 6, 8]]
    assert transform.postprocess(targets, None, None)[0]["boxes"].tolist() == [[1, 2, 3, 4]]


@pytest.fixture(scope="module")
def ssd300() -> tuple[SSD, Any]:
    model = SSD(SSD.Config(backbone="vgg16"))
    return model, model.build(20, (96, 96))


def test_ssd300_has_its_published_size(ssd300: tuple[SSD, Any]) -> None:
    """8732 default boxes an image (section 3.2 of the paper); every layer is trained."""
    _, module = ssd300
    with torch.no_grad():
        images, _ = module.transform([torch.zeros(3, 96, 96)])
        features = list(module.backbone(images.tensors).values())
    assert images.tensors.shape == (1, 3, 300, 300)
    assert len(module.anchor_generator(images, features)[0]) == 8732
    assert all(p.requires_grad for p in module.parameters())


def test_ssd300_detects_in_the_pixels_of_the_images(ssd300: tuple[SSD, Any]) -> None:
    model, module = ssd300
    with torch.no_grad():
        (found,) = model.detect(module.eval(), torch.rand(1, 3, 60, 90), Limits(0.0, 0.9, 50))
    assert len(found.boxes) == 50
    assert 45 < found.boxes[:, 0::2].max() <= 90
    assert 30 < found.boxes[:, 1::2].max() <= 60


def test_published_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.error import URLError

    def refuse(*_: object, **__: object) -> None:
        raise URLError("name resolution failed")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(UsageError, match=r"model\.ssd\.pretrained = true.*name resolution failed"):
        SSD(SSD.Config(backbone="vgg16", pretrained=True)).build(2, (96, 96))


def test_the_small_backbone_has_no_published_weights() -> None:
    with pytest.raises(UsageError, match=r"model\.ssd\.backbone"):
        SSD(SSD.Config(pretrained=True)).build(2, (96, 96))
