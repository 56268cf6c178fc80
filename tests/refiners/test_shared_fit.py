"""One fit shared by two processes on a CPU (gloo): the same result up to rounding, and nothing left when one dies."""

from __future__ import annotations

import csv
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Context
from bench.distributed import gathered, mean, noise_like, part
from bench.engines.execution import execute
from bench.engines.ranks import first_dead
from bench.errors import UsageError
from bench.graph import Plan, Stage
from bench.plugins import find
from bench.samples import ImageSet
from bench.stages import WEIGHTS, load_state
from bench.store import Store
from refiners.cyclegan import CycleGanConfig

CONFIG: dict[str, Any] = {
    "steps": 4, "batch_size": 2, "ngf": 4, "ndf": 4, "n_blocks": 1, "n_layers": 1, "crop": 24, "sheets": 1,
    "pool_size": 3, "noise": True,
}


@pytest.fixture
def fit_stage(synthetic: ImageSet, real: ImageSet, store: Store, tmp_path: Path) -> Callable[..., Stage]:
    """A fit of CycleGAN whose inputs lie in the store."""
    inputs = {}
    for name, images in (("synthetic", synthetic), ("real", real)):
        inputs[name] = name[0] * 64
        shutil.copytree(images.records[0].root, tmp_path / name)
        store.commit(inputs[name], tmp_path / name, {"label": name})

    def make(**changed: Any) -> Stage:
        config = CycleGanConfig(**CONFIG | changed).model_dump(mode="json")
        spec = {"stage": "fit", "inputs": inputs, "seed": 5, "plugin": {"name": "cyclegan", "config": config}}
        run = {"plugin": ["refiner", "cyclegan", config], "shares": True}
        return Stage("fit", "fit cyclegan #0", spec, inputs, run)

    return make


def losses(store: Store, stage: Stage) -> np.ndarray[Any, Any]:
    with (store.path(stage.key) / "losses.csv").open() as file:
        return np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])


def weights(store: Store, stage: Stage) -> np.ndarray[Any, Any]:
    """All weights; biases in front of a normalisation have no gradient but rounding, which Adam blows up."""
    state = load_state(store.path(stage.key) / WEIGHTS)
    return torch.cat([value.flatten() for name, value in state.items() if name.endswith("weight")]).double().numpy()


@pytest.mark.slow
def test_two_ranks_end_where_one_process_does(
    fit_stage: Callable[..., Stage], store: Store, tmp_path: Path
) -> None:
    """Few steps, since a game of two networks blows rounding up: after 30 it is as large as a change of settings."""
    stage, other = fit_stage(), fit_stage(learning_rate=2.02e-4)
    alone = Store(tmp_path / "alone")
    for key in stage.inputs.values():
        (alone.root / "objects" / key[:2]).mkdir(parents=True)
        (alone.root / "objects" / key[:2] / key).symlink_to(store.path(key))
    outcome = execute(stage, store, device="cpu", progress=lambda _: None, ranks=2)
    assert outcome.status == "done", outcome
    for one in (stage, other):
        assert execute(one, alone, device="cpu", progress=lambda _: None).status == "done"
    assert (store.meta(stage.key)["ranks"], alone.meta(stage.key)["ranks"]) == (2, 1)
    assert sorted(store.meta(stage.key)["files"]) == sorted(alone.meta(stage.key)["files"])
    shared, single, changed = losses(store, stage), losses(alone, stage), losses(alone, other)
    assert shared.shape == single.shape and len(shared) == 2
    learnt = [weights(*where) for where in ((store, stage), (alone, stage), (alone, other))]
    error = np.abs(shared - single).max(), np.abs(learnt[0] - learnt[1]).max()
    told = np.abs(changed - single).max(), np.abs(learnt[2] - learnt[1]).max()
    # How large rounding is differs from processor to processor; it stays far below what 1 % more learning rate does.
    assert 10 * error[0] < told[0], f"losses {error[0]}; {told[0]} with 1 % more learning rate"
    assert 8 * error[1] < told[1], f"weights {error[1]}; {told[1]} with 1 % more learning rate"


@pytest.mark.slow
def test_when_one_rank_dies_the_stage_fails_in_one_line_and_none_is_left(
    fit_stage: Callable[..., Stage], store: Store
) -> None:
    stage, killed = fit_stage(steps=100_000), []

    def kill(progress: Any) -> None:
        for pid in children() if progress.step >= 20 and not killed else ():
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    outcome = execute(stage, store, device="cpu", progress=kill, ranks=2)
    assert len(killed) == 1 and not children()
    assert not list((store.root / "work").glob("*/ranks")), "what the other rank wrote is thrown away"
    assert outcome.reason == "rank 1 of 2 ended with exit code -9; run again to go on from the checkpoint"


def test_a_rank_whose_exit_code_comes_late_is_found_and_a_killed_one_before_those_that_missed_it() -> None:
    def ending(code: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", f"import os, sys, time; {code}"])

    late = [ending("time.sleep(0.5); sys.exit(3)"), ending("time.sleep(60)")]
    assert first_dead(late, patience_s=0) is None
    assert first_dead(late, patience_s=60) == (1, 3)
    late[1].kill()
    both = [ending("sys.exit(1)"), late[1]]
    for process in both:
        process.wait()
    assert first_dead(both, patience_s=0) == (2, -signal.SIGKILL)


def children() -> list[int]:
    """Processes of other ranks that this process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"bench.engines.ranks" in command:
            found.append(int(status.parent.name))
    return found


def test_a_rank_ends_with_the_process_that_started_it() -> None:
    """It waits here for a rendezvous that never comes."""
    code = (
        "import subprocess, sys, os, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'bench.engines.ranks'], stdin=subprocess.PIPE)\n"
        "print(p.pid, flush=True)\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    rank = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    descriptor = os.pidfd_open(rank)
    assert select.select([descriptor], [], [], 60)[0], "the rank lives on"
    os.close(descriptor)


def test_a_batch_that_cannot_be_shared_is_one_line(fit_stage: Callable[..., Stage], store: Store) -> None:
    stage = fit_stage(batch_size=3)
    with pytest.raises(UsageError, match=r"--ranks 2: cannot share a batch of 3 equally; make the batch size a mult"):
        part(Context(1, store.root, ranks=2), 3)
    outcome = execute(stage, store, device="cpu", progress=lambda _: None, ranks=2)
    assert outcome.status == "failed" and "make the batch size a multiple of 2" in outcome.reason and not children()
    unshared = replace(stage, run={"plugin": stage.run["plugin"]})
    assert execute(unshared, store, device="cpu", progress=lambda _: None, ranks=2).status == "done", "one fits it"


def test_one_rank_changes_nothing(tmp_path: Path) -> None:
    context, images = Context(1, tmp_path), torch.randn(4, 3, 2, 2)
    assert part(context, 4) == slice(0, 4) and gathered(context, images) is images
    assert mean(context, {"a": 0.1}) == {"a": 0.1}
    torch.manual_seed(1)
    one = noise_like(context, images)
    halves = []
    for rank in (0, 1):
        torch.manual_seed(1)
        halves.append(noise_like(replace(context, rank=rank, ranks=2), images[:2]))
    assert torch.equal(one, torch.cat(halves)), "two ranks draw what one process draws for the whole batch"


def test_refiners_say_whether_their_fit_can_be_shared() -> None:
    assert find("refiner", "cyclegan").load().shares
    assert not any(find("refiner", name).load().shares for name in ("vtr", "genesis-rt", "pixelda", "cut", "simgan"))


def test_the_plan_tells_the_engine_and_the_keys_do_not(toy_plan: Callable[..., Plan]) -> None:
    plan = toy_plan("arms=['synthetic', 'refined(cyclegan)', 'refined(vtr)']", "controls=[]")
    fits = {stage.run["name"]: stage for stage in plan.stages.values() if stage.kind == "fit"}
    assert fits["cyclegan"].run["shares"] and "shares" not in fits["vtr"].run
    assert "shares" not in fits["cyclegan"].spec and "ranks" not in fits["cyclegan"].spec
