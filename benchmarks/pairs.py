"""One refiner's training step twice, from equal weights: ours, and the plain transcription of the published one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.contracts import Context
from bench.learning import Learner
from bench.samples import ImageSet
from benchmarks.ours import OurStep, our_step
from benchmarks.plain.cut import PlainCut
from benchmarks.plain.cyclegan import PlainCycleGan
from benchmarks.plain.data import PlainBatch, PlainLoader
from benchmarks.plain.pixelda import PlainPixelDa
from benchmarks.plain.t2net import PlainT2Net
from benchmarks.plain.vtr import PlainVtr
from refiners.image_head import ImageHead
from tasks.depth.t2net_unet import T2NetUNetModel
from tasks.depth.task import Depth
from tasks.pose.dsn import DSNTower
from tasks.pose.task import Pose

Plain = Callable[[int, PlainBatch], Mapping[str, Tensor]]

SMALL: Mapping[str, Mapping[str, Any]] = {
    "cyclegan": {"ngf": 8, "n_blocks": 2, "ndf": 8},
    "vtr": {"ngf": 8, "n_blocks": 2, "ndf": 8},
    "cut": {"ngf": 8, "n_blocks": 2, "ndf": 8, "embedding": 16, "patches": 32},
    "t2net": {"width": 8, "n_blocks": 2, "ndf": 8, "feature_width": 16},
    "pixelda": {"ngf": 8, "n_blocks": 2, "ndf": 8, "widest": 32},
}
"""Networks that a test can afford."""
ENLARGED = {"cyclegan", "vtr", "cut"}
"""Who enlarges images by 286 / 256 and crops."""


@dataclass(frozen=True)
class Setting:
    """What is compared: a refiner at an image size and batch size, with the published networks or small ones."""

    refiner: str
    px: int
    batch: int
    small: bool = False
    options: tuple[tuple[str, Any], ...] = ()


def published_batch(refiner: str, px: int) -> int:
    """Images of each domain a step: as published, and fewer for PixelDA beyond its 64 pixels."""
    return {"t2net": 6, "pixelda": max(1, 32 * 64 // px)}.get(refiner, 1)


def learner_of(setting: Setting, synthetic: ImageSet, context: Context) -> Learner | None:
    """The published task network of a refiner that has one."""
    if setting.refiner == "t2net":
        width = 8 if setting.small else 64
        model = T2NetUNetModel(T2NetUNetModel.Config(width=width))
        return Depth(Depth.Config(batch_size=setting.batch, steps=35_050)).learner(model, synthetic, context)
    if setting.refiner == "pixelda":
        tower = DSNTower(DSNTower.Config(width=0.25 if setting.small else 1.0))
        return Pose(Pose.Config(batch_size=setting.batch, steps=250_000)).learner(tower, synthetic, context)
    return None


def ours(setting: Setting, synthetic: ImageSet, real: ImageSet, context: Context) -> OurStep:
    """Our step, as `fit` or `fit_jointly` would train."""
    settings = dict(SMALL[setting.refiner]) if setting.small else {}
    if setting.refiner in ENLARGED:
        settings |= {"crop": setting.px, "batch_size": setting.batch}
    else:
        settings |= {"task_optimizer": "paper"}
    settings |= dict(setting.options)
    return our_step(
        setting.refiner, settings, learner_of(setting, synthetic, context), synthetic, real.unlabelled(), context
    )


def plain(setting: Setting, like: OurStep, synthetic: ImageSet, context: Context) -> Plain:
    """The plain transcription with the weights that ``like`` has now."""
    parts, config = like.parts, like.config
    learner = learner_of(setting, synthetic, context)
    if setting.refiner in ("cyclegan", "vtr"):
        kind = PlainVtr if setting.refiner == "vtr" else PlainCycleGan
        return kind(config, [*_copied(parts["generators"]), *_copied(parts["discriminators"])])
    if setting.refiner == "cut":
        to_real, sampler = _copied(parts["generator"])
        judge = _contiguous(cast(nn.Module, parts["discriminator"]))
        return PlainCut(config, (cast(Any, to_real), cast(Any, sampler), judge))
    assert learner is not None
    _contiguous_weights(learner.network)
    targets = learner.targets(synthetic)
    if setting.refiner == "t2net":
        translator = _contiguous(cast(nn.Module, parts["translator"]))
        return PlainT2Net(config, [translator, *_copied(parts["discriminators"])], learner, targets)
    networks = [_contiguous(cast(nn.Module, parts[name])) for name in ("generator", "discriminator")]
    return PlainPixelDa(config, networks, learner, targets)


def loader(setting: Setting, synthetic: ImageSet, real: ImageSet) -> PlainLoader:
    """Batches for the plain step."""
    return PlainLoader(
        synthetic, real, setting.px, setting.batch, enlarge=286 / 256 if setting.refiner in ENLARGED else 1.0,
        masks=setting.refiner in ("vtr", "pixelda"), flip=setting.refiner != "pixelda",
    )  # fmt: skip


def new_context(directory: Path, device: str, precision: str) -> Context:
    """A context with a directory of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    return Context(seed=7, directory=directory, device=device, precision=cast(Any, precision))


def _copied(networks: Any) -> list[nn.Module]:
    return [_contiguous(network) for network in networks]


def _contiguous(network: nn.Module) -> nn.Module:
    copied = _published(copy.deepcopy(network))
    _contiguous_weights(copied)
    return copied.requires_grad_(True)


def _published(network: nn.Module) -> nn.Module:
    """The network with plain convolutions in place of our rearranged ones; the same parameters."""
    for name, part in network.named_children():
        if isinstance(part, ImageHead):
            head = nn.Conv2d(part.in_channels, part.out_channels, cast(tuple[int, int], part.kernel_size))
            head.load_state_dict(part.state_dict())
            setattr(network, name, head)
        else:
            _published(part)
    return network


def _contiguous_weights(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.data = parameter.data.contiguous(memory_format=torch.contiguous_format)
