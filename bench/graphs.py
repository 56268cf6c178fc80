"""A training step that is captured once on CUDA and then replayed as a whole (Nvidia's CUDA graphs).

A step of a refiner is thousands of small kernels, and at 64 to 256 pixels a GPU waits for the host to launch them. A
captured step is launched at once. What it needs in return: the same shapes every time, no value that the host reads,
and no number that the host puts in except through its inputs (learning rates: `bench.rates`). Random numbers of the
device are fine: a replay draws what a step computed as usual would draw after the same `torch.manual_seed`.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from torch import Tensor

Losses = Mapping[str, Tensor]
Compute = Callable[[Mapping[str, Tensor], Hashable], Losses]

SWITCH = "BENCH_CUDA_GRAPHS"
"""Environment variable: 0 computes every step as usual, should a driver not be up to this."""
WARM = 3
"""Steps of a kind that are computed as usual first: they choose convolution algorithms and make optimizer states."""


def choose_algorithms(device: str, *, repeatable: bool) -> None:
    """How convolutions are computed on CUDA from now on: the same way every time, or the fastest way that is found.

    Downstream models are trained in the first way, so that the control's gain is 0 on a GPU too as far as convolutions
    go: without it, `refined(identity)` was 0.1 in accuracy away from `synthetic` after 5,000 steps.
    """
    if torch.device(device).type == "cuda":
        torch.backends.cudnn.deterministic = repeatable
        torch.backends.cudnn.benchmark = not repeatable


class Replayed:
    """One step, computed as usual on a CPU, captured and replayed on CUDA.

    Args:
        compute: does the step from named inputs on the device and a variant, and returns losses without gradient. It
            must hold to the rules above; all that differs between variants is for the host to decide.
        device: a torch device string.
        capture: False computes as usual on CUDA too, for a step that cannot hold to the rules.
        repeatable: as for `choose_algorithms`.
    """

    def __init__(self, compute: Compute, device: str, capture: bool = True, repeatable: bool = False) -> None:
        self._compute, self._device = compute, torch.device(device)
        cuda = self._device.type == "cuda"
        self._capture = cuda and capture and os.environ.get(SWITCH, "1") != "0"
        self._seen: Counter[Hashable] = Counter()
        self._captured: dict[Hashable, _Captured] = {}
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None
        choose_algorithms(self._device.type, repeatable=repeatable)

    def __call__(self, inputs: Mapping[str, Tensor], variant: Hashable = None) -> Losses:
        """Do a step.

        Args:
            inputs: on the device or in main memory; always the same names, shapes and types.
            variant: what kind of step it is; each kind is captured by itself.

        Returns:
            Losses by name; the next step may write over them.
        """
        if not self._capture:
            return self._compute({name: value.to(self._device) for name, value in inputs.items()}, variant)
        captured = self._captured.get(variant)
        if captured is None:
            self._seen[variant] += 1
            if self._seen[variant] <= WARM:
                return self._as_usual(inputs, variant)
            captured = _Captured(inputs, self._device)
            try:
                self._pool = captured.record(self._compute, variant, self._side_stream(), self._pool)
            except RuntimeError as error:
                # Nothing of the step was computed yet, so it is done as usual, and so are all that follow.
                warnings.warn(f"a step cannot be captured on CUDA and runs slower: {_first_line(error)}", stacklevel=2)
                self._capture = False
                return self(inputs, variant)
            self._captured[variant] = captured
        return captured(inputs)

    def _side_stream(self) -> torch.cuda.Stream:
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return self._stream

    def _as_usual(self, inputs: Mapping[str, Tensor], variant: Hashable) -> Losses:
        """On the stream that will be captured: autograd remembers where it met a parameter first."""
        here, side = torch.cuda.current_stream(self._device), self._side_stream()
        placed = {name: value.to(self._device) for name, value in inputs.items()}
        side.wait_stream(here)
        with torch.cuda.stream(side):
            losses = self._compute(placed, variant)
        here.wait_stream(side)
        return losses


class _Captured:
    """One variant's graph with the memory that its inputs are copied to."""

    def __init__(self, inputs: Mapping[str, Tensor], device: torch.device) -> None:
        self._inputs = {name: value.to(device, copy=True) for name, value in inputs.items()}
        self._graph = torch.cuda.CUDAGraph()
        self._losses: Losses = {}

    def record(
        self, compute: Compute, variant: Hashable, stream: torch.cuda.Stream, pool: Any
    ) -> Any:
        """Capture; nothing is computed yet. Returns the memory pool, which all variants share: they take turns.

        Raises:
            RuntimeError: the step does something that cannot be captured.
        """
        # Other threads may go on using the device meanwhile: only this one's calls belong to the capture.
        with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self._losses = compute(self._inputs, variant)
        return self._graph.pool()

    def __call__(self, inputs: Mapping[str, Tensor]) -> Losses:
        for name, kept in self._inputs.items():
            value = inputs[name]
            # From pinned memory the host need not wait until the step before is done.
            kept.copy_(value.pin_memory() if value.device.type == "cpu" else value, non_blocking=True)
        self._graph.replay()
        return self._losses


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
