"""What a detector is to the detection task: three required methods, and the options that every detector has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.contracts import Model, PluginConfig
from bench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """The objects of one training image.

    Attributes:
        boxes: (N, 4) float32, x0 y0 x1 y1 in pixels.
        classes: (N,) int64, 0-based.
    """

    boxes: Tensor
    classes: Tensor


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one image, best first.

    Attributes:
        boxes: (N, 4) float32, x0 y0 x1 y1 in pixels.
        scores: (N,) float32 in [0, 1].
        classes: (N,) int64, 0-based.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor


@dataclass(frozen=True, slots=True)
class Limits:
    """Which detections are kept: the same for every detector, so that no table mixes settings."""

    score_threshold: float
    nms_threshold: float
    max_detections: int


class DetectorConfig(PluginConfig):
    """Options of every detector; ``None`` leaves the choice to the task's own configuration.

    Attributes:
        pretrained: start from published weights (needs the network once); otherwise everything is trained from scratch.
        steps: optimizer steps of this detector.
        batch_size: images a step of this detector.
        learning_rate: peak learning rate of this detector.
        weight_decay: decoupled weight decay of this detector.
    """

    pretrained: bool = False
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None


class DetectionModel(Model):
    """One detector. Images reach it as (B, 3, H, W) float32 in [0, 1]; it does its own normalisation.

    ``Config`` must derive from `DetectorConfig`.
    """

    task = "detection"
    Config = DetectorConfig

    @abstractmethod
    def build(self, num_classes: int, size: tuple[int, int]) -> nn.Module:
        """The network for ``num_classes`` (without background) and images of ``size`` = (height, width) pixels.

        It is called with torch's generator seeded, and its ``state_dict`` is what a trained model is.
        """

    @abstractmethod
    def loss(self, module: nn.Module, images: Tensor, targets: Sequence[Target]) -> Mapping[str, Tensor]:
        """Named losses, scalars, of one batch in training mode; the task minimises their sum."""

    @abstractmethod
    def detect(self, module: nn.Module, images: Tensor, limits: Limits) -> list[Detections]:
        """The detections of each image, in evaluation mode and without gradients."""


def pretrained_weights_error(name: str, reason: Exception) -> UsageError:
    """The one line that a user sees when published weights cannot be had."""
    text = " ".join(str(reason).split())
    return UsageError(
        f"model.{name}.pretrained = true: the published weights cannot be loaded ({text}); "
        f"connect to the network once, or set model.{name}.pretrained = false to train from scratch"
    )


def module_device(module: nn.Module) -> torch.device:
    """The device that a network's parameters are on."""
    return next(module.parameters()).device
