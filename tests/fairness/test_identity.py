"""The null test, link by link, for every suite and variant: what `identity` leaves is what it was given.

From the trained weights on, predictions and scores are functions of equal inputs; `tests/engines/test_local.py` runs
the whole chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.contracts import Context
from bench.formats.layout import open_image_set
from bench.graph import Plan, Stage
from bench.stages import WEIGHTS, run_stage
from bench.store import Store

Planner = Callable[..., Plan]
ARMS = ("synthetic", "refined(identity)")
TINY = (f"arms={list(ARMS)}", "sweep={}", "arm_models={}", "refiner={}", "counts.synthetic_train=3", "train.steps=2")


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all suites, since variants share their renders."""
    store = Store(tmp_path_factory.mktemp("rendered"))
    store.root.mkdir(exist_ok=True)
    return store


def made(plan: Plan, stage: Stage, store: Store) -> Stage:
    """The stage, after it and all that it rests on were run in this process."""
    for key in stage.inputs.values():
        made(plan, plan.stages[key], store)
    if not store.path(stage.key).exists():
        store.path(stage.key).mkdir(parents=True)
        run_stage(stage, store, Context(int(stage.spec.get("seed", 0)), store.path(stage.key)))
    return stage


def test_identity_equals_synthetic_exactly(planned: Planner, smoke: Any, rendered: Store) -> None:
    # A variant over a data set of the user's own is asked the same of the renders that its suite comes with.
    world = ("world={name='digits'}",) if smoke[0] == "digits" else ()
    plan = planned(smoke, *TINY, *world)
    cells = {(cell.model, str(cell.arm)): cell for cell in plan.cells if cell.replicate == 0 and not cell.skip}
    trained = [made(plan, plan.stages[cells[plan.suite.models[0], arm].train_key], rendered) for arm in ARMS]
    plain, refined = (open_image_set(rendered.path(stage.inputs["set0"])) for stage in trained)
    assert trained[0].inputs != trained[1].inputs, "the refined set must not be the rendered one by another name"
    assert (plain.ids, plain.groups, plain.class_names, plain.has) == (
        refined.ids, refined.groups, refined.class_names, refined.has
    )  # fmt: skip
    assert plain.images().tobytes() == refined.images().tobytes()
    for index in range(len(plain)):
        assert repr(plain.labels(index)) == repr(refined.labels(index))
    weights = [(rendered.path(stage.key) / WEIGHTS).read_bytes() for stage in trained]
    assert weights[0] == weights[1]
