"""The part of the plan that measures training sets: do their labels still fit, and how real do they look?

Two questions, asked of the unrefined synthetic set and of every refined one:

- label preservation (rule 9): the suite's first model, as the arm ``real`` trained it, predicts on the set and is
  scored against the set's synthetic labels. What it loses to its score on the unrefined images is what refining did
  to images that no longer show what their labels say.
- realism: distances of features to the real *training* images, never the test images.

No stage here is an input of any training, so nothing that is measured can reach a model or a refiner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.arms import Arm
from bench.extractors import EXTRACTORS
from bench.graph import STAGE_SCHEMA, Cell, Plan, Quality, Stage
from bench.seeds import derive


@dataclass(frozen=True, slots=True)
class SetOf:
    """A training set: of which arm, of which replicate, and its key."""

    arm: Arm
    replicate: int
    key: str


def measure(plan: Plan, sets: Sequence[SetOf], samples: int, real: tuple[str, int]) -> None:
    """Add the stages and ``plan.quality``.

    Args:
        plan: with its cells.
        sets: each training set once.
        samples: images of the synthetic set. A refiner may make several copies of each; the first ones, one a sample,
            are those that are measured, so that every set shows the same samples.
        real: key and number of images of the real training set.
    """
    chosen = plan.suite.quality
    if not chosen.images:
        return
    seed = derive(plan.suite.name, "quality")
    # The same samples of every set, so that a set and the unrefined one compare image by image.
    images = {"first": samples, "count": min(chosen.images, samples), "seed": seed}
    against = {"first": real[1], "count": min(chosen.images, real[1]), "seed": seed}
    model = plan.suite.models[0]
    judges = {cell.replicate: cell for cell in plan.cells if cell.model == model and str(cell.arm) == "real"}
    for one in sets:
        score_key, skip = _labels(plan, one, judges.get(one.replicate), images)
        realism = {}
        for name in chosen.features:
            if reason := EXTRACTORS[name].skip():
                plan.skipped[f"features '{name}'"] = reason
            else:
                realism[name] = _realism(plan, one, name, images, (real[0], against))
        plan.quality.append(Quality(one.arm, one.replicate, one.key, score_key, skip, realism))


def _labels(plan: Plan, one: SetOf, cell: Cell | None, images: dict[str, Any]) -> tuple[str, str]:
    """The score stage of the set's labels by the real arm's model (``cell``), or "" and why there is none."""
    if cell is None or cell.skip:
        model = plan.suite.models[0]
        return "", cell.skip if cell else f"no {model} trained on real images in this run; add the arm real"
    return _scored(plan, one, cell, images), ""


def _scored(plan: Plan, one: SetOf, cell: Cell, images: dict[str, Any]) -> str:
    """Predict and score with the real arm's model, as its own stages do, on some images of the set."""
    described, name = plan.models[cell.model], f"labels of {one.arm} by {cell.model} on real #{one.replicate}"
    run: dict[str, Any] = {
        "plugin": ["model", cell.model, described.config],
        "task": ["task", plan.task.name, plan.task.config],
        "source": described.source,
    }
    predict = {
        "stage": "predict",
        "schema": STAGE_SCHEMA["predict"],
        "model": cell.train_key,
        "test": one.key,
        "images": images,
        "plugin": described.identity,
        "task": plan.task.identity,
        **({"sensors": plan.suite.sensors} if plan.suite.sensors else {}),
    }
    inputs = {"model": cell.train_key, "test": one.key}
    predict_key = plan.add(Stage("predict", f"predict {name}", predict, inputs, run))
    score = {
        "stage": "score",
        "schema": STAGE_SCHEMA["score"],
        "task": plan.task.name,
        "score_version": plan.task.facts["score_version"],
        "agreement": plan.task.facts["agreement"],
        "predictions": predict_key,
        "test": one.key,
        "images": images,
    }
    return plan.add(Stage("score", f"score {name}", score, {"predictions": predict_key, "test": one.key}, run))


def _realism(plan: Plan, one: SetOf, name: str, images: dict[str, Any], real: tuple[str, dict[str, Any]]) -> str:
    extractor = EXTRACTORS[name]
    spec = {
        "stage": "realism",
        "schema": STAGE_SCHEMA["realism"],
        "plugin": {"name": name, "version": extractor.version},
        "set": one.key,
        "images": images,
        "real": real[0],
        "real_images": real[1],
    }
    # The unrefined set is one for all replicates, and so is its stage.
    label = f"realism of {one.arm} ({name})" + ("" if one.arm.family == "synthetic" else f" #{one.replicate}")
    return plan.add(Stage("realism", label, spec, {"set": one.key, "real": real[0]}))
