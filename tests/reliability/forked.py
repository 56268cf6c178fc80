"""Many runs on one store as forks of this process, so that a test need not start Python twenty times.

    python -m tests.reliability.forked COUNT STORE SUITE [SETTING...]

Prints, a line a run, how many stages it made itself and how many it took over from others.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections import Counter
from pathlib import Path

import torch

from bench import plugins
from bench.engines import local, workers
from bench.plan import build_plan
from bench.store import Store
from bench.suite import load_suite
from tests.conftest import TOY


def main() -> int:
    """Fork, run, count."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    forks = multiprocessing.get_context("fork")
    workers.multiprocessing.get_context = lambda _: forks  # type: ignore[attr-defined,assignment]
    count, store, suite, settings = int(sys.argv[1]), Store(Path(sys.argv[2])), sys.argv[3], sys.argv[4:]
    plugins.add_file(TOY)
    plan = build_plan(load_suite(suite, "quick", settings), None, store.root / "descriptions")
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            statuses: Counter[str] = Counter()

            def listen(event: local.Event, statuses: Counter[str] = statuses) -> None:
                if event.outcome:
                    statuses[event.outcome.status] += 1

            failures = local.run_plan(plan, store, device="cpu", workers=1, listen=listen)
            print(f"{statuses['done']} made, {statuses['shared']} shared", flush=True)
            os._exit(1 if failures.reasons else 0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(main())
