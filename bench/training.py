"""The one training loop that refiners and tasks use: progress, loss log, NaN watch, checkpoints that resume exactly.

Everything random is derived from (seed, step), so a run that was killed and goes on from a checkpoint draws what the
uninterrupted run would have drawn, and on a CPU ends in the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from bench.contracts import Context, Progress
from bench.distributed import mean
from bench.durable import sync_tree, write_whole
from bench.errors import DivergedError
from bench.seeds import derive
from bench.watch import LossWatch

CHECKPOINT_SECONDS = 30.0
CHECKPOINT_VARIABLE = "BENCH_CHECKPOINT_SECONDS"
"""Environment variable: another time between checkpoints, for machines that are taken away often; never in a result."""


class Stateful(Protocol):
    """Anything whose state can be saved: modules, optimizers, schedulers, image pools."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, nested in dicts and lists (no other objects)."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take what `state_dict` returned."""


class Batches:
    """Shuffled batches as a pure function of the step: epoch e is a permutation drawn from (seed, name, e).

    A batch that crosses the end of an epoch takes its rest from the next one, so every step has ``size`` items.
    """

    def __init__(self, count: int, size: int, seed: int, name: str = "batches") -> None:
        if count < 1:
            raise ValueError("no samples to draw batches from")
        self.count, self.size, self.seed, self.name = count, size, seed, name
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._order = np.random.default_rng(derive(self.seed, self.name, epoch)).permutation(self.count)
            self._epoch = epoch
        return self._order

    def indices(self, step: int) -> list[int]:
        """The indices of batch ``step`` (0-based)."""
        positions = range(step * self.size, (step + 1) * self.size)
        return [int(self._permutation(p // self.count)[p % self.count]) for p in positions]


def step_generator(seed: int, name: str, step: int) -> np.random.Generator:
    """A numpy generator that depends on nothing but its arguments (augmentation of one step, say)."""
    return np.random.default_rng(derive(seed, name, step))


def autocast(context: Context) -> contextlib.AbstractContextManager[Any]:
    """Mixed precision where the context asks for it and the device gains (CUDA); otherwise nothing."""
    if context.precision == "bf16" and context.device.startswith("cuda"):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def memory_layout(module: torch.nn.Module) -> torch.memory_format:
    """How a network's tensors should lie in memory: channels last, but for networks that this would crash.

    Channels last makes convolutions 15 to 25 % faster on AVX-512, and is what tensor cores want. But on processors with
    AVX2 alone the backward pass of a 1x1 convolution of stride 2 or more with fewer than 8 input channels then writes
    past its memory (seen with torch 2.14.1: heap corruption from 3 to 7 input channels, none from 8 on).
    """
    for part in module.modules():
        if (
            isinstance(part, torch.nn.Conv2d)
            and part.kernel_size == (1, 1)
            and max(part.stride) > 1
            and part.in_channels // part.groups < 8
        ):
            return torch.contiguous_format
    return torch.channels_last


@contextlib.contextmanager
def evaluating(*modules: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; modes are put back afterwards."""
    modes = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)


def train(
    step: Callable[[int], Mapping[str, torch.Tensor | float]],
    *,
    steps: int,
    batch_size: int,
    context: Context,
    parts: Mapping[str, Stateful],
    sheet: Callable[[int], None] | None = None,
    sheets: int = 0,
    log_every: int = 10,
    checkpoint_seconds: float | None = None,
) -> None:
    """Run ``step(i)`` for i in 0..steps-1, logging, watching and saving.

    Args:
        step: does one optimizer step and returns its named losses (scalars; tensors stay on the device until logged).
        steps: how many; equal in every arm of a cell.
        batch_size: images a step, for images/s.
        context: seed, directory (gets ``losses.csv``), checkpoint file, progress.
        parts: everything with state (networks, optimizers, schedulers, pools); saved whole in the checkpoint.
        sheet: draws a sample sheet for a step; called ``sheets`` times spread over the run, and at the end.
        log_every: steps between lines of ``losses.csv`` and checks for NaN.
        checkpoint_seconds: time between checkpoints (default: `CHECKPOINT_VARIABLE`, else `CHECKPOINT_SECONDS`); it
            never changes the result.

    Raises:
        DivergedError: a logged loss is NaN or infinite, or explodes (`bench.watch`); the message names loss and step.
    """
    if checkpoint_seconds is None:
        checkpoint_seconds = float(os.environ.get(CHECKPOINT_VARIABLE, CHECKPOINT_SECONDS))
    start = _resume(context, parts)
    leads = context.rank == 0  # of processes that train together, one logs, draws and saves for all
    log = _LossLog(context.directory / "losses.csv", keep_below=start) if leads else None
    sheet_steps = {round(steps * (k + 1) / sheets) for k in range(sheets)} if leads and sheet and sheets else set()
    saved = logged = time.monotonic()
    logged_step = start
    for i in range(start, steps):
        torch.manual_seed(derive(context.seed, "torch", i))
        losses = step(i)
        done = i + 1
        if done % log_every == 0 or done == steps or i == start:
            values = mean(context, {name: float(value) for name, value in losses.items()})
            for name, value in values.items():
                if not math.isfinite(value):
                    raise DivergedError(f"step {done}: {name} is {value}; lower the learning rate or clip gradients")
            # A resumed run logs the same lines as a whole one.
            if log and (done % log_every == 0 or done == steps or i == 0):
                exploded = log.write(done, values)
                if exploded:
                    raise DivergedError(f"step {done}: {exploded}; lower the learning rate or clip gradients")
            now = time.monotonic()
            rate = batch_size * (done - logged_step) / max(now - logged, 1e-9)
            logged, logged_step = now, done
            context.progress(Progress(done, steps, values, rate))
        if sheet and done in sheet_steps:
            sheet(done)
        if leads and context.checkpoint is not None and time.monotonic() - saved > checkpoint_seconds:
            _save(context.checkpoint, done, parts, context.directory)
            saved = time.monotonic()


class _LossLog:
    """``losses.csv``: one line a logged step; lines past a resumed step are dropped so that the log has no doubles."""

    def __init__(self, path: Path, keep_below: int) -> None:
        self.path = path
        self.columns: list[str] = []
        kept: list[str] = []
        if keep_below and path.exists():
            # A line that a kill or a power cut tore ends without a line end, or is none of numbers.
            lines = path.read_text(errors="replace").split("\n")[:-1]
            self.columns = lines[0].split(",")[1:] if lines else []
            kept = lines[:1] + [line for line in lines[1:] if self._is_whole(line, keep_below)]
        write_whole(path, "".join(line + "\n" for line in kept), durable=False)
        self._watch = LossWatch()
        for line in kept[1:]:
            self._watch(dict(zip(self.columns, map(float, line.split(",")[1:]), strict=True)))

    def _is_whole(self, line: str, keep_below: int) -> bool:
        cells = line.split(",")
        try:
            return len([float(cell) for cell in cells]) == len(self.columns) + 1 and int(cells[0]) <= keep_below
        except ValueError:
            return False

    def write(self, step: int, values: Mapping[str, float]) -> str:
        """Write a line; what `LossWatch` says of it (of the rounded values, as it does when a run goes on)."""
        with self.path.open("a") as file:
            if not self.columns:
                self.columns = list(values)
                file.write(",".join(["step", *self.columns]) + "\n")
            rounded = {name: f"{values[name]:.6g}" for name in self.columns}
            file.write(",".join([str(step), *rounded.values()]) + "\n")
        return self._watch({name: float(text) for name, text in rounded.items()})


def _save(path: Path, step: int, parts: Mapping[str, Stateful], written: Path) -> None:
    """Save a checkpoint that ends in its own sha256; first ``written``, the folder of what the stage wrote so far.

    A checkpoint promises that the log and the sheets up to its step are there, so they must be on the disk before it.
    """
    sync_tree(written)
    buffer = io.BytesIO()
    torch.save({"step": step, "parts": {name: part.state_dict() for name, part in parts.items()}}, buffer)
    write_whole(path, sealed(buffer.getvalue()))


def sealed(data: bytes) -> bytes:
    """Bytes with their sha256 behind them; torch reads such a file as it does without."""
    return data + hashlib.sha256(data).hexdigest().encode()


def _resume(context: Context, parts: Mapping[str, Stateful]) -> int:
    """Load the checkpoint where there is one; return the step to go on from. An unreadable one is dropped."""
    path = context.checkpoint
    if path is None or not path.exists():
        return 0
    try:
        data = path.read_bytes()
        if sealed(data[:-64]) != data:
            raise ValueError("bytes do not match their sha256")
        saved = torch.load(io.BytesIO(data[:-64]), map_location=context.device, weights_only=True)
        states, step = [saved["parts"][name] for name in parts], int(saved["step"])
    except Exception:  # a damaged pickle raises whatever its bytes lead to; nothing of it is run (weights_only)
        path.unlink()
        return 0
    for part, state in zip(parts.values(), states, strict=True):
        part.load_state_dict(state)
    return step
