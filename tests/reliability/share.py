"""Several runs of one command at once, on one store and one folder of results: who made what, and was it made once?

    python -m tests.reliability.share --processes 10 --suite digits [--profile smoke] [--folder DIR]

One of them is killed in the middle (SIGKILL of all its processes), so its leases must be taken over. Exit code 1 when a
stage was computed twice, a run failed, or the rows differ from those of a run that had the store to itself.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.store import Store
from tests.reliability.kills import Bench, Tally, inspect, rows_without_measured


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--suite", default="digits")
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, which is kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        return share(folder, args.processes, ["--suite", args.suite, "--profile", args.profile, "--workers", "1"])


def share(folder: Path, count: int, arguments: list[str]) -> int:
    """Run alone, then ``count`` at once; say what came of it."""
    alone = Bench(folder / "alone", arguments)
    started = time.monotonic()
    if alone.start(30.0).wait():
        print(f"the run that was alone failed; see {alone.log}")
        return 1
    took_alone = time.monotonic() - started
    shared = [Bench(folder / f"run-{number}", arguments) for number in range(count)]
    for one in shared:
        one.store, one.out = folder / "store", folder / "out"
        one.command[-5:] = ["--out", str(one.out), "--device", "cpu"]
        one.command[one.command.index("--store") + 1] = str(one.store)
    started = time.monotonic()
    runs = [one.start(30.0) for one in shared]
    while not Store(shared[0].store).history() and any(run.poll() is None for run in runs):
        time.sleep(0.1)
    os.killpg(runs[0].pid, signal.SIGKILL)
    codes = [run.wait() for run in runs]
    took = time.monotonic() - started
    made = [len([line for line in one.log.read_text().splitlines() if "left" in line and ": in " in line])
            for one in shared]  # fmt: skip
    tally = Tally()
    inspect(shared[0], tally, "at the end")
    faults = [*tally.faults, *(f"a run ended with {code}" for code in codes[1:] if code)]
    counts = Counter(entry["key"] for entry in Store(shared[0].store).history())
    faults += [f"{key} was computed {n} times" for key, n in counts.items() if n > 1]
    if not faults and rows_without_measured(shared[0].out / "rows.csv") != rows_without_measured(
        alone.out / "rows.csv"
    ):
        faults.append("the rows differ")
    print(f"alone: {took_alone:.0f} s; {count} at once, the first killed: {took:.0f} s")
    print(f"{len(counts)} stages, by run: {' + '.join(map(str, made))}; {len(faults)} faults", *faults, sep="\n  ")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
