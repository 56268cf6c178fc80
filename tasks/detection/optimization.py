"""Optimizer and learning-rate schedule of the detectors; the schedule is a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

Schedule = Literal["one-cycle", "cosine", "constant"]


def learning_rate_factor(step: int, steps: int, schedule: Schedule, warmup: float) -> float:
    """What the peak learning rate is multiplied with at ``step`` (0-based) of ``steps``; in (0, 1].

    ``one-cycle`` rises and falls along cosines, from 1/25 to 1 to about 0 (Smith and Topin 2017, super-convergence);
    ``cosine`` rises linearly and falls along a cosine (Loshchilov and Hutter 2016); ``constant`` only warms up.
    ``warmup`` is the share of the steps that the rise takes.
    """
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
    module: nn.Module, kind: Literal["adamw", "sgd"], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum .9; biases and normalisation parameters are not decayed."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if kind == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Use ``value`` for the next step in every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = value
