"""What an engine adds to a stage: ``python -m benchmarks.engine_overhead [--engines local ray] [--workers 1 2]``.

Stages that write one tiny image and wait a known time are run by each engine. Printed are the seconds until the first
stage ended (processes start, torch is imported), then stages a second once all workers are warm, how many that would
be without an engine, and the difference in milliseconds a stage: lease, sha256 and sync of the artifact, messages.
This file is a plug-in too: its world is what the stages run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import plugins
from bench.contracts import Context, PluginConfig, SplitRequest, World
from bench.describe import describe
from bench.engines import local, ray_cluster
from bench.formats.layout import ImageSetWriter
from bench.graph import Plan, Stage
from bench.samples import Labels
from bench.store import Store


class WaitingWorld(World):
    """One grey image after a while."""

    name = "waiting"
    version = 1
    real_kind = "stand-in"

    class Config(PluginConfig):
        """Seconds that a stage waits."""

        seconds: float = 0.0

    def image_set(self, request: SplitRequest, context: Context) -> None:
        """Wait, and write the set."""
        time.sleep(self.config.seconds)
        writer = ImageSetWriter(context.directory, domain=request.domain, kind="rendered", class_names=["a"], labels=[])
        writer.add("0", np.full((request.size, request.size, 3), 128, np.uint8), Labels())
        writer.close()


def waiting_plan(count: int, seconds: float) -> Plan:
    """``count`` stages that rest on nothing."""
    described = describe("world", "waiting", {"seconds": seconds})
    plan = Plan(None, described, described, "stand-in")  # type: ignore[arg-type]
    for seed in range(count):
        request = {"domain": "synthetic", "split": "train", "count": 1, "size": 8, "seed": seed}
        spec = {"stage": "render", "plugin": described.identity, "request": request}
        plan.add(Stage("render", f"wait #{seed}", spec, {}, {"plugin": ["world", "waiting", described.config]}))
    return plan


def measure(run: Callable[..., Any], plan: Plan, workers: int) -> tuple[float, float]:
    """Seconds until the first stage ended, and stages a second from then on, the first of each worker left out."""
    ended: list[float] = []

    def listen(event: local.Event) -> None:
        if event.outcome is not None:
            assert event.outcome.status == "done", event.outcome
            ended.append(time.monotonic())

    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        run(plan, Store(Path(folder)), device="cpu", workers=workers, listen=listen)
    warm = ended[2 * workers - 1 :]
    return ended[0] - started, (len(warm) - 1) / (warm[-1] - warm[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_overhead", description=__doc__)
    parser.add_argument("--engines", nargs="+", choices=("local", "ray"), default=["local", "ray"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", nargs="+", type=float, default=[0.0, 0.5], help="what a stage waits")
    parser.add_argument("--stages", type=int, default=60)
    args = parser.parse_args(arguments)
    plugins.add_file(Path(__file__))
    print("| engine | workers | a stage waits | first stage ended after | stages/s | at most | added to a stage |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for engine in args.engines:
        for workers in args.workers:
            for seconds in args.seconds:
                begun, rate = one(engine, waiting_plan(args.stages, seconds), workers)
                most = f"{workers / seconds:.1f}" if seconds else "—"
                added = 1000 * (workers / rate - seconds)
                print(
                    f"| {engine} | {workers} | {seconds:g} s | {begun:.1f} s | {rate:.1f} | {most} | {added:.0f} ms |",
                    flush=True,
                )
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def one(engine: str, plan: Plan, workers: int) -> tuple[float, float]:
    """As `measure`, with an engine by name; Ray is made of this machine, and its own start is not counted."""
    if engine == "local":
        return measure(local.run_plan, plan, workers)
    with ray_cluster.connected("local", workers) as ray:

        def run(plan: Plan, store: Store, **options: Any) -> Any:
            return ray_cluster.run_plan(plan, store, ray, needs=ray_cluster.Needs(), **options)

        return measure(run, plan, workers)


if __name__ == "__main__":
    main()
