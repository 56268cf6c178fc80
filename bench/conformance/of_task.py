"""What is asked of a task, with the first of its models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench import plugins
from bench.conformance.common import check_class, compare_states, mock_set, resume
from bench.conformance.run import Check, Failed, Skipped, configuration
from bench.contracts import Context, Score, State, Task
from bench.describe import construct
from bench.errors import LabelsHiddenError
from bench.samples import LABELS
from bench.stages import load_state, save_state


def checks(name: str, config: dict[str, Any], folder: Path) -> list[Check]:
    """The checks in order; a task is trained with the first of its models."""
    models = plugins.names("model", name)
    model = models[0] if models else ""
    asked = AskedTask(name, config, model, configuration("model", model, {}) if model else {}, folder)
    return [("contract: name, version, Config, metrics", asked.contract), *asked.training()]


class AskedTask:
    """A task with one model, trained on the mock world."""

    def __init__(self, task: str, config: dict[str, Any], model: str, settings: dict[str, Any], folder: Path) -> None:
        self.name, self.config, self.model, self.settings, self.folder = task, config, model, settings, folder
        self.runs = 0
        self._state: State | None = None

    def training(self) -> list[Check]:
        """What is asked of the task and the model together."""
        return [
            ("trains, and twice leaves the same bytes", self.trains),
            ("a resumed training ends as an uninterrupted one", self.resumed),
            ("predicts without reading a label", self.predicts),
            ("scores are pure and of declared metrics", self.scores),
        ]

    def context(self) -> Context:
        """A context with a directory of its own."""
        self.runs += 1
        directory = self.folder / f"run-{self.runs}"
        directory.mkdir(parents=True)
        return Context(seed=5, directory=directory)

    def pair(self) -> tuple[Task, Any]:
        """The task and the model, made anew."""
        if not self.model:
            raise Skipped("no model of this task is known; put one into the file")
        return construct("task", self.name, self.config), construct("model", self.model, self.settings)

    def train(self, context: Context) -> State:
        """The state after training."""
        task, model = self.pair()
        return task.train(model, mock_set(self.folder, "synthetic", "train"), context)

    def contract(self) -> str | None:
        """Metrics and versions."""
        cls: Any = check_class("task", self.name, Task)
        if not cls.metrics or not all(isinstance(higher, bool) for higher in cls.metrics.values()):
            raise Failed("metrics: a table from each metric's name to whether higher is better")
        if cls.headline not in cls.metrics:
            raise Failed(f"headline '{cls.headline}' is none of the metrics")
        if type(cls.score_version) is not int:
            raise Failed("score_version is no whole number")
        if set(cls.needs) - set(LABELS):
            raise Failed(f"needs {', '.join(sorted(set(cls.needs) - set(LABELS)))}; known are {', '.join(LABELS)}")
        return None

    def trains(self) -> str | None:
        """Two trainings from one seed."""
        self._state = self.train(self.context())
        torch.rand(3)
        compare_states(self._state, self.train(self.context()), "the second training's state")
        path = self.folder / "state.safetensors"
        save_state(path, self._state)
        return f"{self.model}, {len(load_state(path))} tensors"

    def resumed(self) -> str | None:
        """Stopped and gone on."""
        self.pair()
        return resume(self.train, self.folder / "resume")

    def predicts(self) -> str | None:
        """Predictions on a set whose labels are hidden."""
        try:
            self._predicted()
        except LabelsHiddenError:
            raise Failed("read labels of the test images while predicting") from None
        return None

    def _predicted(self) -> Path:
        task, model = self.pair()
        state = self._state if self._state is not None else self.train(self.context())
        context = replace(self.context(), seed=0)
        task.predict(model, state, mock_set(self.folder, "real", "test").unlabelled(), context)
        return context.directory

    def scores(self) -> str | None:
        """The same scores twice, from two instances."""
        truth, predictions = mock_set(self.folder, "real", "test"), self._predicted()
        found: list[list[Score]] = [self.pair()[0].score(predictions, truth) for _ in range(2)]
        if repr(found[0]) != repr(found[1]):
            raise Failed("two calls of score give different numbers")
        metrics = self.pair()[0].metrics
        for score in found[0]:
            if score.metric.split("/")[0] not in metrics:
                raise Failed(f"score '{score.metric}' is of no declared metric")
        missing = set(metrics) - {score.metric for score in found[0]}
        if missing:
            raise Failed(f"no score for {', '.join(sorted(missing))}")
        return ", ".join(f"{score.metric} {score.value:.3g}" for score in found[0] if "/" not in score.metric)
