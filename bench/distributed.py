"""One training shared by several processes (ranks), a GPU each: every rank computes its part of the same batches.

Initial weights and everything random come from the seed, so the ranks begin alike and draw alike; gradients are
averaged before every optimizer step, so they go on alike. Up to rounding the result is that of one process, provided
that a loss is a mean over images and no layer looks at the whole batch (instance normalisation does not; batch
normalisation does). What a step does with all images at once, such as an image pool, takes them by `gathered`.

With one rank every function here gives back what it was given: nothing changes, to the last bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from bench.contracts import Context
from bench.errors import UsageError

TIMEOUT = timedelta(minutes=10)
"""A rank that waits longer for the others gives up; a sample sheet of rank 0 takes seconds."""


class PeerLostError(RuntimeError):
    """Another rank no longer answers; which one and why, whoever started it can tell."""


@contextlib.contextmanager
def _asking_the_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerLostError(f"another rank no longer answers: {error}") from error


@contextlib.contextmanager
def joined(context: Context, rendezvous: Any) -> Iterator[None]:
    """Be rank ``context.rank`` of ``context.ranks``, and average the gradients of every optimizer before its step.

    ``rendezvous`` is a `torch.distributed.Store` that all ranks share. NCCL on CUDA devices, gloo on a CPU.
    """
    cuda = context.device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(context.rank)
    backend = "nccl" if cuda else "gloo"
    with _asking_the_others():
        dist.init_process_group(
            backend, store=rendezvous, rank=context.rank, world_size=context.ranks, timeout=TIMEOUT
        )
    hook = register_optimizer_step_pre_hook(_average_gradients)
    try:
        yield
    finally:
        hook.remove()
        dist.destroy_process_group()


def _average_gradients(optimizer: Optimizer, *_: Any) -> None:
    """Mean over ranks of all gradients that an optimizer is about to use, in one message a type of number."""
    gradients: dict[torch.dtype, list[Tensor]] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                gradients.setdefault(parameter.grad.dtype, []).append(parameter.grad)
    for alike in gradients.values():
        flat = torch.cat([gradient.reshape(-1) for gradient in alike])
        with _asking_the_others():
            dist.all_reduce(flat)
        flat /= dist.get_world_size()
        parts = torch.split(flat, [gradient.numel() for gradient in alike])
        for gradient, average in zip(alike, parts, strict=True):
            gradient.copy_(average.view(gradient.shape))


def part(context: Context, count: int) -> slice:
    """This rank's share of a batch of ``count``; raises `UsageError` where the ranks cannot share it equally."""
    if count % context.ranks:
        how = f"make the batch size a multiple of {context.ranks}, or use fewer ranks"
        raise UsageError(f"--ranks {context.ranks}: cannot share a batch of {count} equally; {how}")
    size = count // context.ranks
    return slice(context.rank * size, (context.rank + 1) * size)


def gathered(context: Context, images: Tensor) -> Tensor:
    """The whole batch, (ranks * N, ...), of which each rank has (N, ...); without gradient if there are ranks."""
    if context.ranks == 1:
        return images
    images = images.detach().contiguous()
    found = [torch.empty_like(images) for _ in range(context.ranks)]
    with _asking_the_others():
        dist.all_gather(found, images)
    return torch.cat(found)


def noise_like(context: Context, images: Tensor) -> Tensor:
    """Standard normal noise for this rank's images: its part of what one process would draw for the whole batch."""
    if context.ranks == 1:
        return torch.randn_like(images)
    whole = torch.randn((context.ranks * len(images), *images.shape[1:]), dtype=images.dtype, device=images.device)
    return whole[part(context, len(whole))]


def mean(context: Context, losses: Mapping[str, float]) -> dict[str, float]:
    """Each loss over the whole batch: the mean of the ranks' own. Every rank gets the same numbers."""
    if context.ranks == 1:
        return dict(losses)
    values = torch.tensor(list(losses.values()), dtype=torch.float64, device=context.device)
    with _asking_the_others():
        dist.all_reduce(values)
    return dict(zip(losses, (values / context.ranks).tolist(), strict=True))
