"""Arms of refiners with a task network: which stages they share, and which requests make no sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.graph import Plan, Stage
from bench.plan import Only, build_plan
from bench.suite import load_suite

Planner = Callable[..., Plan]
ARMS = (
    "arms=['synthetic','refined(toy-joint)','joint(toy-joint)','separate(toy-joint)','joint(toy-adapter)','real']",
    "controls=[]",
    "replicates=1",
)


def stages(plan: Plan, kind: str) -> list[Stage]:
    return [stage for stage in plan.stages.values() if stage.kind == kind]


def keys(plan: Plan) -> dict[str, str]:
    return {stage.label: key for key, stage in plan.stages.items()}


def cells(plan: Plan) -> dict[tuple[str, str], str]:
    return {(cell.model, str(cell.arm)): cell.train_key for cell in plan.cells}


def test_joint_and_refined_share_one_fit_and_separate_has_its_own(toy_plan: Planner) -> None:
    plan = toy_plan(*ARMS)
    labels = [stage.label for stage in stages(plan, "fit")]
    assert sorted(labels) == [
        "fit toy-adapter with toy-level #0", "fit toy-joint #0", "fit toy-joint with toy-level #0",
    ]  # fmt: skip
    found = keys(plan)
    joint, apart = found["fit toy-joint with toy-level #0"], found["fit toy-joint #0"]
    assert plan.stages[found["refine with toy-joint #0"]].inputs["fit"] == joint
    assert plan.stages[found["refine with toy-joint, trained apart #0"]].inputs["fit"] == apart
    assert cells(plan)["toy-level", "joint(toy-joint)"] == joint
    predict = plan.stages[found["predict toy-level on joint(toy-joint) #0"]]
    assert predict.inputs["model"] == joint
    assert predict.run["joint"] is True
    assert "joint" not in plan.stages[found["predict toy-level on refined(toy-joint) #0"]].run
    assert not [s for s in stages(plan, "train") if s.label.startswith("train toy-level on joint")]


def test_the_jointly_trained_model_has_the_seed_of_the_other_arms(toy_plan: Planner) -> None:
    plan = toy_plan(*ARMS)
    seeds = {stage.spec["seed"] for stage in stages(plan, "train")}
    joint = plan.stages[keys(plan)["fit toy-joint with toy-level #0"]]
    assert {joint.run["train_seed"]} == {joint.spec["train_seed"]} == seeds
    assert joint.spec["seed"] == plan.stages[keys(plan)["fit toy-joint #0"]].spec["seed"]
    assert "train_seed" not in plan.stages[keys(plan)["fit toy-joint #0"]].spec


def test_each_model_gets_a_joint_training_of_its_own_and_refined_sets_come_from_the_first(toy_plan: Planner) -> None:
    plan = toy_plan(*ARMS, "models=['toy-level','toy-other-level']")
    found = cells(plan)
    assert found["toy-level", "joint(toy-joint)"] != found["toy-other-level", "joint(toy-joint)"]
    refines = [stage for stage in stages(plan, "refine") if stage.label == "refine with toy-joint #0"]
    assert [stage.inputs["fit"] for stage in refines] == [found["toy-level", "joint(toy-joint)"]]


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("train.steps=41", True), ("model.toy-level.slow=0.1", True), ("refiner.toy-joint.gain=2", True),
        ("counts.real_test=3", False),
    ],
)  # fmt: skip
def test_the_key_of_a_joint_training_feels_task_and_model(toy_plan: Planner, setting: str, changed: bool) -> None:
    before, after = cells(toy_plan(*ARMS)), cells(toy_plan(*ARMS, setting))
    assert (before["toy-level", "joint(toy-joint)"] != after["toy-level", "joint(toy-joint)"]) == changed


def test_training_apart_knows_nothing_of_task_and_model(toy_plan: Planner) -> None:
    before, after = keys(toy_plan(*ARMS)), keys(toy_plan(*ARMS, "train.steps=41"))
    assert before["fit toy-joint #0"] == after["fit toy-joint #0"]
    assert before["refine with toy-joint #0"] != after["refine with toy-joint #0"]


def test_sensors_are_in_the_keys_of_what_reads_them_and_of_nothing_else(toy_plan: Planner) -> None:
    before = keys(toy_plan(*ARMS, "world.depth=true"))
    after_plan = toy_plan(*ARMS, "world.depth=true", "sensors.depth=2.0")
    after = keys(after_plan)
    for label, key in after.items():
        # Realism looks at images alone, so that of the unrefined ones does not feel a sensor.
        assert (before[label] == key) == label.startswith(("render", "realism of synthetic")), label
    for stage in after_plan.stages.values():
        reads = stage.kind not in ("render", "score", "realism")
        assert (stage.spec.get("sensors") == {"depth": 2.0}) == reads, stage.label
    assert not [s for s in toy_plan(*ARMS).stages.values() if "sensors" in s.spec]


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("refined(toy-adapter)", "'toy-adapter' refines no images; it has the arm joint(toy-adapter)"),
        ("separate(toy-adapter)", "'toy-adapter' refines no images; it has the arm joint(toy-adapter)"),
        ("hybrid(toy-adapter)", "'toy-adapter' refines no images; it has the arm joint(toy-adapter)"),
        ("joint(toy-brighten)", "'toy-brighten' trains no task network; write refined(toy-brighten)"),
        ("separate(toy-brighten)", "'toy-brighten' cannot be trained apart from its task network"),
        ("separate", "write 'separate(NAME)'"),
        ("joint", "write 'joint(NAME)'"),
        ("joint(synthetic)", "'joint' takes a refiner's name"),
        ("separate(synthetic)", "'separate' takes a refiner's name"),
        ("separate(toy-joint)@3", "only hybrid arms take @N"),
        ("seperate(toy-joint)", "did you mean 'separate'"),
        ("joint(toy-jiont)", "did you mean 'toy-joint'"),
    ],
)
def test_arms_that_a_refiner_cannot_have(toy_plan: Planner, arm: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        toy_plan(f"arms=['synthetic','{arm}']")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_configurations_of_one_refiner_are_two_fits_of_one_plug_in(toy_plan: Planner) -> None:
    arms = "arms=['synthetic','refined(toy-brighten)','refined(half)']"
    plan = toy_plan(arms, "controls=[]", "replicates=1", "refiner.half.base=toy-brighten", "refiner.half.gain=0.5")
    fits = {stage.label: stage for stage in stages(plan, "fit")}
    assert set(fits) == {"fit toy-brighten #0", "fit half #0"}
    first, second = (fits[f"fit {name} #0"].spec["plugin"] for name in ("toy-brighten", "half"))
    assert first["name"] == second["name"] == "toy-brighten"
    assert (first["config"]["gain"], second["config"]["gain"]) == (1.0, 0.5)
    assert set(cells(plan)) == {("toy-level", arm) for arm in ("synthetic", "refined(toy-brighten)", "refined(half)")}


def test_the_same_configuration_under_two_names_is_one_fit(toy_plan: Planner) -> None:
    arms = "arms=['synthetic','refined(toy-brighten)','refined(twin)']"
    plan = toy_plan(arms, "controls=[]", "replicates=1", "refiner.twin.base=toy-brighten")
    assert len(stages(plan, "fit")) == 1
    found = cells(plan)
    assert found["toy-level", "refined(twin)"] == found["toy-level", "refined(toy-brighten)"]


def test_a_bases_table_is_used_even_where_the_base_itself_is_not(toy_plan: Planner) -> None:
    half = ("arms=['synthetic','refined(half)']", "controls=[]", "refiner.half.base=toy-brighten")
    plan = toy_plan(*half, "refiner.toy-brighten.gain=0.5")
    assert stages(plan, "fit")[0].spec["plugin"]["config"]["gain"] == 0.5
    with pytest.raises(UsageError, match=r"\[refiner.toy-same\]: not used by this suite"):
        toy_plan(*half, "refiner.toy-same.x=1")
    with pytest.raises(UsageError, match="did you mean 'toy-brighten'"):
        toy_plan(*half, "refiner.half.base=toy-brigten")
    with pytest.raises(UsageError, match="did you mean 'gain'"):
        toy_plan(*half, "refiner.half.gian=2")


def test_only_chooses_a_configuration_by_its_own_name(toy_plan: Planner) -> None:
    half = ("arms=['synthetic','refined(toy-brighten)','refined(half)']", "refiner.half.base=toy-brighten")
    plan = toy_plan(*half, only=("refiner=half",))
    assert {str(cell.arm) for cell in plan.cells} == {"synthetic", "refined(half)"}


def test_variants_share_stages_with_their_suite(toy_plan: Planner) -> None:
    plain = toy_plan()
    other = build_plan(plain.suite.model_copy(update={"variant": "few", "arms": ("synthetic", "real")}))
    assert set(other.stages) < set(plain.stages)


def test_a_joint_arm_may_not_train_its_model_longer_or_shorter_than_the_others(tmp_path: Path) -> None:
    def planned(*settings: str) -> Plan:
        suite = load_suite("linemod", "smoke", settings)
        return build_plan(suite, Only.parse((), suite), tmp_path)

    with pytest.raises(UsageError, match=r"joint\(pixelda\)': .* steps = 7, but dsn trains 6 steps in every other"):
        planned("refiner.pixelda.steps=7")
    assert planned("refiner.pixelda.steps=6").cells
    with pytest.raises(UsageError, match="but dsn trains 9 steps"):
        planned("refiner.pixelda.steps=6", "model.dsn.steps=9")
    apart = "arms=['synthetic','refined(identity)','refined(simgan)','refined(pixelda)','real']"
    assert planned("refiner.pixelda.steps=7", apart).cells
