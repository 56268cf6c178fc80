"""The Ray engine: stages as Ray tasks on the nodes of a cluster that share the store's folder.

Ray places stages by CPUs, GPUs and memory and notices what dies. Everything else is as in `bench.engines.local`: the
same scheduler decides what is to be made, the store's leases keep two from making it, and a stage whose worker or
node died goes on elsewhere from its checkpoint. The driver holds nothing that the store does not: kill it, run again.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.contracts import Progress
from bench.engines.execution import Outcome
from bench.engines.local import Event, Failures, Scheduler
from bench.engines.ray_stage import Job, Started, perform, wait_until_visible
from bench.errors import UsageError
from bench.graph import Plan, Stage
from bench.lease import HEARTBEAT_SECONDS
from bench.store import Store

ON_DEVICE = ("fit", "refine", "train", "predict")
"""Stages that use a GPU where there is one; the others get none."""
LIVES = 3
"""A stage that kills its worker so many times in a row, without a step further in between, has failed."""
PATIENCE_SECONDS = 600.0
"""How long to wait for a node that could take a stage, since a cluster may be growing."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a stage asks of a node besides one CPU.

    Attributes:
        gpus: GPUs of a stage that uses one; 0.25 lets four share it. Nothing is asked for on a CPU run.
        memory: GiB that Ray sets aside, or 0 for none.
    """

    gpus: float = 1.0
    memory: float = 0.0

    def resources(self, kind: str, device: str, ranks: int = 1) -> dict[str, float]:
        """Ray's options of a task: ``num_cpus``, ``num_gpus`` and ``memory`` in bytes.

        ``ranks`` processes that share a fit have a CPU and a whole GPU each.
        """
        gpus = 0.0 if kind not in ON_DEVICE or not device.startswith("cuda") else self.gpus if ranks == 1 else ranks
        return {"num_cpus": ranks, "num_gpus": gpus} | ({"memory": int(self.memory * 2**30)} if self.memory else {})


def load() -> Any:
    """Import Ray; raises `UsageError` where it is missing."""
    # Ray reports its use to its makers' server unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        how = 'python -m pip install "refiner-bench[ray]"'
        raise UsageError(f"--engine ray: Ray cannot be imported ({error}); {how}") from None


@contextlib.contextmanager
def connected(address: str | None, workers: int | None = None) -> Iterator[Any]:
    """Ray, connected to the cluster at ``address`` (host:port), at $RAY_ADDRESS, or made of this machine alone.

    ``workers`` is how many stages a machine alone takes at a time (default: one a core). A connection that the process
    has already is used, and left open. Raises `UsageError` where no cluster answers.
    """
    ray = load()
    if ray.is_initialized():
        yield ray
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if where == "local":
        options |= {"include_dashboard": False, "num_cpus": workers}
    else:
        _check_reachable(where)
    try:
        ray.init(where, **options)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise UsageError(f"--address {where}: no connection to a Ray cluster ({first})") from None
    try:
        # Ray prints what its nodes complain of; standard output belongs to the table, or to programs (--json).
        with contextlib.redirect_stdout(sys.stderr):
            yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray tries for minutes in silence; a port that nobody listens at is known in seconds."""
    host, colon, port = address.rpartition("/")[2].rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        how = "start one with `ray start --head`, or leave --address away to use this machine alone"
        raise UsageError(f"--address {address}: no Ray cluster answers ({error.strerror or error}); {how}") from None


def device_of(ray: Any, wanted: str) -> str:
    """``auto`` becomes cuda where the cluster has a GPU; the machine of the driver need not have one."""
    return wanted if wanted != "auto" else "cuda" if ray.cluster_resources().get("GPU", 0) > 0 else "cpu"


def slots(ray: Any, needs: Needs, device: str) -> int:
    """How many stages the nodes that are alive could take at a time, each of the most demanding kind."""
    return sum(_fits(node["Resources"], needs.resources("fit", device)) for node in ray.nodes() if node["Alive"])


def _fits(node: dict[str, float], wanted: dict[str, float]) -> int:
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return int(min(node.get(names[name], 0.0) / amount for name, amount in wanted.items() if amount))


def run_plan(
    plan: Plan,
    store: Store,
    ray: Any,
    *,
    needs: Needs,
    device: str,
    workers: int | None = None,
    listen: Callable[[Event], None],
    keep_going: bool = True,
    retry_failed: bool = False,
    ranks: int = 1,
    patience: float = PATIENCE_SECONDS,
) -> Failures:
    """Run every missing stage on a cluster; as `bench.engines.local.run_plan`, which see.

    Args:
        ray: what `connected` yields.
        needs: resources of a stage.
        ranks: processes that share the fit of a refiner on one node, where it can be shared.
        workers: so many stages at a time at most; None: what the nodes take, and as many again queued.
        patience: seconds to wait for a node that could take any stage at all; then what waits has failed.
    """
    scheduler = _OnCluster(plan, store, device, listen, keep_going, retry_failed, ranks)
    return scheduler.run_on(ray, needs, workers, patience)


@dataclass
class _Task:
    stage: Stage
    messages: Any
    step: int = 0


class _OnCluster(Scheduler):
    """The scheduler of `bench.engines.local`, with Ray tasks in the place of worker processes."""

    def run_on(self, ray: Any, needs: Needs, workers: int | None, patience: float) -> Failures:
        self.ray, self.needs, self.patience = ray, needs, patience
        self.tasks: list[_Task] = []
        self.lost: dict[str, tuple[int, int]] = {}
        self._slots, self._counted, self._possible = 0, 0.0, time.monotonic()
        if not self.begin():
            return self.failures
        with _sign(self.store) as sign:
            self.job = ray.put(Job.of(self.store, sign, self.ranks))
            self.remote = ray.remote(perform)
            try:
                while (self.waiting or self.tasks) and not self.stopped:
                    self._submit(workers)
                    if not self.tasks:
                        break
                    self._listen()
            finally:
                for task in self.tasks:
                    with contextlib.suppress(Exception):
                        ray.cancel(task.messages, force=True)
        return self.failures

    def _submit(self, workers: int | None) -> None:
        """Hand ready stages to Ray, a few more than fit now: Ray starts the next at once, and a cluster may grow."""
        now = time.monotonic()
        if now - self._counted > HEARTBEAT_SECONDS:
            self._slots, self._counted = slots(self.ray, self.needs, self.device), now
            self._possible = now if self._slots else self._possible
            if now - self._possible > self.patience or not (self._slots or self.patience):
                return self._give_up()
        room = (workers or 2 * max(self._slots, 1)) - len(self.tasks)
        for stage in islice(self.waiting.ready(), max(room, 0)):
            self.waiting.begin(stage.key)
            wanted = self.needs.resources(stage.kind, self.device, self.ranks if stage.run.get("shares") else 1)
            device = self.device if stage.kind in ON_DEVICE else "cpu"
            # Lost stages are given out again here and not by Ray, so that the console and the count of lives know.
            options = {"max_retries": 0, "name": stage.label, "runtime_env": {"env_vars": ONE_THREAD}}
            task = self.remote.options(num_returns="streaming", **wanted, **options).remote(self.job, stage, device)
            self.tasks.append(_Task(stage, task))
        return None

    def _give_up(self) -> None:
        wanted = {name: amount for name, amount in self.needs.resources("fit", self.device).items() if amount}
        text = ", ".join(f"{name} {amount:g}" for name, amount in wanted.items())
        reason = f"no node of the cluster can take a stage ({text}); add one, or ask for less"
        for task in self.tasks:
            self.ray.cancel(task.messages, force=True)
            self.end(task.stage, Outcome("failed", reason=reason, fatal=True))
        self.tasks = []
        for key in self.waiting:
            self._fail(self.plan.stages[key], reason)

    def _listen(self) -> None:
        by_messages = {task.messages: task for task in self.tasks}
        found, _ = self.ray.wait(list(by_messages), timeout=1.0, fetch_local=False)
        for messages in found:
            self._take(by_messages[messages])

    def _take(self, task: _Task) -> None:
        try:
            message = self.ray.get(next(task.messages))
        except StopIteration:
            return self._gone(task, "its worker ended without a word")
        except self.ray.exceptions.RayTaskError as error:
            last = (str(error.cause or error).strip().splitlines() or [""])[-1]
            self.tasks.remove(task)
            return self.end(task.stage, Outcome("failed", reason=f"a Ray worker cannot run it: {last[:300]}"))
        except self.ray.exceptions.RayError as error:
            return self._gone(task, _why(self.ray, error))
        if isinstance(message, Started):
            self.listen(Event(task.stage, "started", host=message.host))
        elif isinstance(message, Progress):
            task.step = message.step
            self.listen(Event(task.stage, "progress", message))
        else:
            self.tasks.remove(task)
            self.end(task.stage, self._arrived(task.stage, message))
        return None

    def _arrived(self, stage: Stage, outcome: Outcome) -> Outcome:
        """The outcome, once what it speaks of can be seen here too."""
        if outcome.status in ("done", "shared") and wait_until_visible(self.store, [stage.key]):
            where = self.store.path(stage.key)
            return Outcome("failed", reason=f"{where}: made on another node and not seen here; is the store shared?")
        return outcome

    def _gone(self, task: _Task, why: str) -> None:
        """A worker or its node died: once more from the checkpoint, unless that leads nowhere."""
        self.tasks.remove(task)
        count, step = self.lost.get(task.stage.key, (0, 0))
        count = 1 if task.step > step else count + 1
        self.lost[task.stage.key] = count, max(step, task.step)
        if count >= LIVES:
            text = f"{why}, {count} times in a row; run again to go on from its checkpoint"
            return self.end(task.stage, Outcome("failed", reason=text))
        self.waiting.add([task.stage.key])
        return self.listen(Event(task.stage, "lost", outcome=Outcome("failed", reason=f"{why}; it goes on elsewhere")))


def _why(ray: Any, error: Exception) -> str:
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "its node ran out of memory (--memory-per-stage keeps some free)"
    if isinstance(error, ray.exceptions.NodeDiedError):
        return "its node died"
    if isinstance(error, ray.exceptions.WorkerCrashedError):
        return "its worker was killed"
    return f"its worker was lost ({type(error).__name__})"


@contextlib.contextmanager
def _sign(store: Store) -> Iterator[Path]:
    """A file in the store for as long as the run lasts: nodes know the store by it."""
    lease = store.lease(f"run-{uuid.uuid4().hex}")
    lease.acquire()
    try:
        yield lease.path
    finally:
        lease.release()
