"""What is asked of a refiner."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.conformance.common import check_class, compare_states, mock_set, other_values, resume
from bench.conformance.run import Check, Failed, Skipped
from bench.contracts import Context, Refined, Refiner, State
from bench.describe import construct
from bench.engines.execution import execute
from bench.errors import LabelsHiddenError
from bench.formats.layout import MAPS, open_image_set
from bench.graph import Plan
from bench.plan import build_plan
from bench.samples import LABELS, U8, Sample
from bench.stages import load_state, save_state
from bench.store import Store
from bench.suite import load_suite


def checks(name: str, config: dict[str, Any], folder: Path) -> list[Check]:
    """The checks in order; ``folder`` is theirs."""
    asked = _Asked(name, config, folder)
    return [
        ("contract: name, version, Config, needs", asked.contract),
        ("fits without reading a real label", asked.fits),
        ("images keep size and type, one for each sample", asked.images),
        ("labels come through untouched", asked.labels),
        ("an image does not depend on its batch", asked.batch),
        ("fit twice leaves the same bytes", asked.fit_twice),
        ("refine twice makes the same images", asked.refine_twice),
        ("weights go through safetensors to another instance", asked.state),
        ("a resumed fit ends as an uninterrupted one", asked.resumed),
        ("keys feel version, settings, seed and inputs, and no title", asked.keys),
        ("a run of the mock suite: every stage, labels as they were", asked.whole_run),
    ]


class _Asked:
    def __init__(self, name: str, config: dict[str, Any], folder: Path) -> None:
        self.name, self.config, self.folder = name, config, folder
        self.runs = 0
        self._fitted: Refiner | None = None

    def new(self) -> Refiner:
        refiner: Refiner = construct("refiner", self.name, self.config)
        return refiner

    def context(self) -> Context:
        self.runs += 1
        directory = self.folder / f"run-{self.runs}"
        directory.mkdir(parents=True)
        return Context(seed=5, directory=directory)

    def train(self, context: Context) -> tuple[Refiner, State]:
        """A refiner fitted anew, and its state with that of the task's network where it trains one."""
        refiner = self.new()
        synthetic = mock_set(self.folder, "synthetic", "train")
        real = mock_set(self.folder, "real", "train").unlabelled()
        state: dict[str, torch.Tensor] = {}
        if refiner.joint:
            task, model = construct("task", "mock-task", {}), construct("model", "mock-model", {})
            learner = task.learner(model, synthetic, replace(context, seed=11))
            refiner.fit_jointly(learner, synthetic, real, context)
            state = {f"task.{key}": value for key, value in learner.state().items()}
        elif refiner.trained:
            refiner.fit(synthetic, real, context)
        state |= {key: value.clone() for key, value in refiner.state_dict().items()}
        return refiner, state

    def fitted(self) -> Refiner:
        if self._fitted is None:
            self._fitted = self.train(self.context())[0]
        return self._fitted

    def refined(self, refiner: Refiner, samples: Sequence[Sample], seed: int = 5) -> list[U8]:
        if not refiner.refines:
            raise Skipped("adapts features and makes no images")
        refiner.prepare(mock_set(self.folder, "synthetic", "train"), self.context())
        made = refiner.refine(samples, replace(self.context(), seed=seed))
        return [image.image if isinstance(image, Refined) else image for image in made]

    def samples(self) -> list[Sample]:
        return list(mock_set(self.folder, "synthetic", "train"))

    def contract(self) -> str | None:
        cls = check_class("refiner", self.name, Refiner)
        needs = set(cls.needs)  # type: ignore[attr-defined]
        if needs - set(LABELS):
            raise Failed(f"needs {', '.join(sorted(needs - set(LABELS)))}; kinds of labels are {', '.join(LABELS)}")
        if self.new().copies < 1:
            raise Failed("copies is below 1")
        return f"needs {', '.join(sorted(needs))}" if needs else None

    def fits(self) -> str | None:
        if not self.new().trained:
            raise Skipped("nothing is trained")
        try:
            self.fitted()
        except LabelsHiddenError:
            raise Failed("read labels of real images; a refiner gets photographs without labels (rule 1)") from None
        return None

    def images(self) -> str | None:
        samples = self.samples()
        made = self.refined(self.fitted(), samples)
        if len(made) != len(samples):
            raise Failed(f"{len(made)} images for {len(samples)} samples")
        for sample, image in zip(samples, made, strict=True):
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != sample.image.shape:
                found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
                raise Failed(f"{sample.id}: {found}, not uint8 {sample.image.shape}")
        other = self.refined(self.fitted(), samples, seed=6)
        random = any((a != b).any() for a, b in zip(made, other, strict=True))
        return "draws at random from the seed" if random else None

    def labels(self) -> str | None:
        refiner, samples = self.fitted(), self.samples()
        # Writable copies: a refiner that writes into what it was given must be caught here and not by numpy.
        copies = [replace(s, image=s.image.copy(), labels=_copied(s)) for s in samples]
        self.refined(refiner, copies)
        for before, after in zip(samples, copies, strict=True):
            if (before.image != after.image).any():
                raise Failed(f"{before.id}: refine wrote into the sample's own image")
            for kind in ("boxes", "classes", *MAPS):
                if (getattr(before.labels, kind) != getattr(after.labels, kind)).any():
                    raise Failed(f"{before.id}: refine wrote into the sample's {kind}")
        return None

    def batch(self) -> str | None:
        refiner, samples = self.fitted(), self.samples()[:5]
        together = self.refined(refiner, samples)
        backwards = self.refined(refiner, samples[::-1])[::-1]
        for number, sample in enumerate(samples):
            alone = self.refined(refiner, [sample])[0]
            if (alone != together[number]).any() or (alone != backwards[number]).any():
                raise Failed(f"{sample.id} alone differs from {sample.id} in a batch; draw by its id, not by its place")
        return None

    def fit_twice(self) -> str | None:
        if not self.new().trained:
            raise Skipped("nothing is trained")
        first = self.train(self.context())[1]
        torch.rand(3)  # whatever was drawn before must not matter
        np.random.default_rng().random()
        compare_states(first, self.train(self.context())[1], "the second fit's state")
        return None

    def refine_twice(self) -> str | None:
        refiner, samples = self.fitted(), self.samples()
        first = self.refined(refiner, samples)
        torch.rand(3)
        for sample, one, other in zip(samples, first, self.refined(refiner, samples), strict=True):
            if (one != other).any():
                raise Failed(f"{sample.id} differs; draw everything from context.seed and the sample's id")
        return None

    def state(self) -> str | None:
        refiner = self.fitted()
        state = refiner.state_dict()
        if not refiner.trained:
            raise Skipped("nothing is trained")
        if not state and refiner.refines:
            raise Failed("trained, but state_dict is empty")
        path = self.folder / "state.safetensors"
        save_state(path, state)
        other = self.new()
        other.load_state_dict(load_state(path))
        samples = self.samples()[:4]
        pairs = zip(samples, self.refined(refiner, samples), self.refined(other, samples), strict=True)
        for sample, one, two in pairs:
            if (one != two).any():
                raise Failed(f"{sample.id} differs after load_state_dict; put all that was learnt into state_dict")
        return f"{len(state)} tensors"

    def resumed(self) -> str | None:
        if not self.new().trained:
            raise Skipped("nothing is trained")
        return resume(lambda context: self.train(context)[1], self.folder / "resume")

    def keys(self) -> str | None:
        before = self._keys()
        trained = len(before) > 1
        settings = {"replicates=2": trained, "size=40": True, "counts.synthetic_train=15": True,
                    "counts.real_train=15": trained, "precision=bf16": True}  # fmt: skip
        for setting, matters in settings.items():
            if matters and self._keys(setting)[-1] == before[-1]:
                raise Failed(f"the key does not feel {setting}")
        if self._keys("title=other") != before:
            raise Failed("the key feels the title")
        cls = type(self.new())
        felt = []
        for key, changed in other_values(cls.Config, self.config):
            if self._keys(config=changed)[0] == before[0]:
                raise Failed(f"the key does not feel {key}; is it excluded from the configuration?")
            felt.append(key)
        with _version(cls):
            if self._keys()[0] == before[0]:
                raise Failed("the key does not feel the version")
        paths = [key for key in cls.Config.model_fields if isinstance(getattr(self.new().config, key), Path)]
        if paths and not self.new().fingerprint():
            raise Failed(f"{', '.join(paths)}: paths are no part of a key; give the files' digest by fingerprint()")
        return f"settings felt: {', '.join(felt)}" if felt else None

    def whole_run(self) -> str | None:
        store = Store(self.folder / "store")
        store.root.mkdir()
        plan = mock_plan(self.folder, self.name, self.config)
        run_mock(plan, store)
        sets = {stage.kind: open_image_set(store.path(key)) for key, stage in plan.stages.items()
                if stage.kind == "refine" or stage.label.startswith("render synthetic")}  # fmt: skip
        if "refine" not in sets:
            return None
        before, after = sets["render"], sets["refine"]
        if len(after) != len(before) * self.new().copies:
            raise Failed(f"{len(after)} refined images of {len(before)} with {self.new().copies} copies each")
        for number, record in enumerate(after.records):
            source = before.records[number % len(before)]
            if (record.boxes, record.classes) != (source.boxes, source.classes):
                raise Failed(f"{record.id}: other boxes than {source.id}")
        return None

    def _keys(self, *settings: str, config: dict[str, Any] | None = None) -> list[str]:
        """Keys of the last replicate's fit and refine stages (or joint predictions) in a plan of the mock suite."""
        plan = mock_plan(self.folder, self.name, self.config if config is None else config, settings)
        return [key for key, stage in plan.stages.items() if stage.kind in ("fit", "refine")][-2:]


def mock_plan(folder: Path, name: str, config: dict[str, Any], settings: Sequence[str] = ()) -> Plan:
    """The mock suite with one refiner, planned."""
    refiner: Refiner = construct("refiner", name, config)
    arm = f"refined({name})" if refiner.refines else f"joint({name})"
    path = folder / "mock.toml"
    text = f"""
schema = 1
name = "mock"
task = "mock-task"
models = ["mock-model"]
arms = ["synthetic", "{arm}", "real"]
size = 32
replicates = 1
counts = {{ synthetic_train = 16, real_train = 16, real_test = 8 }}
world = {{ name = "mock-world" }}
"""
    path.write_text(text, encoding="utf-8")
    suite = load_suite(str(path), None, settings)
    return build_plan(suite.model_copy(update={"refiner": {name: config}}))


def run_mock(plan: Plan, store: Store) -> None:
    """Make every stage in this process; raises `Failed` with the reason of the first that fails."""
    for stage in plan.stages.values():
        outcome = execute(stage, store, device="cpu", progress=lambda report: None)
        if outcome.status != "done":
            raise Failed(f"{stage.label}: {outcome.reason}")


def _copied(sample: Sample) -> Any:
    labels = sample.labels
    return replace(labels, **{
        kind: value.copy() for kind in ("boxes", "classes", *MAPS) if (value := getattr(labels, kind)) is not None
    })  # fmt: skip


@contextlib.contextmanager
def _version(cls: Any) -> Iterator[None]:
    before = cls.version
    cls.version = before + 1
    try:
        yield
    finally:
        cls.version = before
