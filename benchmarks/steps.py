"""Seconds of a refiner's training step: ours against a plain transcription of the published one.

    python -m benchmarks.steps --device cuda --px 64 128 256 --csv FILE --minutes 6

Variants take turns in one process; a turn is a block of steps between two synchronisations. Reported are medians over
blocks, and the median of the ratios within a round. The plain step's batch is decoded before its clock starts, as its
loader's worker processes would have done; what decoding took stands in a column of its own. Ours is timed whole.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import random
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.graphs import SWITCH
from benchmarks.drawn import drawn_set
from benchmarks.measuring import processor
from benchmarks.pairs import Plain, Setting, loader, new_context, ours, plain, published_batch
from benchmarks.plain.data import PlainBatch, PlainLoader

REFINERS = ("cyclegan", "vtr", "cut", "t2net", "pixelda")
COLUMNS = (
    "date", "machine", "device", "torch", "threads", "px", "batch", "refiner", "variant", "seconds",
    "images_per_second", "ratio", "gflop", "tflop_per_second", "peak_mib", "rounds", "steps_a_round", "decode_seconds",
    "note",
)  # fmt: skip
BLOCK_SECONDS = 0.3
WARM = 18
IMAGES = 24


@dataclass
class Variant:
    """One way to do a step. ``prepare(n)`` returns what ``run(step, item)`` takes, n times."""

    name: str
    prepare: Callable[[int], Sequence[Any]]
    run: Callable[[int, Any], Any]
    held: int = 0
    steps: int = 0
    seconds: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    peak: int = 0
    flops: int = 0


class Clock:
    """Synchronised time, and memory, of a device. A CPU's time is processor time: other programs share the machine."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")

    def now(self) -> float:
        """Seconds, once the device has nothing left to do."""
        if self.cuda:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def held(self) -> int:
        """Bytes allocated on the device."""
        return torch.cuda.memory_allocated() if self.cuda else 0

    def block(self, variant: Variant, count: int) -> float:
        """Seconds a step of ``count`` steps; notes the peak of memory."""
        start = time.perf_counter()
        items = variant.prepare(count)
        variant.decode.append((time.perf_counter() - start) / count)
        begin = self.now()
        before = self.held()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        for item in items:
            variant.run(variant.steps, item)
            variant.steps += 1
        seconds = (self.now() - begin) / count
        if self.cuda:
            variant.peak = max(variant.peak, torch.cuda.max_memory_allocated() - before + variant.held)
        return seconds


def variants(setting: Setting, device: str, folder: Path, clock: Clock) -> list[Variant]:
    """Plain, ours in float32, and on CUDA ours in bfloat16 with and without captured steps, all from one start."""
    synthetic, real = (drawn_set(folder, domain, IMAGES, setting.px) for domain in ("synthetic", "real"))
    made = []
    kinds = {"ours-fp32": "fp32"}
    if device.startswith("cuda"):
        kinds = {"ours-bf16-uncaptured": "bf16", "ours-bf16": "bf16", "ours-fp32": "fp32"}
    for name, precision in kinds.items():
        before = clock.held()
        os.environ[SWITCH] = "0" if name.endswith("uncaptured") else "1"
        step = ours(setting, synthetic, real, new_context(folder / name, device, precision))
        made.append(Variant(name, lambda n: [None] * n, lambda i, _, s=step: s(i), held=clock.held() - before))
        if len(made) == 1:
            before = clock.held()
            published = plain(setting, step, synthetic, new_context(folder / "plain", device, "fp32"))
            made.insert(0, _plain_variant(published, loader(setting, synthetic, real), device, clock.held() - before))
    return made


def _plain_variant(published: Plain, draw: PlainLoader, device: str, held: int) -> Variant:
    def decoded(count: int) -> list[PlainBatch]:
        return [draw() for _ in range(count)]

    return Variant("plain", decoded, lambda index, batch: published(index, batch.to(device)), held=held)


def measure(
    setting: Setting, device: str, seconds: float, rounds: int, folder: Path, profile: bool = False
) -> list[dict[str, Any]]:
    """Rows of one setting, from rounds of blocks that go on for ``seconds``, at least ``rounds`` of them."""
    clock, random_order = Clock(device), random.Random(1)
    end = time.monotonic() + seconds
    base, *others = variants(setting, device, folder, clock)
    failed, compared = [], [base]
    slowest = _warmed(base, clock)
    for variant in others:
        try:
            slowest = max(slowest, _warmed(variant, clock))
            compared.append(variant)
        except Exception as error:  # the others' figures are worth having all the same
            traceback.print_exc()
            failed.append({**_where(setting, device), "variant": variant.name, "note": _line(error)})
    count = max(1, min(40, round(BLOCK_SECONDS / slowest)))
    if setting.refiner == "t2net":  # whose discriminators move once in five steps
        count = (count + 4) // 5 * 5
    for variant in compared:
        variant.steps = 10 * (variant.steps // 10 + 1)
    done = 0
    while done < rounds or time.monotonic() < end:
        for variant in random_order.sample(compared, len(compared)):
            variant.seconds.append(clock.block(variant, count))
        done += 1
    if profile:
        for variant in compared:
            _profiled(variant, clock)
    return [_row(setting, device, variant, base, count) for variant in compared] + failed


def _profiled(variant: Variant, clock: Clock) -> None:
    """Print the kernels that took longest, with their number, over ten steps (a CPU: the operators)."""
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if clock.cuda else [])]
    with torch.profiler.profile(activities=kinds) as profiler:
        clock.block(variant, 10)
    by = "self_device_time_total" if clock.cuda else "self_cpu_time_total"
    print(variant.name)
    print(profiler.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=90))


def _warmed(variant: Variant, clock: Clock) -> float:
    """Seconds of a step, after those that choose algorithms, are counted, and are captured."""
    clock.block(variant, 1)
    variant.peak = 0  # the first step tries convolution algorithms, with memory of their own
    with FlopCounterMode(display=False) as counter:
        clock.block(variant, 1)
    variant.flops = counter.get_total_flops()
    once = clock.block(variant, 1)
    if once < 1:
        clock.block(variant, WARM)
        once = clock.block(variant, 2)
    variant.decode.clear()
    return once


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _row(setting: Setting, device: str, variant: Variant, base: Variant, count: int) -> dict[str, Any]:
    seconds = statistics.median(variant.seconds)
    ratio = statistics.median(b / v for b, v in zip(base.seconds, variant.seconds, strict=True))
    row = {
        **_where(setting, device), "variant": variant.name, "seconds": f"{seconds:.5g}",
        "images_per_second": f"{setting.batch / seconds:.4g}", "ratio": f"{ratio:.3f}",
        "rounds": len(variant.seconds), "steps_a_round": count,
        "decode_seconds": f"{statistics.median(variant.decode):.3g}" if variant is base else "",
    }  # fmt: skip
    if variant.flops:
        row |= {"gflop": f"{variant.flops / 1e9:.4g}", "tflop_per_second": f"{variant.flops / seconds / 1e12:.3g}"}
    if variant.peak:
        row["peak_mib"] = round(variant.peak / 2**20)
    return row


def _where(setting: Setting, device: str) -> dict[str, Any]:
    cuda = device.startswith("cuda")
    return {
        "date": time.strftime("%Y-%m-%d"), "machine": processor(),
        "device": torch.cuda.get_device_name() if cuda else "cpu", "torch": torch.__version__,
        "threads": torch.get_num_threads(), "px": setting.px, "batch": setting.batch, "refiner": setting.refiner,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every setting and write a row a variant as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--px", type=int, nargs="+", default=[64])
    parser.add_argument("--refiners", nargs="+", choices=REFINERS, default=list(REFINERS))
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3, help="at least so many, whatever the minutes")
    parser.add_argument("--batch", type=int, help="images of each domain a step; by default as published")
    parser.add_argument("--small", action="store_true", help="small networks, to try the script")
    parser.add_argument("--profile", action="store_true", help="print what the device did in ten steps of each variant")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True  # as the published code of CycleGAN and CUT sets it
    settings = [
        Setting(name, px, options.batch or published_batch(name, px), options.small)
        for px in options.px
        for name in options.refiners
    ]
    end, failed = time.monotonic() + 60 * options.minutes, 0
    options.csv.parent.mkdir(parents=True, exist_ok=True)
    with options.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for index, setting in enumerate(settings):
            share = (end - time.monotonic()) / (len(settings) - index)
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rows = measure(setting, options.device, share, options.rounds, Path(folder), options.profile)
                except Exception as error:  # one that runs out of memory must not take the others' figures along
                    traceback.print_exc()
                    failed += 1
                    rows = [{**_where(setting, options.device), "note": _line(error)}]
            gc.collect()  # captured steps hold on to their memory until then
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            for row in rows:
                writer.writerow(row)
                print(" ".join(str(row.get(name, "-")) for name in COLUMNS[5:15]), row.get("note", ""), flush=True)
            file.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
