"""What a plan is made of: stages with keys, cells of the result table, and what is measured of the training sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from bench.arms import Arm
from bench.describe import Description
from bench.keys import key_of
from bench.samples import RealKind
from bench.suite import Suite

Kind = Literal["render", "fit", "refine", "train", "predict", "score", "realism"]
KINDS: tuple[Kind, ...] = ("render", "fit", "refine", "train", "predict", "score", "realism")
STAGE_SCHEMA: dict[Kind, int] = dict.fromkeys(KINDS, 1) | {"score": 2}
"""Raise a number when the stage function changes what it writes: all its artifacts are computed again."""


@dataclass(frozen=True)
class Stage:
    """One cached step.

    Attributes:
        spec: canonical description; its sha256 is the key. Inputs are in it by key.
        label: what people read, such as ``train ssd on refined(x) #2``.
        run: what the stage function needs besides, such as paths and plug-in names; never part of the key.
    """

    kind: Kind
    label: str
    spec: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """sha256 of the canonical spec, which nobody changes afterwards."""
        return key_of(self.spec)


@dataclass(frozen=True)
class Cell:
    """One (model, arm, replicate) of the result table, with the keys that it comes from, or why it is skipped."""

    model: str
    arm: Arm
    replicate: int
    train_key: str = ""
    score_key: str = ""
    refiner_keys: tuple[str, ...] = ()
    skip: str = ""


@dataclass(frozen=True)
class Quality:
    """One training set of a replicate: whether its labels still fit, and how real it looks (`bench.plan_quality`).

    Attributes:
        arm: the arm that trains on the whole set: synthetic, refined(R) or separate(R).
        set_key: of the set.
        score_key: of the score of the model trained on real images, on this set; "" where ``skip`` says why not.
        realism: extractor -> key of its realism stage.
    """

    arm: Arm
    replicate: int
    set_key: str
    score_key: str = ""
    skip: str = ""
    realism: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """Keys of the stages whose results are shown."""
        return [key for key in (self.score_key, *self.realism.values()) if key]


@dataclass
class Plan:
    """Everything a run will do: stages by key in an order that respects their inputs, and the cells they yield."""

    suite: Suite
    task: Description
    world: Description
    real_kind: RealKind
    stages: dict[str, Stage] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    refiners: dict[str, Description] = field(default_factory=dict)
    models: dict[str, Description] = field(default_factory=dict)
    n_test: int = 0

    def add(self, stage: Stage) -> str:
        """Add a stage once; return its key."""
        key = stage.key
        self.stages.setdefault(key, stage)
        return key
