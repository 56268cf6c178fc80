"""What the harness costs around the work: starting, planning, running, running again, reporting."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.conformance.run import MOCKS
from bench.store import Store
from bench.suite import load_suite
from benchmarks.measuring import ROOT, Row, command, measured, slope

PLANNED = "linemod"
SUITES = ("digits", "flight", "vending", "linemod", "rooms")
MOST_BY_ONE = 1000
MOCK = """schema = 1
name = "mock"
task = "mock-task"
models = ["mock-model"]
arms = ["synthetic", "refined(identity)", "refined(color-transfer)", "refined(fourier)", "real"]
size = 32
replicates = 1
counts = {{ synthetic_train = 16, real_train = 16, real_test = 8 }}
world = {{ name = "mock-world" }}
"""


def startup() -> Iterator[Row]:
    """The commands that answer at once."""
    for case, arguments in (
        ("--help", ("-m", "bench", "--help")), ("run --help", ("-m", "bench", "run", "--help")),
        ("import bench", ("-c", "import bench, sys; assert 'torch' not in sys.modules")),
        ("python alone", ("-c", "pass")),
    ):  # fmt: skip
        yield measured("startup", case, 0, "", lambda a=arguments: command(*a), repeats=5)


def plan(cells: tuple[int, ...] = (10, 1000, 10_000)) -> Iterator[Row]:
    """``bench plan`` of a built-in suite with as many replicates as it takes; plug-ins were described before."""
    arms = len(load_suite(PLANNED, "quick", [], "").arms)
    rows = []
    with tempfile.TemporaryDirectory() as store:
        for wanted in cells:
            replicates = max(1, round(wanted / arms))
            arguments = ("-m", "bench", "plan", "--suite", PLANNED, "--replicates", str(replicates), "--store", store)
            if not rows:
                command(*arguments)
            rows.append(
                measured("plan", f"plan {PLANNED}", replicates * arms, "cells", lambda a=arguments: command(*a))
            )
            yield rows[-1]
    if len(rows) > 1:
        yield Row("plan", "slope from 1,000 cells on", 0, "", slope(rows[-2:]), 0, "log seconds over log cells")


def runs(cells: tuple[int, ...] = (10, 1000)) -> Iterator[Row]:
    """A mock suite whose stages take milliseconds: what a run adds to them, a finished run again, and its report."""
    arms = 5
    for wanted in cells:
        with tempfile.TemporaryDirectory() as folder:
            replicates, root = max(1, round(wanted / arms)), Path(folder)
            (root / "mock.toml").write_text(MOCK.format())
            options = (
                "--suite", str(root / "mock.toml"), *(f"--plugin={mock}" for mock in MOCKS),
                "--replicates", str(replicates), "--store", str(root / "store"), "--out", str(root / "out"),
            )  # fmt: skip
            # What a run adds is told with one worker; filling a store for what follows is quicker with two.
            count, workers = replicates * arms, 1 if wanted <= MOST_BY_ONE else 2
            run = ("-m", "bench", "run", *options, "--device", "cpu", "--workers", str(workers))
            first = measured("runs", "run", count, "cells", lambda r=run: command(*r), repeats=1)
            yield replace(first, note=f"{workers} workers" if workers > 1 else "")
            history = Store(root / "store").history()
            inside = sum(entry["seconds"] for entry in history)
            if workers == 1:
                yield Row(
                    "runs", "run, outside of stages", count, "cells", first.wall - inside, first.wall - inside,
                    f"wall less {inside:.2f} s inside {len(history)} stages; the report is part of it",
                )  # fmt: skip
            yield measured("runs", "run again, all cached", count, "cells", lambda r=run: command(*r))
            yield measured("runs", "report", count, "cells", lambda o=options: command("-m", "bench", "report", *o))


def committing(files: tuple[int, ...] = (1, 100, 1000, 8000)) -> Iterator[Row]:
    """An artifact of many files of 1 kB: hashed, written through to the disk and renamed; then verified by another."""
    for count in files:
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:  # a temporary folder may lie in memory
            store, numbers = Store(Path(folder)), iter(range(3))

            def commit(store: Store = store, numbers: Iterator[int] = numbers, count: int = count) -> None:
                source = store.work("made") / "out"
                source.mkdir(parents=True)
                for number in range(count):
                    (source / f"{number:05d}.png").write_bytes(os.urandom(1024))
                store.commit(f"{next(numbers):064d}", source, {})

            yield measured("committing", "write and commit", count, "files", commit)
            yield measured("committing", "verify", count, "files", lambda s=store: Store(s.root).verify(f"{0:064d}"))


def overhead(replicates: int | None = None, suites: Sequence[str] = SUITES) -> Iterator[Row]:
    """What a quick run of every built-in suite spends outside of its stages: starting, leases, files, the report.

    One worker does all, so that nothing waits for another's stage, and the wall less the stages' own seconds is it all.
    ``replicates`` None: as many as the suite's `quick` has.
    """
    wanted = replicates
    for suite in suites:
        replicates = wanted or load_suite(suite, "quick", [], "").replicates
        with tempfile.TemporaryDirectory() as folder:
            options = ("--suite", suite, "--profile", "quick", "--replicates", str(replicates), "--store", folder)
            run = ("-m", "bench", "run", *options, "--out", f"{folder}/out", "--device", "cpu", "--workers", "1")
            whole = measured("overhead", f"{suite} quick", replicates, "replicates", lambda r=run: command(*r), 1)
            history = Store(Path(folder)).history()
            inside = sum(entry["seconds"] for entry in history)
            yield replace(whole, note=f"{len(history)} stages")
            yield Row(
                "overhead", f"{suite} quick, outside of stages", replicates, "replicates", whole.wall - inside,
                whole.wall - inside, f"{100 * (1 - inside / whole.wall):.2f} % of the wall",
            )  # fmt: skip
            yield measured(
                "overhead", f"{suite} quick again, all cached", replicates, "replicates", lambda r=run: command(*r)
            )
