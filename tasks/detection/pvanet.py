"""PVANET (Kim et al. 2016): its backbone, proposal network and head inside torchvision's Faster R-CNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

from bench.errors import UsageError
from tasks.detection.model import DetectionModel, Detections, DetectorConfig, Limits, Target
from tasks.detection.precision import keep_float32
from tasks.detection.pvanet_backbone import PVANETBackbone, PVANETShape
from tasks.detection.roi_pooling import RoIPooling
from tasks.detection.torchvision_parts import BatchTransform, own_detections, torchvision_targets


class PVANET(DetectionModel):
    """Faster R-CNN on PVANET's HyperNet feature; RoIs are pooled with RoIAlign where the original used RoIPool."""

    name = "pvanet"
    version = 1

    class Config(DetectorConfig):
        """Options of PVANET. The defaults suit images of about 100 pixels; `PAPER` has the paper's values.

        Attributes:
            scale: images are enlarged by this factor; sizes below are in enlarged pixels.
            width, blocks, stem_stride, stem_pool, hyper: see `tasks.detection.pvanet_backbone.PVANETShape`.
            rpn_channels: channels of the proposal network.
            anchor_sizes, aspect_ratios: anchors; sizes in pixels, ratios are height / width.
            rpn_samples, rois: anchors and RoIs an image that training looks at.
            rpn_match: overlap from which an anchor counts as an object.
            pre_nms, post_nms: proposals an image before and after suppression, in training.
            test_pre_nms, test_post_nms: the same in prediction.
            rpn_nms: overlap from which the weaker of two proposals is dropped.
            roi_size: cells a side that a RoI is pooled to.
            head_width: neurons of fc6 and fc7.
            dropout: share of them that training drops.
        """

        scale: float = Field(default=1.0, gt=0)
        width: float = Field(default=0.375, gt=0)
        blocks: tuple[int, int, int, int] = (1, 2, 2, 1)
        stem_stride: int = Field(default=2, ge=1, le=2)
        stem_pool: bool = False
        hyper: tuple[int, int] = (48, 80)
        rpn_channels: int = Field(default=96, ge=1)
        anchor_sizes: tuple[float, ...] = (12, 18, 27)
        aspect_ratios: tuple[float, ...] = (0.67, 1.0, 1.5)
        rpn_samples: int = Field(default=128, ge=1)
        rpn_match: float = Field(default=0.6, gt=0.3, le=1)
        rois: int = Field(default=48, ge=1)
        pre_nms: int = Field(default=300, ge=1)
        post_nms: int = Field(default=100, ge=1)
        test_pre_nms: int = Field(default=300, ge=1)
        test_post_nms: int = Field(default=100, ge=1)
        rpn_nms: float = Field(default=0.7, gt=0, le=1)
        roi_size: int = Field(default=4, ge=1)
        head_width: int = Field(default=192, ge=1)
        dropout: float = Field(default=0.0, ge=0, lt=1)

    def build(self, num_classes: int, size: tuple[int, int]) -> nn.Module:
        """See `DetectionModel.build`; raises `UsageError` when published weights are asked for: there are none."""
        config = self.config
        if config.pretrained:
            raise UsageError(
                "model.pvanet.pretrained = true: PVANET's weights were only published for Caffe; "
                "set model.pvanet.pretrained = false"
            )
        shape = PVANETShape(config.width, config.blocks, config.stem_stride, config.stem_pool, config.hyper)
        backbone = PVANETBackbone(shape)
        anchors = AnchorGenerator((config.anchor_sizes,), (config.aspect_ratios,))
        cells = config.roi_size**2 * backbone.out_channels
        module = FasterRCNN(
            backbone,
            rpn_anchor_generator=anchors,
            rpn_head=ProposalHead(config.hyper[0], config.rpn_channels, anchors.num_anchors_per_location()[0]),
            rpn_fg_iou_thresh=config.rpn_match,
            rpn_batch_size_per_image=config.rpn_samples,
            rpn_pre_nms_top_n_train=config.pre_nms,
            rpn_post_nms_top_n_train=config.post_nms,
            rpn_pre_nms_top_n_test=config.test_pre_nms,
            rpn_post_nms_top_n_test=config.test_post_nms,
            rpn_nms_thresh=config.rpn_nms,
            box_head=BoxHead(cells, config.head_width, config.dropout),
            box_predictor=FastRCNNPredictor(config.head_width, num_classes + 1),
            box_batch_size_per_image=config.rois,
            box_positive_fraction=0.25,
        )
        module.roi_heads.box_roi_pool = RoIPooling(config.roi_size, shape.stride)
        module.transform = BatchTransform(config.scale, divisor=2 * shape.stride)
        keep_float32(backbone, module.rpn.head, module.roi_heads.box_predictor)
        result: nn.Module = module
        return result

    def loss(self, module: nn.Module, images: Tensor, targets: Sequence[Target]) -> Mapping[str, Tensor]:
        """Objectness and box losses of the proposals, class and box losses of the RoIs (Ren et al. 2015, eq. 1)."""
        losses: dict[str, Tensor] = module(images, torchvision_targets(targets))
        return losses

    def detect(self, module: nn.Module, images: Tensor, limits: Limits) -> list[Detections]:
        """See `DetectionModel.detect`."""
        assert isinstance(module, FasterRCNN)
        module.roi_heads.score_thresh = limits.score_threshold
        module.roi_heads.nms_thresh = limits.nms_threshold
        module.roi_heads.detections_per_img = limits.max_detections
        return own_detections(module(images))


PAPER = PVANET.Config(
    width=1.0, blocks=(3, 4, 4, 4), stem_stride=2, stem_pool=True, hyper=(128, 384), rpn_channels=384,
    anchor_sizes=(32, 48, 80, 144, 256, 512), aspect_ratios=(1 / 3, 0.5, 2 / 3, 1.0, 1.5, 2.0, 3.0),
    rpn_samples=256, rpn_match=0.7, rois=128, pre_nms=12000, post_nms=2000, test_pre_nms=12000, test_post_nms=200,
    roi_size=6, head_width=4096, dropout=0.25,
)
"""PVANET 9.1 as published; the paper's images are about 1056 x 640 pixels."""


class ProposalHead(nn.Module):
    """Proposal network on the HyperNet feature's first ``inputs`` channels: 3 x 3 convolution, then two of 1 x 1."""

    def __init__(self, inputs: int, channels: int, anchors: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.convolution = nn.Conv2d(inputs, channels, 3, 1, 1)
        self.classes = nn.Conv2d(channels, 2 * anchors, 1)
        self.boxes = nn.Conv2d(channels, 4 * anchors, 1)
        for layer in (self.convolution, self.classes, self.boxes):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Objectness (B, A, H, W) and box offsets (B, 4A, H, W), each in a list of one level."""
        hidden = self.convolution(features[0][:, : self.inputs]).relu_()
        # A softmax over (background, object) is the logistic function of the difference, which torchvision expects.
        background, thing = self.classes(hidden).chunk(2, 1)
        return [thing - background], [self.boxes(hidden)]


class BoxHead(nn.Module):
    """fc6 and fc7, each normalised, thinned by dropout and activated: (R, C, k, k) -> (R, width)."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for count in (inputs, width):
            layers += [
                nn.Linear(count, width, bias=False), nn.BatchNorm1d(width), nn.Dropout(dropout), nn.ReLU(inplace=True)
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, pooled: Tensor) -> Tensor:
        """What the class and box predictors see."""
        result: Tensor = self.layers(pooled)
        return result
