"""Optimizers and learning-rate schedules of all tasks; a schedule is a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import nn

Schedule = Literal["one-cycle", "cosine", "constant", "poly"]
Kind = Literal["adamw", "adam", "sgd"]


def learning_rate_factor(step: int, steps: int, schedule: Schedule, warmup: float, power: float = 0.9) -> float:
    """What the peak learning rate is multiplied with at ``step`` (0-based) of ``steps``; in (0, 1].

    ``one-cycle`` rises and falls along cosines, from 1/25 to 1 to about 0 (Smith and Topin 2017, super-convergence);
    ``cosine`` rises linearly and falls along a cosine (Loshchilov and Hutter 2016); ``constant`` only warms up;
    ``poly`` falls as (1 - step / steps) to the ``power`` (Chen et al. 2018, DeepLab, section 4.1.1), without a rise.
    ``warmup`` is the share of the steps that the rise takes.
    """
    if schedule == "poly":
        return float((1 - step / steps) ** power)
    rise = max(1, round(steps * warmup))
    if step < rise:
        share = (step + 1) / rise
        if schedule == "one-cycle":
            return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * share)) / 2
        return share
    if schedule == "constant":
        return 1.0
    share = (step + 1 - rise) / (steps + 1 - rise)
    return (1 + math.cos(math.pi * share)) / 2


def make_optimizer(
    module: nn.Module, kind: Kind, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """`grouped_optimizer` over all parameters of a network at one learning rate."""
    return grouped_optimizer([{"params": list(module.parameters())}], kind, learning_rate, weight_decay)


def grouped_optimizer(
    groups: Iterable[Mapping[str, Any]], kind: Kind, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW, Adam, or SGD with Nesterov momentum .9; biases and normalisation parameters are not decayed.

    Args:
        groups: each with ``params``, and optionally ``scale``: its learning rate over that of the others.
        kind, learning_rate, weight_decay: of the optimizer; Adam's decay is added to the gradient.
    """
    split: list[dict[str, Any]] = []
    for group in groups:
        parameters = [parameter for parameter in group["params"] if parameter.requires_grad]
        scale = float(group.get("scale", 1.0))
        for chosen, decay in (
            ([p for p in parameters if p.ndim > 1], weight_decay),
            ([p for p in parameters if p.ndim <= 1], 0.0),
        ):
            split.append({"params": chosen, "weight_decay": decay, "scale": scale, "lr": learning_rate * scale})
    capturable = any(p.is_cuda for group in split for p in group["params"])
    if kind == "adamw":
        return torch.optim.AdamW(split, lr=learning_rate, fused=True, capturable=capturable)
    if kind == "adam":
        return torch.optim.Adam(split, lr=learning_rate, fused=True, capturable=capturable)
    return torch.optim.SGD(split, lr=learning_rate, momentum=0.9, nesterov=True, fused=True)


