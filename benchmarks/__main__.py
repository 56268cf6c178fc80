"""``python -m benchmarks``: every benchmark that a CPU can do, or those that ``--only`` names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import harness, throughput
from benchmarks.measuring import ROOT, Row, show, write
from benchmarks.steps import main as steps

ALL: dict[str, Callable[[], Iterator[Row]]] = {
    "startup": harness.startup,
    "plan": harness.plan,
    "runs": harness.runs,
    "overhead": harness.overhead,
    "committing": harness.committing,
    "heads": throughput.heads,
    "loading": throughput.loading,
    "refining": throughput.refining,
    "writing": throughput.writing,
    "detectors": throughput.detectors,
    "rendering": throughput.rendering,
}


def main() -> int:
    """Measure, print, and write ``NAME.csv`` for each into a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=[*ALL, "steps"], help="may be given again (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "speed", metavar="DIR")
    parser.add_argument("--cells", type=int, nargs="+", metavar="N", help="sizes of `plan` and `runs`")
    parser.add_argument("--suites", nargs="+", choices=harness.SUITES, default=harness.SUITES, help="of `overhead`")
    parser.add_argument("--replicates", type=int, metavar="N", help="of `overhead` (default: the suite's)")
    options = parser.parse_args()
    throughput.use_one_thread()
    for name in options.only or [*ALL, "steps"]:
        if name == "steps":
            steps(["--csv", str(options.out / "steps-cpu.csv"), "--px", "64", "128", "--minutes", "20"])
            continue
        rows = []
        if name == "overhead":
            found = harness.overhead(options.replicates, options.suites)
        elif name in ("plan", "runs") and options.cells:
            found = {"plan": harness.plan, "runs": harness.runs}[name](tuple(options.cells))
        else:
            found = ALL[name]()
        for row in found:
            show([row])
            rows.append(row)
            write(options.out / f"{name}.csv", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
