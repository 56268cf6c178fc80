"""YOLOv3u: ultralytics' yolov3 network with its anchor-free head and v8 loss, trained in our loop.

It is not the YOLOv3 of the paper (that one is `tasks.detection.yolov3`), so tables call it ``yolov3u``. This is the
only file that imports ultralytics, which is licensed under AGPL-3.0.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert

from tasks.detection.model import DetectionModel, Detections, DetectorConfig, Limits, Target, pretrained_weights_error
from tasks.detection.precision import to_float32, without_autocast
from tasks.detection.suppression import suppress


class YOLOv3u(DetectionModel):
    """Darknet-53 with a feature pyramid, task-aligned assignment, distribution focal and complete-IoU losses."""

    name = "yolov3u"
    version = 1

    class Config(DetectorConfig):
        """Options of YOLOv3u. The defaults suit images of about 100 pixels, trained for 100 to 200 steps.

        Attributes:
            width: multiplies every channel count; 1 is the published network.
            depth: multiplies the number of residual blocks.
            scale: images are enlarged by this factor.
            box, cls, dfl: weights of the three losses; ultralytics' are 7.5, .5 and 1.5, and so small a weight of
                the classes needs long training.
        """

        width: float = Field(default=0.25, gt=0)
        depth: float = Field(default=0.1, gt=0)
        scale: float = Field(default=1.0, gt=0)
        box: float = Field(default=7.5, gt=0)
        cls: float = Field(default=1.5, gt=0)
        dfl: float = Field(default=1.5, gt=0)

    @classmethod
    def skip(cls) -> str | None:
        """A reason where ultralytics is not installed."""
        if importlib.util.find_spec("ultralytics") is None:
            return 'ultralytics is not installed: pip install "refiner-bench[yolo]"'
        return None

    def build(self, num_classes: int, size: tuple[int, int]) -> nn.Module:
        """See `DetectionModel.build`; raises `UsageError` when published weights are asked for and cannot be had."""
        config, library = self.config, _ultralytics()
        description = library["yaml_model_load"]("yolov3.yaml")
        description |= {"nc": num_classes, "width_multiple": config.width, "depth_multiple": config.depth}
        module: nn.Module = library["DetectionModel"](description, nc=num_classes, verbose=False)
        module.args = library["get_cfg"](overrides={"box": config.box, "cls": config.cls, "dfl": config.dfl})
        _fit_to_short_training(module, num_classes, size, config.scale)
        if config.pretrained:
            self._load_published(module)
        return module

    def _load_published(self, module: nn.Module) -> None:
        """Take every published weight whose shape fits (all but the class layers, where width = depth = 1)."""
        library = _ultralytics()
        try:
            # The published file is a pickle: only the classes of networks are made of it, nothing else is run.
            file = Path(torch.hub.get_dir()) / "checkpoints" / "yolov3u.pt"
            with _quiet_import():
                saved = library["torch_safe_load"](file, safe_only=True)[0]
            published = saved.get("ema") or saved["model"]
        except Exception as error:
            # ultralytics raises whatever its downloader, unzipper or unpickler happens to raise.
            raise pretrained_weights_error(self.name, error) from None
        own = module.state_dict()
        fitting = {k: v for k, v in published.float().state_dict().items() if k in own and own[k].shape == v.shape}
        module.load_state_dict(fitting, strict=False)

    def loss(self, module: nn.Module, images: Tensor, targets: Sequence[Target]) -> Mapping[str, Tensor]:
        """Box, class and distribution focal loss, weighted, mean over the batch's images."""
        height, width = images.shape[-2:]
        extent = torch.tensor([width, height, width, height], device=images.device)
        owners = [torch.full((len(target.boxes),), float(k)) for k, target in enumerate(targets)]
        predictions = to_float32(module(self._input(images, _largest_stride(module))))
        batch = {
            "cls": torch.cat([target.classes for target in targets]).float()[:, None],
            "bboxes": box_convert(torch.cat([target.boxes for target in targets]), "xyxy", "cxcywh") / extent,
            "batch_idx": torch.cat(owners).to(images.device),
        }
        with without_autocast(images.device):
            parts: Tensor = module.loss(batch, predictions)[0] / len(images)  # type: ignore[operator]
        return {"box": parts[0], "class": parts[1], "distribution": parts[2]}

    def detect(self, module: nn.Module, images: Tensor, limits: Limits) -> list[Detections]:
        """See `DetectionModel.detect`."""
        inputs = self._input(images, _largest_stride(module))
        predictions = module(inputs)[0].transpose(1, 2)
        scale = torch.tensor([inputs.shape[-1] / images.shape[-1], inputs.shape[-2] / images.shape[-2]])
        boxes = box_convert(predictions[..., :4], "cxcywh", "xyxy") / scale.repeat(2).to(images.device)
        return [suppress(box, score, limits) for box, score in zip(boxes, predictions[..., 4:], strict=True)]

    def _input(self, images: Tensor, stride: int) -> Tensor:
        """Images enlarged to the nearest size that the network's largest stride divides."""
        size = tuple(max(1, round(side * self.config.scale / stride)) * stride for side in images.shape[-2:])
        if size == tuple(images.shape[-2:]):
            return images
        return functional.interpolate(images, size, mode="bilinear", align_corners=False)


def _fit_to_short_training(module: nn.Module, num_classes: int, size: tuple[int, int], scale: float) -> None:
    """Starting values that ultralytics fixes for 640-pixel images and long training.

    Running statistics take in .1 of each batch instead of .03, which would still hold their initial values after 100
    steps. Class logits start so that about 5 objects an image are expected on images of this size. Box sides start
    about 1.5 cells from the cell's centre, not 7.5: boxes larger than the image overlap nothing, and the task-aligned
    assignment (overlap to the power of 6) would pick its first candidates at random.
    """
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
    head: Any = module.model[-1]  # type: ignore[index]
    bins = torch.arange(head.reg_max)
    for boxes, classes, stride in zip(head.cv2, head.cv3, head.stride.tolist(), strict=True):
        cells = size[0] * size[1] * scale**2 / stride**2
        nn.init.constant_(classes[-1].bias, math.log(5 / num_classes / max(cells, 5)))
        boxes[-1].bias.data.copy_((-bins / 2).repeat(4))


def _largest_stride(module: nn.Module) -> int:
    return int(module.stride.max())  # type: ignore[operator]


@cache
def _ultralytics() -> dict[str, Any]:
    """The few names of ultralytics that are used, imported without its side effects."""
    with _quiet_import():
        from ultralytics.cfg import get_cfg
        from ultralytics.nn.tasks import DetectionModel as Network
        from ultralytics.nn.tasks import torch_safe_load, yaml_model_load
    return {
        "DetectionModel": Network, "get_cfg": get_cfg, "yaml_model_load": yaml_model_load,
        "torch_safe_load": torch_safe_load,
    }


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Undo what importing ultralytics, or loading with it, does to a process, and keep it off the network.

    Unasked it looks up host names, may call pip, writes settings into the home directory, prints, sets
    OMP_NUM_THREADS, replaces ``torch.save`` and ``PIL.Image.open``, changes the print options of numpy and torch and
    the warning filters.
    """
    environment, save, image_open = dict(os.environ), torch.save, Image.open
    numpy_options, torch_options = np.get_printoptions(), torch._tensor_str.get_printoptions()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ |= {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "0", "YOLO_CONFIG_DIR": folder}
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(environment)
            torch.save, Image.open = save, image_open  # type: ignore[assignment]
            np.set_printoptions(**numpy_options)
            torch.set_printoptions(**torch_options)  # type: ignore[no-untyped-call]
