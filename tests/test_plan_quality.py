"""Stages that measure training sets: each set once, the same samples of all, and no other stage feels them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.errors import UsageError
from bench.extractors import EXTRACTORS, Extractor
from bench.graph import Plan
from bench.plan import build_plan
from bench.stages import places
from bench.suite import built_in_suites, load_suite

Planner = Callable[..., Plan]
JOINT = ("arms=['synthetic', 'refined(toy-joint)', 'joint(toy-joint)', 'separate(toy-joint)', 'real']", "controls=[]")


def sets(plan: Plan) -> list[str]:
    return [f"{one.arm} #{one.replicate}" for one in plan.quality]


def test_each_training_set_is_measured_once_a_replicate(toy_plan: Planner) -> None:
    plan = toy_plan("models=['toy-level', 'toy-other-level']")
    arms = ("synthetic", "refined(toy-same)", "refined(toy-brighten)")
    assert sets(plan) == [f"{arm} #{r}" for r in (0, 1) for arm in arms]
    for one in plan.quality:
        score, (realism,) = plan.stages[one.score_key], one.realism.values()
        predict = plan.stages[score.inputs["predictions"]]
        cell = next(c for c in plan.cells if (c.model, str(c.arm), c.replicate) == ("toy-level", "real", one.replicate))
        assert predict.inputs == {"model": cell.train_key, "test": one.set_key}
        assert score.inputs["test"] == one.set_key == plan.stages[realism].inputs["set"]
    # One measure of the unrefined images serves all replicates; that of a refined set is its own.
    realism = {sets(plan)[k]: one.realism["random-convolutions"] for k, one in enumerate(plan.quality)}
    assert realism["synthetic #0"] == realism["synthetic #1"]
    assert len(set(realism.values())) == 5


def test_the_sets_of_joint_and_separate_arms(toy_plan: Planner) -> None:
    plan = toy_plan(*JOINT, "replicates=1")
    assert sets(plan) == ["synthetic #0", "refined(toy-joint) #0", "separate(toy-joint) #0"]
    assert len({one.set_key for one in plan.quality}) == 3


def test_no_other_stage_feels_them(toy_plan: Planner) -> None:
    """Keys of everything else stay as they were before anything was measured."""
    with_them, without = toy_plan(*JOINT), toy_plan(*JOINT, "quality.images=0")
    assert not without.quality
    added = [stage for key, stage in with_them.stages.items() if key not in without.stages]
    assert set(without.stages) <= set(with_them.stages)
    assert {stage.kind for stage in added} == {"predict", "score", "realism"}
    assert with_them.cells == without.cells
    measured = {stage.key for stage in added}
    for stage in with_them.stages.values():
        if stage.kind != "score" or stage.key not in measured:
            assert not set(stage.inputs.values()) & measured, stage.label
    assert not any("images" in stage.spec or "agreement" in stage.spec for stage in without.stages.values())


@pytest.mark.parametrize("name", sorted(built_in_suites()))
def test_realism_rests_on_training_images_alone(name: str) -> None:
    plan = build_plan(load_suite(name, "smoke"))
    test = {k for k, s in plan.stages.items() if s.kind == "render" and s.spec["request"]["split"] == "test"}
    real = {k for k, s in plan.stages.items() if s.kind == "render" and s.spec["request"]["domain"] == "real"} - test

    def ancestors(key: str) -> set[str]:
        inputs = set(plan.stages[key].inputs.values())
        return inputs.union(*(ancestors(k) for k in inputs)) if inputs else set()

    assert plan.quality
    for one in plan.quality:
        assert one.realism
        for key in one.keys:
            assert not ancestors(key) & test
            assert ancestors(key) & real


def test_the_same_samples_of_every_set_one_copy_each(toy_plan: Planner) -> None:
    plan = toy_plan("quality.images=4")
    images = {str(plan.stages[one.score_key].spec["images"]) for one in plan.quality}
    images |= {str(plan.stages[key].spec["images"]) for one in plan.quality for key in one.realism.values()}
    assert len(images) == 1
    wanted = plan.stages[plan.quality[0].score_key].spec["images"]
    assert (wanted["first"], wanted["count"]) == (6, 4)
    chosen = places(wanted)
    assert chosen == sorted(set(chosen)) and len(chosen) == 4 and chosen[-1] < 6
    assert places({**wanted, "seed": wanted["seed"] + 1, "first": 100}) != places({**wanted, "first": 100})
    assert places({"first": 3, "count": 400, "seed": 1}) == [0, 1, 2]


def test_without_a_model_trained_on_real_images_the_labels_are_skipped_with_the_reason(toy_plan: Planner) -> None:
    plan = toy_plan("arms=['synthetic', 'refined(toy-same)']")
    assert {one.skip for one in plan.quality} == {"no toy-level trained on real images in this run; add the arm real"}
    assert all(one.realism and not one.score_key for one in plan.quality)
    part = toy_plan(only=("arm=refined(toy-brighten)", "replicate=1"))
    assert sets(part) == ["synthetic #1", "refined(toy-brighten) #1"]
    assert all(one.skip for one in part.quality)


def test_features_that_cannot_be_had_are_skipped_with_the_reason(
    toy_plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRACTORS, "inception", Extractor(1, "", "surely_no_package"))
    plan = toy_plan("quality.features=['random-convolutions', 'inception']")
    assert plan.skipped == {"features 'inception'": "the package surely-no-package is not installed"}
    assert {tuple(one.realism) for one in plan.quality} == {("random-convolutions",)}


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("quality.features=['inceptoin']", "did you mean 'inception'"),
        ("quality.images=-1", "quality.images"),
        ("quality.image=4", "did you mean"),
    ],
)
def test_mistakes_are_one_line(toy_plan: Planner, setting: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        toy_plan(setting)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
