import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.graph import Plan, Stage
from bench.plan import build_plan
from bench.suite import built_in_suites, load_suite

Planner = Callable[..., Plan]


def by_label(plan: Plan) -> dict[str, Stage]:
    return {stage.label: stage for stage in plan.stages.values()}


def test_stages_come_after_their_inputs(toy_plan: Planner) -> None:
    plan = toy_plan()
    seen: set[str] = set()
    for key, stage in plan.stages.items():
        assert set(stage.inputs.values()) <= seen
        seen.add(key)


def test_arms_of_a_replicate_share_every_seed_and_replicates_share_none(toy_plan: Planner) -> None:
    seeds: dict[int, set[int]] = {0: set(), 1: set()}
    for stage in toy_plan().stages.values():
        if stage.kind == "train":
            seeds[int(stage.label[-1])].add(stage.spec["seed"])
    assert len(seeds[0]) == len(seeds[1]) == 1
    assert seeds[0] != seeds[1]


def test_replicate_r_trains_on_what_refiner_checkpoint_r_made(toy_plan: Planner) -> None:
    stages = by_label(toy_plan())
    for r in (0, 1):
        refine = stages[f"refine with toy-brighten #{r}"]
        assert refine.inputs["fit"] == stages[f"fit toy-brighten #{r}"].key
        assert stages[f"train toy-level on refined(toy-brighten) #{r}"].inputs["set0"] == refine.key
    assert "fit toy-same #0" not in stages


def test_real_and_hybrid_arms_draw_the_same_labelled_images(toy_plan: Planner) -> None:
    stages = by_label(toy_plan())
    real = stages["train toy-level on real #0"].spec["data"]
    hybrid = stages["train toy-level on hybrid(toy-brighten) #0"].spec["data"]
    assert real == hybrid[:1]
    assert real[0]["count"] == 2
    assert hybrid[1]["count"] == 3


def test_sweep_adds_arms_for_its_models(toy_plan: Planner) -> None:
    plan = toy_plan("sweep.added=[1, 2]", "sweep.sources=['synthetic', 'toy-brighten']")
    arms = {str(cell.arm) for cell in plan.cells}
    assert {"hybrid(synthetic)@1", "hybrid(synthetic)@2", "hybrid(toy-brighten)@1", "hybrid(toy-brighten)@2"} <= arms


@pytest.mark.parametrize(
    ("setting", "changed", "kept"),
    [
        ("refiner.toy-brighten.gain=2", "fit toy-brighten #0", "train toy-level on synthetic #0"),
        ("train.steps=41", "train toy-level on synthetic #0", "refine with toy-brighten #0"),
        ("model.toy-level.slow=0.001", "train toy-level on real #0", "fit toy-brighten #0"),
        ("counts.real_test=3", "predict toy-level on real #0", "train toy-level on real #0"),
        ("counts.real_train=3", "fit toy-brighten #0", "train toy-level on synthetic #0"),
        ("counts.synthetic_train=5", "refine with toy-same #0", "train toy-level on real #0"),
        ("size=20", "render real test (4)", ""),
        ("hybrid.real=3", "train toy-level on real #0", "train toy-level on synthetic #0"),
        ("precision=bf16", "train toy-level on real #0", "render real test (4)"),
        ("replicates=3", "", "train toy-level on real #1"),
        ("title=other", "", "train toy-level on real #1"),
    ],
)
def test_keys_feel_each_input_and_nothing_else(toy_plan: Planner, setting: str, changed: str, kept: str) -> None:
    before, after = by_label(toy_plan()), by_label(toy_plan(setting))
    if changed:
        assert before[changed].key != after[changed].key
    if kept:
        assert before[kept].key == after[kept].key


def test_keys_are_the_same_in_another_process_and_order(toy_suite: Path, toy_plan: Planner) -> None:
    code = (
        "import sys, json; from pathlib import Path; from bench import plugins; plugins.add_file(Path(sys.argv[1]));"
        "from bench.suite import load_suite; from bench.plan import build_plan;"
        "s = load_suite(sys.argv[2], None, ['models=[\"toy-level\"]']); print(json.dumps(sorted(build_plan(s).stages)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent / "toy.py"), str(toy_suite)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(out) == sorted(toy_plan().stages)


def test_only_leaves_what_it_names(toy_plan: Planner) -> None:
    plan = toy_plan(only=("refiner=toy-same", "replicate=1"))
    assert {str(cell.arm) for cell in plan.cells} == {"synthetic", "refined(toy-same)", "real"}
    assert {cell.replicate for cell in plan.cells} == {1}
    for item, part in (
        ("refinr=x", "did you mean 'refiner'"),
        ("model=toy-levl", "did you mean 'toy-level'"),
        ("x", "axis=value"),
    ):
        with pytest.raises(UsageError) as caught:
            toy_plan(only=(item,))
        assert part in str(caught.value)


def test_a_missing_package_skips_its_cells_with_the_reason(toy_plan: Planner) -> None:
    plan = toy_plan("models=['toy-level', 'toy-absent']")
    reasons = {cell.skip for cell in plan.cells if cell.model == "toy-absent"}
    assert reasons == {"needs nothing that exists"}
    assert plan.skipped == {"toy-absent": "needs nothing that exists"}


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("arms=['synthetic','refined(toy-brigten)']", "did you mean 'toy-brighten'"),
        ("models=['toy-levl']", "did you mean 'toy-level'"),
        ("refiner.toy-brighten.gian=2", "did you mean 'gain'"),
        ("refiner.toy-brighten.gain=-2", "gain"),
        ("refiner.other.x=2", "not used by this suite"),
        ("train.stepz=2", "did you mean 'steps'"),
        ("metric=closness", "did you mean 'closeness'"),
        ("world=toy-word", "did you mean 'toy-world'"),
    ],
)
def test_misspelt_names_keys_and_values(toy_plan: Planner, setting: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        toy_plan(setting)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(built_in_suites()))
def test_no_refiner_ever_sees_a_real_test_image(name: str) -> None:
    """Rule 1, for every built-in suite: nothing that a fit or refine stage rests on is the real test set."""
    plan = build_plan(load_suite(name, "smoke"))
    tests = {k for k, s in plan.stages.items() if s.kind == "render" and s.spec["request"]["split"] == "test"}
    assert tests

    def ancestors(key: str) -> set[str]:
        inputs = set(plan.stages[key].inputs.values())
        return inputs.union(*(ancestors(k) for k in inputs)) if inputs else set()

    for key, stage in plan.stages.items():
        if stage.kind in ("fit", "refine", "train"):
            assert not ancestors(key) & tests, stage.label


def test_an_option_of_one_domain_leaves_the_other_domain_s_images_as_they_are() -> None:
    def rendered(*settings: str) -> dict[tuple[str, str], Stage]:
        plan = build_plan(load_suite("linemod", "smoke", settings))
        stages = [stage for stage in plan.stages.values() if stage.kind == "render"]
        return {(s.spec["request"]["domain"], s.spec["request"]["split"]): s for s in stages}

    plain = rendered()
    behind = rendered("world.background=procedural")
    denoised = rendered("world.samples_per_pixel=9")
    synthetic, real = ("synthetic", "train"), [("real", "train"), ("real", "test")]
    assert behind[synthetic].key != plain[synthetic].key and denoised[synthetic].key == plain[synthetic].key
    for split in real:
        assert behind[split].key == plain[split].key and denoised[split].key != plain[split].key
        assert behind[split].run["plugin"] == plain[split].run["plugin"], "and they are rendered alike"
