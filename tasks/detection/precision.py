"""Boxes stay in float32 where networks run in bfloat16: with its 8 bits, a coordinate of 300 pixels is off by 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def to_float32(value: Any) -> Any:
    """Floating-point tensors in float32, also inside of dicts, lists and tuples; everything else as it is."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return type(value)((key, to_float32(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value)(to_float32(item) for item in value)
    return value


def keep_float32(*modules: nn.Module) -> None:
    """Make modules return float32 whatever autocast makes of their insides (hooks, so state names do not change)."""
    for module in modules:
        module.register_forward_hook(lambda _module, _inputs, outputs: to_float32(outputs))


def without_autocast(device: torch.device) -> torch.autocast:
    """A context in which operations keep the precision of their arguments."""
    return torch.autocast(device.type, enabled=False)
