"""Wall time of a suite's quick run, before and after: ``python -m benchmarks.quick vending=COMMIT linemod=COMMIT``.

Each suite is run by the code of its commit and by the code that stands here, one after the other, each into an empty
store, renderings included. What is compared is what a user waits for: settings that changed in between are part of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, processor

COLUMNS = (
    "date", "machine", "suite", "code", "commit", "profile", "replicates", "workers", "stages", "stage_seconds",
    "seconds",
)  # fmt: skip


def run(code: Path, suite: str, options: argparse.Namespace, folder: Path) -> tuple[float, dict[str, Any]]:
    """Run a suite by the code of a checkout; seconds on the clock, and what the run says of itself."""
    command = [
        sys.executable, "-m", "bench", "run", "--suite", suite, "--profile", options.profile, "--workers",
        str(options.workers), "--replicates", str(options.replicates), "--store", str(folder / "store"), "--out",
        str(folder / "run"), "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{suite} by {code}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    made: dict[str, Any] = json.loads((folder / "run" / "environment.json").read_text())
    return seconds, made


def git(*arguments: str) -> str:
    """What git says in this checkout; raises where it fails."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every suite twice; a line a run, printed and in a CSV."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=(__doc__ or "").split(":")[0])
    parser.add_argument("suites", nargs="+", metavar="SUITE=COMMIT")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--replicates", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--csv", type=Path, default=ROOT / "results" / "speed" / "quick.csv")
    options = parser.parse_args(arguments)
    lines: list[dict[str, Any]] = []
    for suite, _, commit in (text.partition("=") for text in options.suites):
        with tempfile.TemporaryDirectory() as name:
            before = Path(name) / "code"
            git("worktree", "add", "--quiet", "--detach", str(before), commit)
            try:
                for code, of in ((before, commit), (ROOT, git("rev-parse", "--short", "HEAD"))):
                    folder = Path(name) / ("now" if code == ROOT else "before")
                    folder.mkdir()
                    seconds, made = run(code, suite, options, folder)
                    lines.append({
                        "date": time.strftime("%Y-%m-%d"), "machine": processor(), "suite": suite,
                        "code": folder.name, "commit": of, "profile": options.profile,
                        "replicates": options.replicates, "workers": options.workers, "stages": made["stages"],
                        "stage_seconds": made["stage_seconds"], "seconds": f"{seconds:.1f}",
                    })  # fmt: skip
                    print(*lines[-1].values(), flush=True)
                    with options.csv.open("w", newline="") as file:
                        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                        writer.writeheader()
                        writer.writerows(lines)
            finally:
                git("worktree", "remove", "--force", str(before))
    return 0


if __name__ == "__main__":
    sys.exit(main())
