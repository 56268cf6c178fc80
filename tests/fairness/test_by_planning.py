"""Rules 1, 2 and 4 for every profile and variant of every built-in suite, read off the plan: nothing runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from bench.graph import Plan, Stage

Question = tuple[str, str | None, str]
Planner = Callable[..., Plan]
Above = Callable[[Plan, Stage], set[str]]


def trainings(plan: Plan) -> dict[tuple[str, int], list[Stage]]:
    """(model, replicate) -> the stage that trains the model, an arm each."""
    found: dict[tuple[str, int], list[Stage]] = defaultdict(list)
    for cell in plan.cells:
        if not cell.skip:
            found[cell.model, cell.replicate].append(plan.stages[cell.train_key])
    return found


def learns(stage: Stage) -> dict[str, Any]:
    """All that decides how a model is trained but for the images: network, task (steps, batch, schedule), precision."""
    joint = stage.kind == "fit"
    return {
        "model": stage.spec["model" if joint else "plugin"],
        "task": stage.spec["task"],
        "seed": stage.spec["train_seed" if joint else "seed"],
        "precision": stage.spec["precision"],
        "sensors": stage.spec.get("sensors"),
    }


def test_nothing_that_learns_or_refines_rests_on_a_test_image(
    question: Question, planned: Planner, rests_on: Above
) -> None:
    """Rule 1: the test set is an input of prediction and scoring and of nothing before them."""
    plan, kinds = planned(question), set()
    for stage in plan.stages.values():
        if stage.kind in ("fit", "refine", "train"):
            assert not [label for label in rests_on(plan, stage) if " test " in label], stage.label
        if "test" in stage.inputs:
            kinds.add(stage.kind)
            # Models are looked at on training sets too, to see whether refined images still fit their labels.
            asked = plan.stages[stage.inputs["test"]].label
            measured = asked.startswith(("render synthetic train", "refine "))
            assert measured if " labels of " in stage.label else asked.startswith("render real test")
    assert kinds == {"predict", "score"}


def test_refiners_get_the_two_training_sets_and_what_they_made_of_them(
    question: Question, planned: Planner, rests_on: Above
) -> None:
    """Rule 1: a fit reads the synthetic and the real training set; refining reads no real image at all."""
    plan = planned(question)
    for stage in plan.stages.values():
        inputs = {name: plan.stages[key].label.partition(" (")[0] for name, key in stage.inputs.items()}
        if stage.kind == "fit":
            assert inputs == {"synthetic": "render synthetic train", "real": "render real train"}
        if stage.kind == "refine":
            assert inputs.pop("synthetic") == "render synthetic train"
            assert [name for name in inputs if name != "fit"] == []
            assert all(plan.stages[key].kind == "fit" for name, key in stage.inputs.items() if name == "fit")


def test_real_labels_are_trained_on_by_the_arms_that_say_so(question: Question, planned: Planner) -> None:
    """A set of real images is a part of the training data of ``real`` and ``hybrid`` arms and of no other."""
    plan = planned(question)
    for cell in plan.cells:
        if cell.skip or plan.stages[cell.train_key].kind == "fit":
            continue
        parts = [plan.stages[part["set"]] for part in plan.stages[cell.train_key].spec["data"]]
        real = [stage.label for stage in parts if stage.kind == "render" and stage.spec["request"]["domain"] == "real"]
        assert len(real) == (cell.arm.family in ("real", "hybrid")), (str(cell.arm), real)


def test_arms_of_a_replicate_are_trained_alike(question: Question, planned: Planner) -> None:
    """Rules 2 and 4: network, steps, batch size, schedule, precision and seed are one, whatever the arm."""
    for (model, replicate), stages in trainings(planned(question)).items():
        first = learns(stages[0])
        assert len(stages) > 1, (model, replicate)
        for stage in stages[1:]:
            assert learns(stage) == first, stage.label


def test_arms_of_a_replicate_draw_the_same_images(question: Question, planned: Planner) -> None:
    """Rule 4: the labelled real images of a replicate are the same in every arm; what is added is drawn by one seed."""
    plan = planned(question)
    for stages in trainings(plan).values():
        real, added = set(), set()
        for part in (part for stage in stages for part in stage.spec.get("data", ())):
            labelled = plan.stages[part["set"]].label.startswith("render real")
            (real if labelled else added).add((part["seed"], (part["set"], part["count"]) if labelled else ""))
        assert len(real) <= 1
        assert len(added) == 1
        assert not {seed for seed, _ in real} & {seed for seed, _ in added}


def test_replicates_share_no_seed_and_use_refiner_checkpoints_of_their_own(
    question: Question, planned: Planner, rests_on: Above
) -> None:
    """Rule 4: replicate r of everything rests on replicate r of everything above it."""
    plan, seeds = planned(question), defaultdict(set)
    for stage in plan.stages.values():
        replicate = stage.label.rpartition("#")[2]
        for above in rests_on(plan, stage):
            assert "#" not in above or above.endswith(f"#{replicate}"), (stage.label, above)
        if "seed" in stage.spec:
            seeds[stage.kind, replicate].add(stage.spec["seed"])
    assert {replicate for _, replicate in seeds} - {""} == {str(r) for r in range(plan.suite.replicates)}
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set.union(*seeds.values())) == len(seeds), "two kinds or replicates share a seed"


def test_the_order_of_arms_changes_no_stage(question: Question, planned: Planner) -> None:
    """A value is what its key says, and no key knows the order of the arms, or how many workers there are."""
    plan = planned(question)
    arms = list(plan.suite.arms)[::-1]
    turned = planned(question, f"arms={arms}")
    assert set(turned.stages) == set(plan.stages)
    by_cell = [{(c.model, str(c.arm), c.replicate): c.score_key for c in p.cells} for p in (plan, turned)]
    assert by_cell[0] == by_cell[1]
    assert "worker" not in str([stage.spec for stage in plan.stages.values()])


def test_the_control_is_there_and_its_gain_is_measured_like_any_other(question: Question, planned: Planner) -> None:
    """Every suite has a control that returns what it is given, unless a variant asks nothing of refiners' gains."""
    plan = planned(question)
    for name in plan.suite.controls:
        assert plan.refiners[name].name == "identity"
        assert f"refined({name})" in plan.suite.arms or question[1], plan.suite.label
    assert "identity" in plan.suite.controls
