"""What every benchmark shares: rows with machine and versions, timing, slopes."""

from __future__ import annotations

import csv
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("date", "machine", "device", "torch", "benchmark", "case", "size", "unit", "seconds", "wall", "rate", "note")


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        benchmark, case: what was measured.
        size: how much of ``unit`` was done (images, cells, pixels a side); 0 where that means nothing.
        seconds: of the processor, children included (other programs share the machine); the median of repeats.
        wall: seconds on the clock, of the same repeat.
        note: what else is to be known.
    """

    benchmark: str
    case: str
    size: int
    unit: str
    seconds: float
    wall: float
    note: str = ""


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measured(benchmark: str, case: str, size: int, unit: str, work: Callable[[], object], repeats: int = 3) -> Row:
    """Do ``work`` so often and take the repeat whose processor time is the median."""
    found = []
    for _ in range(repeats):
        before, begin = _spent(), time.perf_counter()
        work()
        found.append((_spent() - before, time.perf_counter() - begin))
    seconds, wall = sorted(found)[len(found) // 2]
    return Row(benchmark, case, size, unit, seconds, wall)


def _spent() -> float:
    # os.times() counts in hundredths of a second, which is more than some of this takes.
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with arguments from the repository's root; raises where it fails."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True,
        text=True,
    )  # fmt: skip


def slope(rows: Sequence[Row]) -> float:
    """Slope of log seconds against log size by least squares; 1 says that twice the size costs twice as much."""
    x, y = [math.log(row.size) for row in rows], [math.log(row.seconds) for row in rows]
    return statistics.linear_regression(x, y).slope


def write(path: Path, rows: Sequence[Row], device: str = "cpu") -> None:
    """Write rows with date, machine and versions."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            rate = f"{row.size / row.seconds:.4g}" if row.size and row.seconds else ""
            writer.writerow([
                time.strftime("%Y-%m-%d"), processor(), device, torch.__version__, row.benchmark, row.case, row.size,
                row.unit, f"{row.seconds:.4g}", f"{row.wall:.4g}", rate, row.note,
            ])  # fmt: skip


def show(rows: Sequence[Row]) -> None:
    """Print rows as they come."""
    for row in rows:
        size = f"{row.size} {row.unit}" if row.size else ""
        print(f"{row.benchmark:<10} {row.case:<38} {size:<16} {row.seconds:9.4f} s  wall {row.wall:8.3f} s  {row.note}")
    sys.stdout.flush()
