"""Rule 1 for every suite and variant, by running its stages on tiny sets with spies in the plug-ins' places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import stages
from bench.contracts import Context
from bench.errors import LabelsHiddenError
from bench.formats.layout import ImageSetWriter
from bench.graph import Plan, Stage
from bench.plugins import find
from bench.samples import LABELS, U8, ImageSet, Labels, Sample
from bench.store import Store

Planner = Callable[..., Plan]
SIDE = 16
KINDS = frozenset(LABELS)


class Spy:
    """Stands for refiner, task and model: notes what it is given, and asks for every label that it can get."""

    def __init__(self, seen: list[tuple[str, str, Any]], who: str) -> None:
        self.seen, self.name, self.needs, self.copies = seen, who, frozenset[str](), 1

    def note(self, doing: str, data: ImageSet) -> None:
        readable = set()
        for index in range(len(data)):
            try:
                labels = data.labels(index)
            except LabelsHiddenError:
                labels = data[index].labels
            given = {name: getattr(labels, name) for name in LABELS}
            readable |= {name for name, value in given.items() if value is not None and len(value)}
            record = data.records[index]
            readable |= {f"record.{name}" for name in ("boxes", "classes", "vectors") if getattr(record, name)}
        self.seen.append((doing, data.domain, (tuple(data.ids), frozenset(readable))))

    def fingerprint(self) -> str:
        """No files are read."""
        return ""

    def prepare(self, synthetic: ImageSet, context: Context) -> None:
        """Nothing to prepare."""

    def fit(self, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        self.note("fit synthetic", synthetic)
        self.note("fit real", real)

    def fit_jointly(self, learner: Any, synthetic: ImageSet, real: ImageSet, context: Context) -> None:
        self.fit(synthetic, real, context)

    def refine(self, samples: Sequence[Sample], context: Context) -> Iterable[U8]:
        self.seen.append(("refine", "", (tuple(sample.id for sample in samples), KINDS)))
        return [sample.image for sample in samples]

    def learner(self, model: Any, data: ImageSet, context: Context) -> Spy:
        self.note("learner", data)
        return self

    def train(self, model: Any, data: ImageSet, context: Context) -> dict[str, Any]:
        self.note("train", data)
        return self.state_dict()

    def predict(self, model: Any, state: Any, data: ImageSet, context: Context) -> None:
        self.note("predict", data)

    def state_dict(self) -> dict[str, Any]:
        return {"weight": torch.zeros(1)}

    state = state_dict

    def load_state_dict(self, state: Any) -> None:
        """Nothing to take."""


def write_set(root: Path, domain: str, split: str) -> None:
    """Three images with every kind of label that there is; ids tell the set."""
    kind = "rendered" if domain == "synthetic" else "stand-in"
    names = [f"class{k}" for k in range(10)]
    writer = ImageSetWriter(root, domain=domain, kind=kind, class_names=names, labels=LABELS)
    ones = np.ones((SIDE, SIDE))
    for index in range(3):
        labels = Labels(
            boxes=np.array([[1, 1, 9, 9]], np.float32), classes=np.array([index]), instances=ones.astype(np.uint16),
            foreground=ones.astype(bool), depth=ones.astype(np.float32), semantic=ones.astype(np.uint8),
            vectors={"free": np.ones(16, np.float32)},
        )  # fmt: skip
        writer.add(f"{domain}-{split}-{index}", np.full((SIDE, SIDE, 3), 90 + index, np.uint8), labels)
    writer.close()


@pytest.fixture
def spied(planned: Planner, smoke: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """What every plug-in of a suite was given. The test set is not in the store before everything is trained."""
    plan, seen = planned(smoke), []

    def spy(stage: Stage, which: str = "plugin") -> Spy:
        kind, name, _ = stage.run[which]
        made = Spy(seen, name)
        made.needs = find(kind, name).load().needs if kind in ("refiner", "task") else frozenset()
        return made

    monkeypatch.setattr(stages, "_plugin", spy)
    tests = [s for s in plan.stages.values() if s.kind == "render" and s.spec["request"]["split"] == "test"]
    for stage in plan.stages.values():
        if stage.kind == "render":
            if stage not in tests:
                write_set(store.path(stage.key), stage.spec["request"]["domain"], "train")
        elif stage.kind in ("fit", "refine", "train"):
            store.path(stage.key).mkdir(parents=True)
            stages.run_stage(stage, store, Context(0, store.path(stage.key)))
    for test in tests:
        write_set(store.path(test.key), "real", "test")
    for stage in plan.stages.values():
        if stage.kind == "predict":
            # The sets here are smaller than the plan's, so a stage that draws some of their images takes them all.
            spec = {name: value for name, value in stage.spec.items() if name != "images"}
            stages.run_stage(replace(stage, spec=spec), store, Context(0, store.root))
    return seen


def test_refiners_see_no_real_label_and_no_test_image(
    spied: list[tuple[str, str, Any]], planned: Planner, smoke: Any
) -> None:
    sensors = frozenset(planned(smoke).suite.sensors)
    doings = {doing for doing, _, _ in spied}
    assert doings >= {"fit synthetic", "fit real", "refine", "train", "predict"}
    for doing, domain, (ids, readable) in spied:
        assert doing == "predict" or not any("-test-" in id for id in ids)
        if doing == "fit real":
            assert (domain, readable) == ("real", sensors)
            assert {id[:11] for id in ids} == {"real-train-"}
        elif doing in ("fit synthetic", "learner", "refine"):
            assert {id[:15] for id in ids} == {"synthetic-train"}
            assert readable >= KINDS
        elif doing == "predict":
            # Beside the test images, training sets are predicted on to see whether their labels still fit.
            assert readable == sensors
            assert {id[:10] for id in ids} == {"real-test-" if domain == "real" else "synthetic-"}


def test_the_spies_would_notice(planned: Planner, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same notes show every label where nothing hides it, so that the test above can fail."""
    seen: list[tuple[str, str, Any]] = []
    write_set(store.root / "set", "real", "train")
    data = stages.open_image_set(store.root / "set")
    Spy(seen, "x").fit(data, data.unlabelled(), Context(0, store.root))
    assert seen[0][2][1] == KINDS | {"record.boxes", "record.classes", "record.vectors"}
    assert seen[1][2][1] == frozenset()
