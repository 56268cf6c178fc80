"""Spoil valid inputs at random and see what the program makes of them.

    python -m tests.hostile.fuzz --minutes 5 [--target coco] [--seed 1]

A finding is an exception that is none of the project's own, ten seconds without an end, a file written outside of the
target's folder or read from beside it, a program started, or a connection made. Exit code 1 when there was one.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from bench.errors import BenchError
from tests.hostile.mutations import spoil
from tests.hostile.targets import TARGETS, Target

HANG_SECONDS = 10
"""Of this process's own time, so that a busy machine makes no findings; twelve times as long on the wall."""
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pty.spawn"}


class Hang(BaseException):
    """No `except Exception` of the program catches it."""


class Watch:
    """What the interpreter does while a target runs: files opened for writing elsewhere, programs, connections."""

    def __init__(self) -> None:
        self.inside: Path | None = None
        self.secret = ""
        self.seen: list[str] = []
        sys.addaudithook(self._event)

    def _event(self, event: str, args: tuple[Any, ...]) -> None:
        if self.inside is None:
            return
        if event in STARTS:
            self.seen.append(f"{event} {str(args)[:200]}")
        elif event == "open" and isinstance(args[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(args[0])) if b"\0" not in os.fsencode(args[0]) else ""
            writes = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if path.startswith(self.secret):
                self.seen.append(f"opened {path}, which is outside")
            if writes and not path.startswith((str(self.inside), "/dev/")) and "__pycache__" not in path:
                self.seen.append(f"wrote {path}, which is outside")

    @contextmanager
    def over(self, folder: Path, secret: Path) -> Iterator[None]:
        self.seen, self.secret = [], str(secret.resolve())
        self.inside = folder.resolve()
        try:
            yield
        finally:
            self.inside = None


@dataclass
class Report:
    """What a fuzz found: ``findings`` by what and where, each with the ways that led there first."""

    runs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)


def fuzz(
    seconds: float, targets: dict[str, Target], seed: int, folder: Path, report: Report, runs: int | None = None,
    keep: Path | None = None,
) -> Report:
    """Run for a time, or ``runs`` times; what led to a finding is kept in ``keep``."""
    watch = Watch()
    valid = {name: folder / "valid" / name for name in targets}
    for name, target in targets.items():
        target.build(valid[name])
    secret = folder / "outside"
    shutil.copytree(next(iter(valid.values())), secret)
    (secret / "secret.png").write_bytes(b"secret")
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until and (runs is None or number < runs):
        name = list(targets)[number % len(targets)]
        dice = random.Random(f"{seed} {number}")
        work = folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(valid[name], work)
        spoilt = [path for path in sorted(work.rglob("*")) if path.is_file()]
        likely = [path for path in spoilt if path.suffix not in {".png", ".jpg"}]
        ways = [
            spoil(dice.choice(likely if likely and dice.random() < 0.8 else spoilt), dice)
            for _ in range(dice.choice((1, 1, 1, 2, 4)))
        ]
        found = once(targets[name], work, secret, watch, report, name)
        report.runs[name] += 1
        for what in found:
            if what not in report.findings:
                report.findings[what] = f"{name}, seed {seed}, run {number}: {', '.join(ways)}"
                print(f"FINDING {what}\n  {report.findings[what]}", flush=True)
                if keep:
                    shutil.copytree(work, keep / f"{name}-{seed}-{number}", dirs_exist_ok=True)
        number += 1
    return report


def once(target: Target, work: Path, secret: Path, watch: Watch, report: Report, name: str) -> list[str]:
    """What one run showed."""
    found: list[str] = []
    signal.signal(signal.SIGALRM, _ring)
    signal.signal(signal.SIGPROF, _ring)
    signal.alarm(12 * HANG_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    try:
        with watch.over(work, secret):
            target.run(work)
    except BenchError as error:
        report.refused[name] += 1
        if not str(error).strip():
            found.append(f"{name}: an empty message ({type(error).__name__})")
    except Hang as hang:
        found.append(f"{name}: hang at {_where(hang)}")
    except Exception as error:
        found.append(f"{name}: {type(error).__name__} at {_where(error)}: {str(error)[:100]!r}")
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
    return found + [f"{name}: {line}" for line in dict.fromkeys(watch.seen)]


def _ring(number: int, frame: FrameType | None) -> None:
    raise Hang


def _where(error: BaseException) -> str:
    """The innermost line of the project."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/bench/" in frame.filename or "/refiners/" in frame.filename]
    last = (ours or list(frames))[-1]
    return f"{'/'.join(Path(last.filename).parts[-2:])}:{last.lineno}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that led to findings")
    args = parser.parse_args()
    chosen = {name: TARGETS[name] for name in args.target or TARGETS}
    report, started = Report(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fuzz(args.minutes * 60, chosen, args.seed, Path(folder), report, keep=args.keep)
    for name in chosen:
        print(f"{name:<14} {report.runs[name]:>7} runs, {report.refused[name]:>7} refused")
    total = sum(report.runs.values())
    print(f"{total} runs in {(time.monotonic() - started) / 60:.1f} minutes, {len(report.findings)} findings")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
