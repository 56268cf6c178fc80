"""Refiners with a task network, from end to end on the toy bench."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench import collect
from bench.contracts import Context, Refined
from bench.engines.local import run_plan
from bench.errors import DataError, UsageError
from bench.formats.layout import open_image_set
from bench.graph import Plan, Stage
from bench.samples import Labels, Sample
from bench.stages import TASK_WEIGHTS, WEIGHTS, _labels, load_state, run_stage
from bench.store import Store

Planner = Callable[..., Plan]
SUITE = (
    "arms=['synthetic','refined(toy-joint)','joint(toy-joint)','separate(toy-joint)','joint(toy-adapter)',"
    "'refined(toy-brighten)','real']",
    "controls=[]",
    "world.depth=true",
)


@pytest.fixture(scope="module", params=[{}, {"depth": 4.0}], ids=["image", "image and depth"])
def sensors(request: pytest.FixtureRequest) -> dict[str, float]:
    """What the camera measures besides the image."""
    return dict(request.param)


def finished(toy_plan: Planner, store: Store, *settings: str) -> tuple[Plan, dict[str, Stage]]:
    plan = toy_plan(*SUITE, *settings, "replicates=1")
    failures = run_plan(plan, Store(store.root), device="cpu", workers=1, listen=lambda event: None)
    assert failures.reasons == {}
    return plan, {stage.label: stage for stage in plan.stages.values()}


def test_every_arm_has_its_rows(toy_plan: Planner, store: Store, sensors: dict[str, float]) -> None:
    plan, stages = finished(toy_plan, store, *(f"sensors.{name}={span}" for name, span in sensors.items()))
    rows = [row for row in collect.rows(plan, store) if row.metric == "closeness"]
    assert {row.arm for row in rows} == {str(arm) for arm in plan.suite.parsed_arms()}
    assert {(row.status, row.steps) for row in rows} == {("ok", 40)}
    values = {row.arm: row.value for row in rows}
    assert values["joint(toy-joint)"] > values["synthetic"] + 0.1
    for arm in ("refined(toy-joint)", "separate(toy-joint)", "joint(toy-adapter)"):
        assert values[arm] == pytest.approx(values["joint(toy-joint)"], abs=0.01)
    _check_fits(stages, store)
    _check_depth(stages, store, bool(sensors))
    _check_repeated(stages["fit toy-joint with toy-level #0"], store)


def _check_fits(stages: dict[str, Stage], store: Store) -> None:
    joint = store.path(stages["fit toy-joint with toy-level #0"].key)
    assert (joint / WEIGHTS).is_file()
    assert (joint / TASK_WEIGHTS).is_file()
    assert not (store.path(stages["fit toy-joint #0"].key) / TASK_WEIGHTS).exists()
    # The arm's predictions come from the model that the refiner trained, not from the refiner's own weights.
    predicted = (store.path(stages["predict toy-level on joint(toy-joint) #0"].key) / "level.json").read_text()
    assert float(predicted) == float(load_state(joint / TASK_WEIGHTS)["level"])
    assert store.meta(stages["fit toy-joint with toy-level #0"].key)["steps"] == 40
    labels = [entry["label"] for entry in store.history()]
    assert labels.count("fit toy-joint with toy-level #0") == labels.count("fit toy-joint #0") == 1


def _check_depth(stages: dict[str, Stage], store: Store, sensed: bool) -> None:
    rendered = open_image_set(store.path(stages["render synthetic train (6)"].key))
    for label, moves in (("toy-joint", sensed), ("toy-joint, trained apart", sensed), ("toy-brighten", False)):
        refined = open_image_set(store.path(stages[f"refine with {label} #0"].key))
        assert refined.has == rendered.has
        for before, after in zip(rendered, refined, strict=True):
            assert after.labels.depth is not None
            assert before.labels.depth is not None
            shift = float((after.labels.depth - before.labels.depth).mean())
            # Real images are half a metre and 50 grey levels (a millimetre each) farther away.
            assert shift == pytest.approx(0.55, abs=0.03) if moves else shift == 0
            np.testing.assert_array_equal(after.labels.boxes, before.labels.boxes)
            assert (after.image.mean() - before.image.mean()) > 30


def _check_repeated(stage: Stage, store: Store) -> None:
    directory = store.root / "again"
    directory.mkdir()
    facts = run_stage(stage, store, Context(stage.spec["seed"], directory))
    assert facts == {"count": 6, "steps": 40, "doubts": []}
    for name in (WEIGHTS, TASK_WEIGHTS, "losses.csv"):
        assert (directory / name).read_bytes() == (store.path(stage.key) / name).read_bytes()


def rendered_stages(plan: Plan, store: Store) -> dict[str, Stage]:
    """Run the render stages in this process."""
    for stage in plan.stages.values():
        if stage.kind == "render":
            store.path(stage.key).mkdir(parents=True)
            run_stage(stage, store, Context(0, store.path(stage.key)))
    return {stage.label: stage for stage in plan.stages.values()}


def test_sensors_that_the_world_lacks_are_one_line(toy_plan: Planner, store: Store) -> None:
    plan = toy_plan(*SUITE[:2], "sensors.depth=4.0", "replicates=1")
    stages = rendered_stages(plan, store)
    for label, domain in (("train toy-level on real #0", "real"), ("fit toy-joint #0", "synthetic")):
        with pytest.raises(DataError, match=f"^sensors: the {domain} images have no depth$"):
            run_stage(stages[label], store, Context(0, store.root))


def test_a_task_without_joint_training_says_so(toy_plan: Planner, store: Store) -> None:
    stages = rendered_stages(toy_plan(*SUITE, "replicates=1", "train.learnable=false"), store)
    message = r"^task 'toy-task' has no joint training; leave out the joint\(\.\.\.\) arms$"
    with pytest.raises(UsageError, match=message):
        run_stage(stages["fit toy-joint with toy-level #0"], store, Context(0, store.root))
    assert run_stage(stages["fit toy-joint #0"], store, Context(0, store.root))["count"] == 6


def test_a_refined_depth_of_another_size_is_named(toy_plan: Planner, store: Store) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    sample = Sample("a", image, "a", Labels(depth=np.ones((4, 4), np.float32)))
    small = Refined(image, np.ones((2, 4), np.float32))
    context = Context(0, store.root, sensors={"depth": 1.0})
    with pytest.raises(DataError, match=r"a: refined depth is \(2, 4\)"):
        _labels(sample, small, context)
    with pytest.raises(DataError, match="refined depth"):
        _labels(Sample("a", image, "a", Labels()), small, context)
    assert _labels(sample, small, Context(0, store.root)) is sample.labels
    assert _labels(sample, Refined(image), context) is sample.labels
