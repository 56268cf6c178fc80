"""SSD (Liu et al. 2016): torchvision's, on a small batch-normalised backbone or on the paper's VGG-16."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD as TorchvisionSSD

from bench.errors import UsageError
from tasks.detection.model import DetectionModel, Detections, DetectorConfig, Limits, Target, pretrained_weights_error
from tasks.detection.precision import keep_float32
from tasks.detection.torchvision_parts import BatchTransform, own_detections, torchvision_targets


class SSD(DetectionModel):
    """SSD with default boxes on a pyramid of feature maps.

    ``backbone = "small"`` is a strided, batch-normalised pyramid for small images, which learns from scratch in
    seconds; ``backbone = "vgg16"`` is SSD300 as in the paper (images are enlarged to 300 x 300 pixels).
    """

    name = "ssd"
    version = 1

    class Config(DetectorConfig):
        """Options of SSD. The defaults suit images of about 100 pixels, trained for 200 to 300 steps.

        Attributes:
            backbone: "small", or "vgg16" for SSD300.
            width: channels of the small backbone's first stage; the others follow from it.
            box_sizes: smallest default box of each feature map as a share of the image, and one more that ends the
                series (eq. 4 of the paper); the maps have strides 4, 8, 16 ... or 8, 16, 32 ..., see `first_stride`.
            first_stride: stride of the finest feature map of the small backbone, in pixels.
            aspect_ratios: aspect ratios besides 1, the same for every map of the small backbone.
            match_iou: overlap from which a default box counts as the object's.
            scale: the small backbone's images are enlarged by this factor.
        """

        backbone: Literal["small", "vgg16"] = "small"
        width: int = Field(default=24, ge=4)
        first_stride: Literal[4, 8] = 8
        box_sizes: tuple[float, ...] = (0.18, 0.28, 0.5)
        aspect_ratios: tuple[float, ...] = (2.0,)
        match_iou: float = Field(default=0.4, gt=0, lt=1)
        scale: float = Field(default=1.0, gt=0)

    def build(self, num_classes: int, size: tuple[int, int]) -> nn.Module:
        """See `DetectionModel.build`; raises `UsageError` when published weights are asked for and cannot be had."""
        if self.config.backbone == "vgg16":
            return self._vgg(num_classes)
        config = self.config
        if config.pretrained:
            raise UsageError(
                'model.ssd.pretrained = true: there are published weights for model.ssd.backbone = "vgg16" alone; '
                "choose it, or set model.ssd.pretrained = false"
            )
        maps = len(config.box_sizes) - 1
        backbone = SmallPyramid(config.width, config.first_stride, maps)
        boxes = DefaultBoxGenerator([list(config.aspect_ratios)] * maps, scales=list(config.box_sizes))
        module: nn.Module = TorchvisionSSD(backbone, boxes, size, num_classes + 1, iou_thresh=config.match_iou)
        module.transform = BatchTransform(config.scale)
        keep_float32(backbone, module.head)  # type: ignore[arg-type]
        return module

    def _vgg(self, num_classes: int) -> nn.Module:
        from torchvision.models import VGG16_Weights
        from torchvision.models.detection import ssd300_vgg16

        weights = VGG16_Weights.IMAGENET1K_FEATURES if self.config.pretrained else None
        try:
            module: nn.Module = ssd300_vgg16(weights=None, weights_backbone=weights, num_classes=num_classes + 1)
        except OSError as error:
            raise pretrained_weights_error(self.name, error) from None
        keep_float32(module.backbone, module.head)  # type: ignore[arg-type]
        return module

    def loss(self, module: nn.Module, images: Tensor, targets: Sequence[Target]) -> Mapping[str, Tensor]:
        """Softmax loss with hard negatives 3 : 1, and smooth L1 of the boxes (eq. 1-3 of the paper)."""
        losses: dict[str, Tensor] = module(images, torchvision_targets(targets))
        return losses

    def detect(self, module: nn.Module, images: Tensor, limits: Limits) -> list[Detections]:
        """See `DetectionModel.detect`."""
        module.score_thresh = limits.score_threshold  # type: ignore[assignment]
        module.nms_thresh = limits.nms_threshold  # type: ignore[assignment]
        module.detections_per_img = limits.max_detections  # type: ignore[assignment]
        return own_detections(module(images))


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class SmallPyramid(nn.Module):
    """Feature maps at strides ``first_stride``, twice that, and so on: (B, C_k, H / s_k, W / s_k) each."""

    def __init__(self, width: int, first_stride: int, maps: int) -> None:
        super().__init__()
        layers = [convolution(3, width, 2), convolution(width, 2 * width, 2), convolution(2 * width, 2 * width)]
        channels = 2 * width
        if first_stride == 8:
            layers += [convolution(channels, 4 * width, 2), convolution(4 * width, 4 * width)]
            channels = 4 * width
        self.stem = nn.Sequential(*layers)
        self.out_channels = [channels]
        self.stages = nn.ModuleList()
        for _ in range(maps - 1):
            outputs = min(2 * channels, 4 * width)
            self.stages.append(nn.Sequential(convolution(channels, outputs, 2), convolution(outputs, outputs)))
            self.out_channels.append(outputs)
            channels = outputs

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """The feature maps, finest first."""
        features = [self.stem(images)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return OrderedDict((str(k), feature) for k, feature in enumerate(features))
