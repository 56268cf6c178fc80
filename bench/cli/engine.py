"""Options that say where stages run, and the engine that they stand for."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.cli.options import choose_device
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.engines.workers import Worker


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """``--device``, ``--workers``, ``--engine`` and what belongs to it."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="stages at a time (default: one a core; one on a GPU; what Ray has)"
    )
    parser.add_argument(
        "--ranks", type=int, default=1, metavar="N",
        help="processes that fit one refiner together, a GPU each, where it can be shared (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local",
        help="local: processes of this machine (default); ray: tasks on a Ray cluster that shares the store",
    )  # fmt: skip
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="the Ray cluster (default: $RAY_ADDRESS, or this machine alone)"
    )
    parser.add_argument(
        "--gpus-per-stage", type=float, metavar="X", help="with Ray: GPUs of a stage; 0.25 lets four share one"
    )
    parser.add_argument(
        "--memory-per-stage", type=float, metavar="GIB", help="with Ray: memory that is set aside for a stage"
    )


@dataclass(frozen=True)
class Engine:
    """Where stages run: how many at a time, in words, and ``run(plan, store, listen=..., ...)``."""

    workers: int
    words: str
    run: Callable[..., Any]


def check_engine_options(args: argparse.Namespace) -> None:
    """Raise `UsageError` for options that contradict each other or themselves, before anything is planned."""
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}: must be 1 or more")
    if args.ranks < 1:
        raise UsageError(f"--ranks {args.ranks}: must be 1 or more")
    for option in ("address", "gpus_per_stage", "memory_per_stage"):
        value, text = getattr(args, option), f"--{option.replace('_', '-')}"
        if value is not None and args.engine != "ray":
            raise UsageError(f"{text}: is for --engine ray")
        if isinstance(value, float) and not 0 < value < 1e6:
            raise UsageError(f"{text} {value:g}: must be above 0")
    gpus = args.gpus_per_stage
    if gpus is not None and gpus > 1 and gpus != int(gpus):
        raise UsageError(f"--gpus-per-stage {gpus:g}: a part of one GPU, or a whole number")


@contextlib.contextmanager
def engine(args: argparse.Namespace, early: list[Worker]) -> Iterator[Engine]:
    """The engine that the options name, ready to run; the local one takes the workers that started ``early``."""
    if args.engine == "local":
        from bench.engines import local

        device = choose_device(args.device)
        _check_devices(device, args.ranks)
        workers = args.workers or max(1, local.default_workers(device) // args.ranks)
        run = partial(local.run_plan, device=device, workers=workers, ranks=args.ranks, early=early)
        yield Engine(workers, f"{device} with {workers} workers", run)
        return
    from bench.engines import ray_cluster

    needs = ray_cluster.Needs(gpus=args.gpus_per_stage or 1.0, memory=args.memory_per_stage or 0.0)
    with ray_cluster.connected(args.address, args.workers) as ray:
        device = ray_cluster.device_of(ray, args.device)
        count = ray_cluster.slots(ray, needs, device)
        nodes = sum(node["Alive"] for node in ray.nodes())
        words = f"{device} with Ray, {count} stages at a time on {nodes} nodes"
        if not count:
            words += f"; waiting {ray_cluster.PATIENCE_SECONDS / 60:.0f} minutes for a node that can take one"
        run = partial(ray_cluster.run_plan, ray=ray, needs=needs, device=device, workers=args.workers, ranks=args.ranks)
        yield Engine(min(count, args.workers or count), words, run)


def _check_devices(device: str, ranks: int) -> None:
    if ranks == 1 or not device.startswith("cuda"):
        return
    import torch

    count = torch.cuda.device_count()
    if ranks > count:
        raise UsageError(f"--ranks {ranks}: {count} CUDA devices are visible; each rank needs one")
