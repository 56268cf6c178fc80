"""The local engine: worker processes on this machine, each with one thread on a CPU, fed in order of the plan.

One thread a worker is a choice: the bytes of a result then depend neither on the number of cores nor of workers.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from bench import plugins
from bench.contracts import Progress
from bench.engines.execution import PROGRESS_SECONDS, Outcome
from bench.engines.sharing import Elsewhere
from bench.engines.waiting import Waiting
from bench.engines.workers import Setup, Worker, death, end_workers, start_worker
from bench.graph import Plan, Stage
from bench.store import Store

MOST_DAMAGED = 3
"""So often an artifact is computed again; one that is found damaged each time lies on a broken disk."""


@dataclass(frozen=True)
class Event:
    """What an engine tells the console: a stage started, progressed, ended, or was lost with its node and begins again.

    Attributes:
        host: where it started, told by engines that use several machines.
    """

    stage: Stage
    kind: str
    progress: Progress | None = None
    outcome: Outcome | None = None
    host: str = ""


@dataclass
class Failures:
    """Stages that did not come off, by key: the reason, and the stages that could therefore not run."""

    reasons: dict[str, str] = field(default_factory=dict)
    tracebacks: dict[str, str] = field(default_factory=dict)


def default_workers(device: str) -> int:
    """One worker a core on a CPU (at most 16), one on a GPU."""
    if device.startswith("cuda"):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, 16))


def run_plan(
    plan: Plan,
    store: Store,
    *,
    device: str,
    workers: int,
    listen: Callable[[Event], None],
    keep_going: bool = True,
    retry_failed: bool = False,
    ranks: int = 1,
    early: list[Worker] | None = None,
) -> Failures:
    """Run every stage that is not in the store; a failed one stops only what rests on it.

    Args:
        plan, store, device, workers, listen: what to do, where, and who is told.
        keep_going: False: the first failure stops the run (stages at work are broken off, and go on the next time).
        retry_failed: try trainings again that diverged in an earlier run; they fail again unless something random on
            the device, or the code of a plug-in whose version stayed, has changed.
        ranks: processes that share the fit of a refiner, where it can be shared (`bench.distributed`).
        early: workers that started before the plan was known (`bench.engines.workers.early_worker`).

    Raises nothing for a failed stage: reasons come back in `Failures`. KeyboardInterrupt stops the workers.
    """
    return Scheduler(plan, store, device, listen, keep_going, retry_failed, ranks).run(workers, early or [])


class Scheduler:
    """Which stages are to be made, in which order, and what follows from how they end; `run` makes them here."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        device: str,
        listen: Callable[[Event], None],
        keep_going: bool,
        retry_failed: bool,
        ranks: int = 1,
    ) -> None:
        self.plan, self.store, self.device, self.listen = plan, store, device, listen
        self.keep_going, self.retry_failed, self.ranks = keep_going, retry_failed, ranks
        self.failures = Failures()
        self.waiting = Waiting(plan.stages)
        self.elsewhere = Elsewhere(store)
        self.damaged: Counter[str] = Counter()
        self.stopped = False

    def run(self, count: int, early: list[Worker]) -> Failures:
        """Make everything in ``count`` worker processes of this machine; those that started early are taken first."""
        if not self.begin():
            return self.failures
        workers: list[Worker] = []
        try:
            while self.waiting or any(worker.stage for worker in workers):
                idle = [worker for worker in workers if worker.stage is None]
                waits = shared = False
                for stage in self.waiting.ready():
                    if not idle and len(workers) >= count:
                        break
                    if self.store.has(stage.key):
                        shared = True
                        self.end(stage, Outcome("shared"))
                        continue
                    if self.elsewhere.holds(stage.key):
                        waits = True
                        continue
                    if not idle:
                        idle.append(self._start(workers, early))
                    self._assign(idle.pop(), stage)
                busy = [worker for worker in workers if worker.stage is not None]
                if not busy and (waits or shared):
                    time.sleep(0 if shared else PROGRESS_SECONDS)
                    continue
                if not busy:
                    break
                for worker in self._woken(busy):
                    self._hear(worker, workers)
                if self.stopped:
                    break
        finally:
            end_workers(workers)
        return self.failures

    def begin(self) -> bool:
        """Find what is to be made; False where nothing is."""
        self.waiting.add(self._needed())
        self._known_failures()
        return bool(self.waiting)

    def _known_failures(self) -> None:
        """Fail at once what diverged before, or forget that it did."""
        for key in self.waiting:
            reason = self.store.failure(key)
            if reason and self.retry_failed:
                self.store.forget_failure(key)
            elif reason and key in self.waiting:
                text = f"{reason} (in an earlier run; --retry-failed tries again)"
                self.end(self.plan.stages[key], Outcome("failed", reason=text))

    def _needed(self) -> list[str]:
        """Keys of stages whose artifacts are missing, and that are results or that something missing rests on."""
        missing: set[str] = set()
        wanted = {cell.score_key for cell in self.plan.cells if cell.score_key}
        wanted |= {cell.train_key for cell in self.plan.cells if cell.train_key}
        wanted |= {key for one in self.plan.quality for key in one.keys}
        # Of a cell that nothing can score, the refined images are the result.
        wanted |= {key for cell in self.plan.cells if cell.skip for key in cell.refiner_keys}
        if not self.plan.cells:
            wanted = set(self.plan.stages)
        for key in reversed(list(self.plan.stages)):
            if key in wanted and not self.store.has(key):
                missing.add(key)
                wanted |= set(self.plan.stages[key].inputs.values())
        return [key for key in self.plan.stages if key in missing]

    def _start(self, workers: list[Worker], early: list[Worker]) -> Worker:
        worker = early.pop() if early and early[-1].process.is_alive() else start_worker()
        worker.send(Setup(self.store.root, self.device, plugins.extra_files(), self.ranks))
        workers.append(worker)
        return worker

    def _assign(self, worker: Worker, stage: Stage) -> None:
        self.waiting.begin(stage.key)
        worker.stage = stage
        self.listen(Event(stage, "started"))
        worker.send(stage)

    def _woken(self, busy: list[Worker]) -> list[Worker]:
        woken = wait([worker.pipe for worker in busy] + [worker.process.sentinel for worker in busy], timeout=1.0)
        return [worker for worker in busy if worker.pipe in woken or worker.process.sentinel in woken]

    def _hear(self, worker: Worker, workers: list[Worker]) -> None:
        stage = worker.stage
        assert stage is not None
        try:
            message = worker.pipe.recv() if worker.pipe.poll() else None
            died = message is None and not worker.process.is_alive()
        except (EOFError, OSError):
            message, died = None, True
        if died:
            worker.process.join()
            workers.remove(worker)
            self.end(stage, Outcome("failed", reason=death(worker.process.exitcode)))
        elif isinstance(message, Progress):
            self.listen(Event(stage, "progress", message))
        elif isinstance(message, Outcome):
            worker.stage = None
            self.end(stage, message)

    def end(self, stage: Stage, outcome: Outcome) -> None:
        """Take note of how a stage ended, and tell the listener."""
        if outcome.status == "busy":
            self.waiting.add([stage.key])
        elif outcome.status == "damaged" and self._may_be_made_again(outcome.damaged):
            above = self._missing_above(outcome.damaged)
            self._make_again([stage.key, *(key for key in above if not self.waiting.at_work(key))])
        elif outcome.status in ("failed", "damaged"):
            self.failures.tracebacks[stage.key] = outcome.traceback
            if outcome.fatal:
                for key in self.waiting:
                    self._fail(self.plan.stages[key], outcome.reason)
            elif not self.keep_going:
                self.stopped = True
            self._fail(stage, outcome.reason)
        else:
            self.waiting.end(stage.key)
        self.listen(Event(stage, "ended", outcome=outcome))

    def _may_be_made_again(self, key: str) -> bool:
        self.damaged[key] += 1
        return key in self.plan.stages and self.damaged[key] <= MOST_DAMAGED

    def _make_again(self, keys: list[str]) -> None:
        self.waiting.add(keys)
        for key in keys:
            failed = [above for above in self.plan.stages[key].inputs.values() if above in self.failures.reasons]
            if failed:
                self._fail(self.plan.stages[key], self._because_of(failed[0]))

    def _missing_above(self, key: str) -> set[str]:
        """A key and every stage above it whose artifact is not in the store."""
        found, queue = {key}, [key]
        while queue:
            for above in self.plan.stages[queue.pop()].inputs.values():
                if above not in found and not self.store.has(above):
                    found.add(above)
                    queue.append(above)
        return found

    def _fail(self, stage: Stage, reason: str) -> None:
        """Neither the stage nor what rests on it will be made."""
        self.failures.reasons[stage.key] = reason
        resting = self.waiting.resting_on(stage.key)
        self.waiting.end(stage.key)
        for below in resting:
            if below.key in self.waiting:  # it may rest on the stage in another way too
                self._fail(below, self._because_of(stage.key))

    def _because_of(self, key: str) -> str:
        cause = self.failures.reasons[key]
        return cause if cause.startswith("rests on ") else f"rests on '{self.plan.stages[key].label}': {cause}"
