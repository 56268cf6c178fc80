"""YOLOv3u: what importing ultralytics leaves behind, its absence, and the numbers that go in and out."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bench.errors import UsageError
from tasks.detection import yolov3u
from tasks.detection.model import Limits, Target
from tasks.detection.yolov3u import YOLOv3u

installed = pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="ultralytics is not installed")

TRACES = """
import os, sys, threading, warnings
import numpy, PIL.Image, torch, torchvision
import tasks.detection.yolov3u as module
assert "ultralytics" not in sys.modules, "imported too early"
seen = []
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])
    if event.startswith(("socket.", "subprocess.")) or event in ("os.system", "os.mkdir") or writes:
        seen.append((event, str(arguments[:2])))
sys.addaudithook(watch)
before = (
    dict(os.environ), torch.save, PIL.Image.open, numpy.get_printoptions(), repr(torch._tensor_str.get_printoptions()),
    list(warnings.filters), torch.get_num_threads(), threading.active_count(), sorted(os.listdir(os.environ["HOME"])),
)
network = module.YOLOv3u(module.YOLOv3u.Config(width=0.125, depth=0.1)).build(2, (64, 64))
after = (
    dict(os.environ), torch.save, PIL.Image.open, numpy.get_printoptions(), repr(torch._tensor_str.get_printoptions()),
    list(warnings.filters), torch.get_num_threads(), threading.active_count(), sorted(os.listdir(os.environ["HOME"])),
)
assert "ultralytics" in sys.modules
for a, b in zip(before, after):
    assert a == b, (a, b)
outside = [s for s in seen if os.environ["SCRATCH"] not in s[1]]
assert not outside, outside
assert not os.listdir(os.environ["SCRATCH"]), os.listdir(os.environ["SCRATCH"])
"""


@installed
def test_importing_leaves_no_traces(tmp_path: Path) -> None:
    """No network, no process, no file outside a temporary folder that is gone afterwards, nothing printed."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "YOLO_", "PYTEST_"))}
    environment |= {
        "HOME": str(home), "TMPDIR": str(scratch), "SCRATCH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(yolov3u.__file__).parents[2]),
    }
    done = subprocess.run([sys.executable, "-c", TRACES], env=environment, capture_output=True, text=True, cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "ltralytics" not in done.stderr


def test_absence_is_told_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert YOLOv3u.skip() == 'ultralytics is not installed: pip install "refiner-bench[yolo]"'


@installed
def test_no_reason_where_it_is_installed() -> None:
    assert YOLOv3u.skip() is None


@pytest.fixture(scope="module")
def small() -> tuple[YOLOv3u, Any]:
    # Not importorskip: that would import ultralytics with all of its side effects.
    if reason := YOLOv3u.skip():
        pytest.skip(reason)
    torch.manual_seed(0)
    model = YOLOv3u(YOLOv3u.Config(width=0.125, depth=0.1))
    return model, model.build(3, (64, 64))


def test_losses_do_not_grow_with_the_batch(small: tuple[YOLOv3u, Any]) -> None:
    """Ultralytics multiplies by the batch's size; a batch of the same image twice has the loss of one."""
    model, module = small
    module.eval()  # so that batch normalisation does not see the batch
    image = torch.rand(1, 3, 64, 64)
    corners = torch.tensor([[x, y, x + 24.0, y + 24.0] for x in (0.0, 20.0, 40.0) for y in (0.0, 20.0, 40.0)])
    target = Target(corners, torch.arange(9) % 3)

    def losses(count: int) -> dict[str, float]:
        found = model.loss(module, image.expand(count, -1, -1, -1), [target] * count)
        return {name: float(value.detach()) for name, value in found.items()}

    assert set(losses(1)) == {"box", "class", "distribution"}
    assert losses(2) == pytest.approx(losses(1), rel=1e-4)


def test_an_image_without_objects_has_only_a_class_loss(small: tuple[YOLOv3u, Any]) -> None:
    model, module = small
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = model.loss(module, torch.rand(1, 3, 64, 64), [nothing])
    assert losses["box"] == 0
    assert losses["distribution"] == 0
    assert losses["class"] > 0


@pytest.mark.parametrize(("size", "seen"), [((64, 96), (64, 96)), ((70, 100), (64, 96))])
def test_detections_in_the_pixels_of_the_images(
    size: tuple[int, int], seen: tuple[int, int], small: tuple[YOLOv3u, Any]
) -> None:
    """A box that the network gives in the pixels of its input comes back in those of the image."""

    class Fixed(nn.Module):
        stride = torch.tensor([8.0, 16.0, 32.0])
        shape: tuple[int, ...] = ()

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
            self.shape = tuple(images.shape[-2:])
            # Centre x, centre y, width, height, and scores of three classes, of one candidate.
            return torch.tensor([[[48.0], [32.0], [24.0], [16.0], [0.1], [0.9], [0.0]]]), None

    network = Fixed()
    (found,) = small[0].detect(network, torch.zeros(1, 3, *size), Limits(0.2, 0.5, 10))
    assert network.shape == seen
    x, y = size[1] / seen[1], size[0] / seen[0]
    torch.testing.assert_close(found.boxes, torch.tensor([[36.0 * x, 24.0 * y, 60.0 * x, 40.0 * y]]))
    assert found.classes.tolist() == [1]
    torch.testing.assert_close(found.scores, torch.tensor([0.9]))


def test_starting_values(small: tuple[YOLOv3u, Any]) -> None:
    """Before training, about 5 objects are expected in an image, with boxes no larger than the image."""
    model, _ = small
    torch.manual_seed(0)
    module: Any = model.build(3, (64, 64))
    assert {layer.momentum for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)} == {0.1}
    with torch.no_grad():
        predictions = module.eval()(torch.rand(1, 3, 64, 64))[0][0]
    sides = predictions[2:4] / torch.cat([torch.full((n,), s) for n, s in ((64, 8.0), (16, 16.0), (4, 32.0))])
    torch.testing.assert_close(sides, torch.full_like(sides, 2 / (2.718281828**0.5 - 1)), rtol=0.2, atol=0)
    assert 0.5 < predictions[4:].sum() < 20


@installed
def test_published_width_and_depth_are_ultralytics_own() -> None:
    """103.7 million parameters for 80 classes, as ultralytics tells for yolov3u."""
    module = YOLOv3u(YOLOv3u.Config(width=1.0, depth=1.0)).build(80, (640, 640))
    assert sum(p.numel() for p in module.parameters()) == pytest.approx(103.7e6, abs=0.1e6)


@installed
def test_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, safe_only: bool) -> Any:
        assert safe_only
        raise ConnectionError("no route\nto host")

    names = {**yolov3u._ultralytics(), "torch_safe_load": refuse}
    monkeypatch.setattr(yolov3u, "_ultralytics", lambda: names)
    with pytest.raises(UsageError, match=r"model\.yolov3u\.pretrained = true.*no route to host.*pretrained = false"):
        YOLOv3u(YOLOv3u.Config(width=0.125, depth=0.1, pretrained=True)).build(2, (64, 64))
