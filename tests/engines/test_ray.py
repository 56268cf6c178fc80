"""Two Ray nodes on the loopback: the local engine's bytes, whatever is killed in the middle."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import collect
from bench.engines import ray_cluster
from bench.engines.execution import execute
from bench.engines.local import Event
from bench.engines.ray_cluster import Needs, connected, run_plan, slots
from bench.errors import UsageError
from bench.graph import Plan
from bench.plan import build_plan
from bench.store import Store
from bench.suite import load_suite
from tests.conftest import SUITE, TOY

pytest.importorskip("ray", reason="no Ray here: pip install '.[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ARMS = "arms=['synthetic', 'refined(toy-same)', 'refined(toy-brighten)', 'real']"
SETTINGS = ["replicates=1", ARMS, "model.toy-level.slow=0.05", "train.steps=60"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU; the first has a GPU on paper."""
    # Ray's workers yield to everybody; on a busy machine their turn would never come.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    from ray.cluster_utils import Cluster

    made = Cluster()
    memory = 80 * 2**20
    made.add_node(num_cpus=1, num_gpus=1, object_store_memory=memory, include_dashboard=False)
    made.second = made.add_node(num_cpus=1, object_store_memory=memory)
    yield made
    with warnings.catch_warnings():  # Ray leaves pipes open
        warnings.simplefilter("ignore")
        made.shutdown()
        del made
        gc.collect()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy suite."""
    made = tmp_path_factory.mktemp("ray")
    (made / "toy.toml").write_text(SUITE)
    return made


@pytest.fixture
def plan(folder: Path) -> Plan:
    return build_plan(load_suite(str(folder / "toy.toml"), "quick", SETTINGS))


@pytest.fixture
def reference(plan: Plan, folder: Path) -> Store:
    """What the local engine makes of the plan; made once."""
    store = Store(folder / "reference")
    for stage in plan.stages.values():
        if not store.has(stage.key):
            assert execute(stage, store, device="cpu", progress=lambda _: None).status == "done"
    return store


def check_equal(plan: Plan, store: Store, reference: Store) -> None:
    """Every artifact has the bytes of the local engine's, was made once, and the rows are the same."""
    for key, stage in plan.stages.items():
        assert store.meta(key)["files"] == reference.meta(key)["files"], stage.label
    made = [entry["key"] for entry in store.history()]
    assert sorted(made) == sorted(plan.stages), "each stage is made once"
    rows = [
        [replace(row, seconds=0.0, peak_mib=0.0) for row in collect.rows(plan, one)] for one in (store, reference)
    ]
    assert rows[0] == rows[1] and len(rows[0]) > 10


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def holder(store: Store, key: str) -> int:
    """The process that computes a stage."""
    return int(json.loads((store.root / "leases" / key).read_text())["pid"])


def test_a_driver_killed_and_started_again_goes_on(
    cluster: Any, plan: Plan, reference: Store, folder: Path, tmp_path: Path
) -> None:
    """From the command line, with relative paths and a plug-in file."""
    (tmp_path / "suites").mkdir()
    shutil.copy(TOY, tmp_path / "plug.py")
    shutil.copy(folder / "toy.toml", tmp_path / "suites" / "toy.toml")
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    command = [
        sys.executable, "-m", "bench", "run", "--suite", "suites/toy.toml", "--plugin", "plug.py", "--store", "store",
        "--out", "out", "--engine", "ray", "--address", cluster.address, "--device", "cpu", *settings,
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    store = Store(tmp_path / "store")
    driver = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not list((store.root / "work").glob("*/checkpoint.pt")):
        assert driver.poll() is None and time.monotonic() < deadline, "no training began"
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    finished = {entry["key"] for entry in store.history()}
    assert 0 < len(finished) < len(plan.stages)
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "stages to make on cpu with Ray, 2 stages at a time on 2 nodes" in again.stderr
    check_equal(plan, store, reference)


def test_what_no_node_can_take_ends_in_one_line(cluster: Any, plan: Plan, store: Store) -> None:
    with connected(cluster.address) as ray:
        assert slots(ray, Needs(), "cpu") == 2 and slots(ray, Needs(gpus=0.25), "cuda") == 1
        options = Needs(gpus=0.25).resources("train", "cuda")
        seen = ray.remote(lambda: os.environ["CUDA_VISIBLE_DEVICES"]).options(**options).remote()
        assert ray.get(seen) == "0", "Ray shows a stage its GPU and no other"
        failures = run_plan(
            plan, store, ray, needs=Needs(gpus=2), device="cuda", listen=lambda event: None, patience=0
        )
    assert set(failures.reasons) == set(plan.stages)
    reason = "no node of the cluster can take a stage (num_cpus 1, num_gpus 2); add one, or ask for less"
    assert set(failures.reasons.values()) == {reason}


def test_nobody_at_the_address_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"--address 127.0.0.1:1: no Ray cluster answers"), connected("127.0.0.1:1"):
        pass


def test_a_stage_that_kills_its_workers_fails_alone(
    cluster: Any, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "LIVES", 2)
    settings = ["replicates=1", "refiner.toy-brighten.crash='kill'", "arms=['synthetic','refined(toy-brighten)']"]
    plan = build_plan(load_suite(str(folder / "toy.toml"), "quick", [*settings, "controls=[]"]))
    with connected(cluster.address) as ray:
        failures = run_plan(plan, store, ray, needs=Needs(), device="cpu", listen=lambda event: None)
    reasons = {plan.stages[key].label: reason for key, reason in failures.reasons.items()}
    assert "its worker was killed, 2 times in a row" in reasons["fit toy-brighten #0"]
    statuses = {row.arm: row.status for row in collect.rows(plan, store, failures.reasons)}
    assert statuses == {"synthetic": "ok", "refined(toy-brighten)": "failed"}


def test_a_worker_and_then_a_node_killed_in_the_middle_lose_nothing(
    cluster: Any, plan: Plan, reference: Store, store: Store
) -> None:
    """The last test here: it leaves one node."""
    events: list[Event] = []
    killed: list[str] = []

    def listen(event: Event) -> None:
        """Kill a worker of the first node that trains, then the second node while it trains."""
        events.append(event)
        if event.kind != "progress" or event.stage.kind != "train" or event.progress.step > 40:  # type: ignore[union-attr]
            return
        worker = holder(store, event.stage.key)
        on_second = parent(worker) == raylet
        if not killed and not on_second:
            os.kill(worker, signal.SIGKILL)
            killed.append(event.stage.label)
        elif len(killed) == 1 and on_second:
            cluster.remove_node(cluster.second, allow_graceful=False)
            killed.append(event.stage.label)

    raylet = cluster.second.all_processes["raylet"][0].process.pid
    with connected(cluster.address) as ray:
        failures = run_plan(plan, store, ray, needs=Needs(), device="cpu", listen=listen)
    assert failures.reasons == {} and len(killed) == 2
    lost = {event.stage.label: event.outcome.reason for event in events if event.kind == "lost" and event.outcome}
    assert set(lost) >= set(killed), "both stages were begun again"
    assert lost[killed[0]] == "its worker was killed; it goes on elsewhere"
    begun = [event.stage.label for event in events if event.kind == "started"]
    assert all(begun.count(label) == 2 for label in killed)
    check_equal(plan, store, reference)
