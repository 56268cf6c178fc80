"""The paper's YOLOv3: decoding, who is responsible, and the loss, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bench.errors import UsageError
from tasks.detection.model import Limits, Target
from tasks.detection.yolov3 import PAPER, Cells, YOLOv3
from tasks.detection.yolov3_network import YOLOv3Network

PRIORS = ((8, 8), (8, 16), (16, 8), (16, 16), (16, 32), (32, 16), (32, 32), (48, 48), (64, 64))


class Fixed(nn.Module):
    """Stands for a network: predictions that a test has set, for images of 64 x 64 pixels and two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ParameterList(nn.Parameter(torch.zeros(1, 21, side, side)) for side in (2, 4, 8))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [m.expand(len(images), -1, -1, -1) for m in self.maps]

    def prediction(self, scale: int, prior: int, row: int, column: int) -> torch.Tensor:
        view: torch.Tensor = self.maps[scale].data.view(3, 7, *self.maps[scale].shape[-2:])[prior, :, row, column]
        return view


def model() -> YOLOv3:
    return YOLOv3(YOLOv3.Config(priors=tuple((w / 64, h / 64) for w, h in PRIORS)))


def cells() -> Cells:
    return Cells([(2, 2), (4, 4), (8, 8)], torch.tensor(PRIORS, dtype=torch.float32))


def test_decoding_by_hand() -> None:
    """Stride 8, second prior (8 x 16), row 3, column 5: centre 8 (5 + s(1)), 8 (3 + s(-1)), size 8 e^.5, 16 e^-1."""
    layout = cells()
    index = 3 * 4 + 3 * 16 + 64 + 3 * 8 + 5
    raw = torch.zeros(1, 3 * (4 + 16 + 64), 7)
    raw[0, index, :4] = torch.tensor([1.0, -1.0, 0.5, -1.0])
    x, y = (5 + 1 / (1 + math.exp(-1))) * 8, (3 + 1 / (1 + math.exp(1))) * 8
    w, h = 8 * math.exp(0.5), 16 * math.exp(-1)
    expected = torch.tensor([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    torch.testing.assert_close(layout.decode(raw)[0, index], expected)
    assert layout.stride[index] == 8
    assert layout.corner[index].tolist() == [5, 3]
    assert layout.prior[index].tolist() == [8, 16]


def test_the_best_shape_in_the_cell_of_the_centre_is_responsible() -> None:
    truth = torch.tensor(
        [
            [20.0, 41.0, 9.0, 15.0],  # 8 x 16 at stride 8: row 5, column 2
            [20.0, 41.0, 30.0, 15.0],  # 32 x 16 at stride 16: row 2, column 1
            [64.0, 64.0, 60.0, 63.0],  # 64 x 64 at stride 32; a centre on the far border is in the last cell
        ]
    )
    assert cells().responsible(truth).tolist() == [
        12 + 48 + 1 * 64 + 5 * 8 + 2, 12 + 2 * 16 + 2 * 4 + 1, 2 * 4 + 1 * 2 + 1,
    ]


def test_loss_by_hand() -> None:
    """One object of 8 x 16 pixels in the second of two images, class 1; every logit is 0 except where said."""
    network = Fixed()
    responsible = network.prediction(2, 1, 5, 2)
    responsible[:] = torch.tensor([0.4, -0.2, 0.1, 0.3, 2.0, -1.0, 3.0])
    # Exactly the object's box from another cell's prior of the same shape, but with no responsibility: ignored.
    neighbour = network.prediction(2, 1, 5, 3)
    neighbour[:] = torch.tensor([-9.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0])
    centre_x, centre_y = 22.0, 44.0
    target = Target(torch.tensor([[centre_x - 4, centre_y - 8, centre_x + 4, centre_y + 8]]), torch.tensor([1]))
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = model().loss(network, torch.zeros(2, 3, 64, 64), [nothing, target])

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    squares = (sigmoid(0.4) - 0.75) ** 2 + (sigmoid(-0.2) - 0.5) ** 2 + 0.1**2 + 0.3**2
    assert losses["box"].item() == pytest.approx(squares * (2 - 8 * 16 / 64**2), rel=1e-5)
    assert losses["class"].item() == pytest.approx(-math.log(1 - sigmoid(-1)) - math.log(sigmoid(3)), rel=1e-5)

    layout, total = cells(), 0.0
    boxes = layout.decode(torch.zeros(1, 252, 7))[0]
    boxes[12 + 48 + 64 + 5 * 8 + 3] = layout.decode(neighbour.expand(1, 252, 7))[0, 12 + 48 + 64 + 5 * 8 + 3]
    for k, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        logit = 5.0 if k == 12 + 48 + 64 + 5 * 8 + 3 else 2.0 if k == 12 + 48 + 64 + 5 * 8 + 2 else 0.0
        total += math.log(1 + math.exp(logit))  # the first image is empty: every objectness should be 0
        shared = max(0, min(x1, 26) - max(x0, 18)) * max(0, min(y1, 52) - max(y0, 36))
        overlap = shared / ((x1 - x0) * (y1 - y0) + 128 - shared)
        if k == 12 + 48 + 64 + 5 * 8 + 2:
            total += math.log(1 + math.exp(-2.0))
        elif overlap <= 0.5:
            total += math.log(1 + math.exp(logit))
    assert losses["objectness"].item() == pytest.approx(total, rel=1e-5)


def test_gradients_reach_boxes_only_where_responsible() -> None:
    network = Fixed()
    target = Target(torch.tensor([[18.0, 36.0, 26.0, 52.0]]), torch.tensor([0]))
    sum(model().loss(network, torch.zeros(1, 3, 64, 64), [target]).values()).backward()  # type: ignore[union-attr]
    for scale in range(3):
        gradient = network.maps[scale].grad.view(3, 7, -1)
        touched = (gradient[:, [0, 1, 2, 3, 5, 6]].abs().sum(1) > 0).sum()
        assert touched == (1 if scale == 2 else 0)


def test_a_batch_without_objects_has_a_finite_loss() -> None:
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = model().loss(Fixed(), torch.zeros(2, 3, 64, 64), [nothing, nothing])
    assert losses["box"] == 0
    assert losses["class"] == 0
    assert losses["objectness"].item() == pytest.approx(2 * 252 * math.log(2), rel=1e-5)


@pytest.mark.parametrize("size", [64, 128])
def test_detections_in_the_pixels_of_the_images(size: int) -> None:
    """One confident prediction; scores are objectness times class. The network sees 64 pixels whatever the size."""
    network = Fixed()
    for m in network.maps:
        m.data.view(3, 7, -1)[:, 4] = -20
    network.prediction(2, 1, 5, 2)[:] = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, -20.0])
    resized = YOLOv3(YOLOv3.Config(priors=model().config.priors, scale=64 / size))
    (found,) = resized.detect(network, torch.zeros(1, 3, size, size), Limits(0.01, 0.5, 10))
    expected = torch.tensor([[16.0, 36.0, 24.0, 52.0]]) * (size / 64)
    torch.testing.assert_close(found.boxes, expected)
    assert found.classes.tolist() == [0]
    assert found.scores.item() == pytest.approx(1 / (1 + math.exp(-1)) / (1 + math.exp(-2)), rel=1e-5)


def test_darknet_53_has_its_published_size() -> None:
    """52 convolutions and 40.58 million parameters; 75 and 61.95 million with the predictions for 80 classes."""
    with torch.device("meta"):
        network = YOLOv3Network(80, 1.0, 1.0)
        maps = network(torch.zeros(1, 3, 416, 416))
    backbone = [layer for part in (network.fine, network.middle, network.coarse) for layer in part.modules()]
    assert sum(isinstance(layer, nn.Conv2d) for layer in backbone) == 52
    assert sum(p.numel() for layer in backbone for p in layer.parameters(False)) == 40_584_928
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == 75
    assert sum(p.numel() for p in network.parameters()) == 61_949_149
    assert [tuple(m.shape[1:]) for m in maps] == [(255, 13, 13), (255, 26, 26), (255, 52, 52)]
    assert PAPER.width == PAPER.depth == 1


def test_objectness_starts_at_one_per_cent() -> None:
    torch.manual_seed(0)
    maps = YOLOv3Network(4, 0.25, 0.2).eval()(torch.rand(1, 3, 64, 64))
    for m in maps:
        assert m.view(1, 3, 9, -1)[:, :, 4].sigmoid().mean().item() == pytest.approx(0.01, rel=0.5)


def test_there_must_be_nine_priors() -> None:
    with pytest.raises(ValidationError, match="nine pairs"):
        YOLOv3.Config(priors=((0.1, 0.1),))


def test_published_weights_do_not_exist() -> None:
    with pytest.raises(UsageError, match=r"model\.yolov3\.pretrained"):
        YOLOv3(YOLOv3.Config(pretrained=True)).build(2, (64, 64))


def test_training_and_evaluation_shapes() -> None:
    config: Any = YOLOv3.Config(width=0.125, depth=0.1)
    module = YOLOv3(config).build(3, (96, 64))
    assert [tuple(m.shape) for m in module(torch.zeros(2, 3, 96, 64))] == [
        (2, 24, 3, 2), (2, 24, 6, 4), (2, 24, 12, 8),
    ]
