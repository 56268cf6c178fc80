"""Kill a run at random instants, go on each time, and compare the end with that of a run that nobody disturbed.

    python -m tests.reliability.kills --kills 50 --suite digits [--profile smoke] [--seed 1] [--folder DIR]

After every kill each artifact of the store is compared with its sha256, and nothing may lie in ``objects/`` that is no
whole artifact. When a run has ended before enough kills, another one begins in an empty store. Exit code 1 when
anything was lost, half-written, computed twice or different.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.store import ARTIFACT, CHECKPOINT, Store
from bench.training import CHECKPOINT_VARIABLE

MEASURED = ("seconds", "peak_mib")
"""Columns of rows.csv that a clock and the system measured: no two runs agree in them, disturbed or not."""
WAYS = ("SIGKILL, all processes", "SIGTERM, the run", "SIGKILL, one worker", "SIGKILL, the run alone")


@dataclass
class Tally:
    """What was done, and what came of it; ``faults`` must stay empty."""

    kills: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    checkpoints: int = 0
    artifacts: int = 0
    finished: int = 0
    faults: list[str] = field(default_factory=list)


class Bench:
    """One suite's command in a folder of its own, as processes that can be killed."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self.store, self.out, self.log = folder / "store", folder / "out", folder / "log.txt"
        folder.mkdir(parents=True)
        where = ["--store", str(self.store), "--out", str(self.out), "--device", "cpu"]
        self.command = [sys.executable, "-m", "bench", "run", *arguments, *where]

    def start(self, checkpoint_seconds: float) -> subprocess.Popen[bytes]:
        """Begin, or go on; everything that it says goes to the log."""
        with self.log.open("ab") as log:
            self.said = log.tell()
            return subprocess.Popen(
                self.command, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, CHECKPOINT_VARIABLE: str(checkpoint_seconds)},
            )

    def computing(self) -> bool:
        """Whether this start has begun with its stages."""
        return b" stages to make on " in self.log.read_bytes()[self.said :]

    def made(self) -> int:
        """How many artifacts there are."""
        return sum(1 for _ in self.store.glob(f"objects/*/*/{ARTIFACT}"))

    def at_work(self, session: int) -> bool:
        """Whether a process of this start holds a lease on a stage."""
        for lease in self.store.glob("leases/[0-9a-f]*"):
            try:
                if int(json.loads(lease.read_text())["pid"]) in workers(session):
                    return True
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return False

    def files(self) -> dict[str, dict[str, str]]:
        """key -> the sha256 of each file of its artifact."""
        store = Store(self.store)
        return {key: store.meta(key)["files"] for key in list(store.keys())}


def processes(session: int) -> list[int]:
    """The processes of a session that are alive, without its leader."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            cells = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(cells[3]) == session and cells[0] not in "ZX" and int(stat.parent.name) != session:
            found.append(int(stat.parent.name))
    return found


def workers(session: int) -> list[int]:
    """Those of them that compute stages (Python has a helper process besides)."""
    found = []
    for process in processes(session):
        try:
            if b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


def kill(run: subprocess.Popen[bytes], way: str, dice: random.Random) -> bool:
    """Do it; whether there was anything left to kill."""
    if run.poll() is not None:
        return False
    if way == "SIGKILL, one worker":
        chosen = workers(run.pid)
        if not chosen:
            return False
        os.kill(dice.choice(chosen), signal.SIGKILL)
        return True
    if way == "SIGKILL, all processes":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        run.send_signal(signal.SIGTERM if way == "SIGTERM, the run" else signal.SIGKILL)
    run.wait(60)
    deadline = time.monotonic() + 120
    while processes(run.pid) and time.monotonic() < deadline:  # orphans end at their next word to the run
        time.sleep(0.05)
    return True


def inspect(bench: Bench, tally: Tally, when: str) -> None:
    """Every artifact must be whole, and no other thing may lie among them."""
    store = Store(bench.store)
    for folder in sorted(bench.store.glob("objects/*/*")):
        tally.artifacts += 1
        wrong = store.verify(folder.name) if (folder / ARTIFACT).exists() else f"{folder}: no {ARTIFACT}"
        if wrong:
            tally.faults.append(f"{when}: {wrong}")
    tally.faults += [f"{when}: {path} was set aside" for path in bench.store.glob("damaged/*")]
    left = list(bench.store.glob("work/*"))
    tally.checkpoints += any((work / CHECKPOINT).exists() for work in left)
    newest = max((work.stat().st_mtime for work in left), default=0.0)
    for work in left:
        if work.stat().st_mtime < newest - 30:  # of an earlier kill
            continue
        try:
            label = (work / "stage.json").read_text().split('"label": "')[1]
        except (OSError, IndexError):
            continue
        tally.hit[label.split()[0].rstrip('"')] += 1


def rows_without_measured(path: Path) -> bytes:
    """rows.csv, byte for byte but for the columns `MEASURED`."""
    lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    kept = [number for number, name in enumerate(lines[0]) if name not in MEASURED]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[line[number] for number in kept] for line in lines])
    return text.getvalue().encode()


def compare(bench: Bench, whole: Bench, tally: Tally) -> None:
    """The end of a run that was killed against that of the undisturbed one."""
    if rows_without_measured(bench.out / "rows.csv") != rows_without_measured(whole.out / "rows.csv"):
        tally.faults.append(f"{bench.out / 'rows.csv'}: differs from {whole.out / 'rows.csv'}")
    mine, theirs = bench.files(), whole.files()
    tally.faults += [f"{bench.store}: artifact {key} differs" for key in theirs if mine.get(key) != theirs[key]]
    counts = Counter(entry["key"] for entry in Store(bench.store).history())
    tally.faults += [f"{bench.store}: {key} was computed {n} times" for key, n in counts.items() if n > 1]
    tally.finished += 1


def torment(
    folder: Path, arguments: Sequence[str], kills: int, seed: int, ways: Sequence[str] = WAYS,
    checkpoint_seconds: float = 0.5,
) -> Tally:
    """Run undisturbed once, then with ``kills`` kills spread over as many runs as it takes."""
    tally, dice = Tally(), random.Random(seed)
    whole = Bench(folder / "whole", arguments)
    started = time.monotonic()
    run = whole.start(30.0)
    while not whole.computing() and run.poll() is None:
        time.sleep(0.02)
    startup = time.monotonic() - started
    if run.wait() != 0:
        tally.faults.append(f"the undisturbed run ended with {run.returncode}; see {whole.log}")
        return tally
    span = max(0.5, 3 * (time.monotonic() - started - startup) / max(whole.made(), 1))
    while sum(tally.kills.values()) < kills:
        bench = Bench(folder / f"killed-{tally.finished}", arguments)
        _one_run(bench, whole, tally, kills, dice, list(ways), startup, span, checkpoint_seconds)
        if tally.faults:
            break
    return tally


def _one_run(
    bench: Bench, whole: Bench, tally: Tally, kills: int, dice: random.Random, ways: list[str], startup: float,
    span: float, checkpoint_seconds: float,
) -> None:
    while True:
        run, before = bench.start(checkpoint_seconds), sum(tally.kills.values())
        while run.poll() is None and sum(tally.kills.values()) < kills:
            way = ways[sum(tally.kills.values()) % len(ways)]
            if way != "SIGKILL, one worker" and dice.random() < 0.1:
                _sleep(run, dice.uniform(0, startup))  # while it starts
            else:
                # Some kills hit the first stage of a start, others one after stages were finished.
                wanted = bench.made() + dice.choice((0, 0, 1, 2))
                while run.poll() is None and not (bench.made() >= wanted and bench.at_work(run.pid)):
                    time.sleep(0.05)
                _sleep(run, dice.uniform(0, span))
            if kill(run, way, dice):
                tally.kills[way] += 1
                inspect(bench, tally, f"kill {sum(tally.kills.values())} ({way})")
                done = f"kill {sum(tally.kills.values())}: {way}; {bench.made()} artifacts"
                print(f"{done}, {tally.checkpoints} times a checkpoint", file=sys.stderr, flush=True)
        code = run.wait()
        inspect(bench, tally, f"exit code {code}")
        if code == 0:
            compare(bench, whole, tally)
            return
        if tally.faults or code in (1, 2, 4) or sum(tally.kills.values()) == before:
            tally.faults.append(f"exit code {code}; see {bench.log}")
            return


def _sleep(run: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--suite", default="digits")
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, which is kept")
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        tally = torment(folder, ["--suite", args.suite, "--profile", args.profile], args.kills, args.seed)
    for way in WAYS:
        print(f"{tally.kills[way]:4} x {way}")
    stages = ", ".join(f"{name} {count}" for name, count in tally.hit.most_common())
    print(f"stages that were in progress: {stages}; {tally.checkpoints} times with a checkpoint")
    print(f"{tally.artifacts} artifacts compared with their sha256; {tally.finished} runs finished and compared")
    print(f"{sum(tally.kills.values())} kills in {(time.monotonic() - started) / 60:.1f} minutes, ", end="")
    print(f"{len(tally.faults)} faults", *tally.faults, sep="\n  ")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
