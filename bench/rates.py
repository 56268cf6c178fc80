"""Adam for steps that may be captured (`bench.graphs`), and learning rates that change under them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def adam(
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], rate: float, betas: tuple[float, float], device: str
) -> torch.optim.Adam:
    """Fused Adam; on CUDA one whose state stays on the device, so that its step can be captured."""
    return torch.optim.Adam(parameters, rate, betas, fused=True, capturable=device.startswith("cuda"))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use ``rate``, times each group's own ``scale`` where it has one, from the next step on.

    A captured step reads the rate from the device's memory; for every other one it is a plain number.
    """
    for group in optimizer.param_groups:
        value = rate * group.get("scale", 1.0)
        if not group.get("capturable") or not group["params"]:
            group["lr"] = value
        elif isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = torch.tensor(value, dtype=torch.float32, device=group["params"][0].device)
