"""Suite -> graph of stages with keys, all known before anything runs."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench import plugins
from bench.arms import Arm, set_name
from bench.contracts import SplitRequest
from bench.describe import Description, construct, describe
from bench.errors import UsageError, did_you_mean
from bench.graph import STAGE_SCHEMA, Cell, Kind, Plan, Stage
from bench.plan_quality import SetOf, measure
from bench.seeds import derive
from bench.suite import Suite


@dataclass(frozen=True)
class Only:
    """What ``--only`` leaves: names of refiners, models, arms and replicates; an empty tuple leaves all."""

    refiner: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    arm: tuple[str, ...] = ()
    replicate: tuple[int, ...] = ()

    @classmethod
    def parse(cls, items: Sequence[str], suite: Suite) -> Only:
        """Parse ``axis=value`` items; raises `UsageError` with a suggestion for an unknown axis or value."""
        axes: dict[str, list[Any]] = {"refiner": [], "model": [], "arm": [], "replicate": []}
        known = {
            "refiner": suite.refiners(),
            "model": list(suite.models),
            "arm": [str(arm) for arm in suite.parsed_arms()],
            "replicate": [str(r) for r in range(suite.replicates)],
        }
        for item in items:
            axis, equals, value = item.partition("=")
            if not equals or axis not in axes:
                raise UsageError(f"--only {item}: write axis=value{did_you_mean(axis, axes)}")
            if value not in known[axis]:
                raise UsageError(f"--only {item}: unknown {axis} '{value}'{did_you_mean(value, known[axis])}")
            axes[axis].append(int(value) if axis == "replicate" else value)
        return cls(**{axis: tuple(values) for axis, values in axes.items()})

    def keeps(self, model: str, arm: Arm, replicate: int) -> bool:
        """Whether a cell stays; arms without a refiner stay under ``--only refiner=``, for comparison."""
        return (
            (not self.model or model in self.model)
            and (not self.arm or str(arm) in self.arm)
            and (not self.replicate or replicate in self.replicate)
            and (not self.refiner or not arm.refiner or arm.refiner in self.refiner)
        )


def build_plan(suite: Suite, only: Only | None = None, memory: Path | None = None) -> Plan:
    """Turn a suite into a plan; ``memory`` is where plug-in descriptions are remembered (`bench.describe`)."""
    collecting = gc.isenabled()
    gc.disable()  # everything made here stays: looking for garbage in between is a third of a large plan's time
    try:
        return _Builder(suite, only or Only(), memory).build()
    finally:
        if collecting:
            gc.enable()


class _Builder:
    def __init__(self, suite: Suite, only: Only, memory: Path | None) -> None:
        self.suite, self.only, self.memory = suite, only, memory
        world_config = {key: value for key, value in suite.world.items() if key != "name"}
        self.world_name = suite.world["name"]
        task = describe("task", suite.task, suite.train, memory)
        self.world = construct("world", self.world_name, world_config)
        described = describe("world", self.world_name, world_config, memory)
        self.plan = Plan(suite, task, described, described.facts["real_kind"])
        self.world_config = world_config
        self.fingerprints: dict[str, str] = {}
        self.fits: dict[tuple[str, int, str], str] = {}
        self.refines: dict[tuple[str, int], tuple[str, int, tuple[str, ...]]] = {}
        """What `_fitted` and `_refined` returned: many arms rest on one refiner."""
        for key, metric in [("metric", suite.metric), *(("also", metric) for metric in suite.also)]:
            if metric and metric not in task.facts["metrics"]:
                raise UsageError(f"{key}: unknown '{metric}'{did_you_mean(metric, task.facts['metrics'])}")

    def build(self) -> Plan:
        suite, plan = self.suite, self.plan
        for name in suite.models:
            plan.models[name] = describe("model", name, suite.model.get(name, {}), self.memory)
            if plan.models[name].facts["task"] != suite.task:
                raise UsageError(f"model '{name}' is for task '{plan.models[name].facts['task']}', not '{suite.task}'")
        for name in suite.refiners():
            base, config = suite.refiner_plugin(name)
            plan.refiners[name] = describe("refiner", base, config, self.memory)
            # Files are read anew for every plan: what is remembered of a plug-in knows nothing of their content.
            if plan.refiners[name].paths and not plan.refiners[name].skip:
                self.fingerprints[name] = construct("refiner", base, config).fingerprint()
        self._check_tables()
        self._check_arms()
        for described in (plan.world, *plan.models.values(), *plan.refiners.values()):
            if described.skip:
                plan.skipped[described.name] = described.skip
        self.synthetic = self._render("synthetic", "train", suite.counts.synthetic_train)
        self.real = self._render("real", "train", suite.counts.real_train)
        self.unscored = self.world.unscored()
        self.test = ("", 0) if self.unscored else self._render("real", "test", suite.counts.real_test)
        plan.n_test = self.test[1]
        for replicate in range(suite.replicates):
            for model in suite.models:
                for arm in suite.parsed_arms():
                    if suite.runs(model, arm) and self.only.keeps(model, arm, replicate):
                        plan.cells.append(self._cell(model, arm, replicate))
        if not plan.cells:
            raise UsageError("nothing is left to run; loosen --only")
        self._measure()
        return plan

    def _measure(self) -> None:
        """Stages that measure the training sets themselves; each set once a replicate, whatever arms rest on it."""
        sets: dict[tuple[str, int], SetOf] = {}
        for cell in self.plan.cells:
            arm, r = cell.arm, cell.replicate
            sets.setdefault(("synthetic", r), SetOf(Arm("synthetic"), r, self.synthetic[0]))
            if arm.refiner and arm.family != "joint" and not cell.skip:
                of = Arm("separate" if arm.family == "separate" else "refined", arm.source)
                sets.setdefault((str(of), r), SetOf(of, r, self._refined(of, r)[0]))
        measure(self.plan, list(sets.values()), self.synthetic[1], self.real)

    def _check_arms(self) -> None:
        """Arms that a refiner cannot have, one line each."""
        for arm in self.suite.parsed_arms():
            facts = self.plan.refiners[arm.refiner].facts if arm.refiner else {}
            if facts and not facts["refines"] and arm.family != "joint":
                raise UsageError(f"arm '{arm}': '{arm.refiner}' refines no images; it has the arm joint({arm.refiner})")
            if arm.family == "joint" and not facts["joint"]:
                raise UsageError(f"arm '{arm}': '{arm.refiner}' trains no task network; write refined({arm.refiner})")
            if arm.family == "separate" and not facts["separable"]:
                raise UsageError(f"arm '{arm}': '{arm.refiner}' cannot be trained apart from its task network")
            if arm.family == "joint":
                self._check_steps(arm)

    def _check_steps(self, arm: Arm) -> None:
        """A joint arm's training is the model's own: it may not be longer or shorter than in other arms (rule 2)."""
        own = self.plan.refiners[arm.refiner].config.get("steps")
        for name in self.suite.models:
            model = self.plan.models[name].config.get("steps") or self.plan.task.config.get("steps")
            if None not in (own, model) and own != model and self.suite.runs(name, arm):
                raise UsageError(
                    f"arm '{arm}': [refiner.{arm.refiner}] steps = {own}, but {name} trains {model} steps in every "
                    "other arm; leave steps out"
                )

    def _check_tables(self) -> None:
        bases = [self.suite.refiner_plugin(name)[0] for name in self.suite.refiners()]
        tables: list[tuple[plugins.Kind, Mapping[str, Any], Sequence[str]]] = [
            ("refiner", self.suite.refiner, [*self.suite.refiners(), *bases]),
            ("model", self.suite.model, self.suite.models),
        ]
        for table, used, known in tables:
            for name in used:
                # A variant may leave out arms whose refiner the profile configures; a name that nothing has is a slip.
                spare = self.suite.variant and (name in plugins.names(table) or "base" in used[name])
                if name not in known and not spare:
                    raise UsageError(f"[{table}.{name}]: not used by this suite{did_you_mean(name, known)}")

    def _seed(self, axis: str, replicate: int = 0) -> int:
        return derive(self.suite.name, axis, self.suite.task, replicate)

    def _render(
        self, domain: Literal["synthetic", "real"], split: Literal["train", "test"], count: int
    ) -> tuple[str, int]:
        request = SplitRequest(domain, split, count, self.suite.size, derive(self.suite.name, "world"))
        count = self.world.available(request)
        if count < 1:
            raise UsageError(f"world '{self.world_name}': {domain} {split} is empty; see [counts]")
        request = SplitRequest(domain, split, count, self.suite.size, request.seed)
        defaults = type(self.world.config)().model_dump(mode="json") if self.world.options_of else {}
        other = {name for name, of in self.world.options_of.items() if of != domain}
        whole = {k: defaults[k] if k in other else value for k, value in self.plan.world.config.items()}
        identity = dict(self.plan.world.identity)
        identity["config"] = {name: whole[name] for name in identity["config"]}
        spec = {
            "stage": "render",
            "schema": STAGE_SCHEMA["render"],
            "plugin": identity,
            "request": {
                "domain": domain,
                "split": split,
                "count": count,
                "size": self.suite.size,
                "seed": request.seed,
            },
            "fingerprint": self.world.fingerprint(request),
        }
        run = {"plugin": ["world", self.world_name, whole], "source": self.plan.world.source}
        return self.plan.add(Stage("render", f"render {domain} {split} ({count})", spec, {}, run)), count

    def _fitted(self, name: str, replicate: int, model: str = "") -> str:
        """The stage that trains a refiner, together with ``model`` where one is given; returns its key."""
        if (name, replicate, model) in self.fits:
            return self.fits[name, replicate, model]
        refiner, inputs = self.plan.refiners[name], {"synthetic": self.synthetic[0], "real": self.real[0]}
        spec = self._spec("fit", refiner, replicate, inputs) | self._files(name)
        plugin = ["refiner", refiner.name, refiner.config]
        run: dict[str, Any] = {"plugin": plugin, "source": refiner.source, "name": name}
        if refiner.facts["shares"] and not model:
            run["shares"] = True
        label = f"fit {name} #{replicate}"
        if model:
            described, task = self.plan.models[model], self.plan.task
            spec |= {"model": described.identity, "task": task.identity}
            run |= {"model": ["model", model, described.config], "task": ["task", task.name, task.config]}
            run["train_seed"] = spec["train_seed"] = self._seed("train", replicate)
            label = f"fit {name} with {model} #{replicate}"
        return self.fits.setdefault((name, replicate, model), self.plan.add(Stage("fit", label, spec, inputs, run)))

    def _refined(self, arm: Arm, replicate: int) -> tuple[str, int, tuple[str, ...]]:
        """Stages that make the refined set; returns its key, its number of images, and the keys that it cost.

        A refiner with a task network is trained with the first model of the suite; `separate` arms leave it out.
        """
        name, label = arm.source, set_name(arm)
        if (label, replicate) in self.refines:
            return self.refines[label, replicate]
        refiner, inputs, keys = self.plan.refiners[name], {"synthetic": self.synthetic[0]}, []
        run = {"plugin": ["refiner", refiner.name, refiner.config], "source": refiner.source, "name": label}
        if refiner.facts["trained"]:
            alone = arm.family == "separate" or not refiner.facts["joint"]
            keys.append(self._fitted(name, replicate, "" if alone else self.suite.models[0]))
            inputs["fit"] = keys[0]
        spec = self._spec("refine", refiner, replicate, inputs) | self._files(name)
        keys.append(self.plan.add(Stage("refine", f"refine with {label} #{replicate}", spec, inputs, run)))
        made = keys[-1], self.synthetic[1] * refiner.facts["copies"], tuple(keys)
        return self.refines.setdefault((label, replicate), made)

    def _spec(self, stage: Kind, plugin: Description, replicate: int, inputs: dict[str, str]) -> dict[str, Any]:
        return {
            "stage": stage,
            "schema": STAGE_SCHEMA[stage],
            "plugin": plugin.identity,
            "inputs": inputs,
            "seed": self._seed(stage, replicate),
            "precision": self.suite.precision,
            **self._sensors(),
        }

    def _files(self, refiner: str) -> dict[str, str]:
        """The fingerprint of the files that a refiner reads, where it reads any."""
        return {"fingerprint": self.fingerprints[refiner]} if self.fingerprints.get(refiner) else {}

    def _sensors(self) -> dict[str, Any]:
        return {"sensors": self.suite.sensors} if self.suite.sensors else {}

    def _data(self, arm: Arm, replicate: int) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """What an arm trains on: parts of (set key, how many, seed of the draw), and the refiner's stages."""
        if arm.source and arm.source != "synthetic":
            key, available, costs = self._refined(arm, replicate)
        else:
            key, available, costs = self.synthetic[0], self.synthetic[1], ()
        # The same draws in every arm of a replicate: the subset seed knows neither arm nor refiner.
        labelled = min(self.suite.hybrid.real or self.real[1], self.real[1])
        real = {"set": self.real[0], "count": labelled, "seed": self._seed("subset", replicate)}
        if arm.family == "real":
            return [real], ()
        source = {"set": key, "count": available, "seed": self._seed("subset-added", replicate)}
        if arm.family == "hybrid":
            added = round(self.suite.hybrid.ratio * labelled) if arm.added is None else arm.added
            return [real, {**source, "count": min(added, available)}] if added else [real], costs
        return [source], costs

    def _cell(self, model: str, arm: Arm, replicate: int) -> Cell:
        plan, described = self.plan, self.plan.models[model]
        reasons = [described.skip, plan.world.skip, plan.refiners[arm.refiner].skip if arm.refiner else None]
        reason = next((text for text in reasons if text), "")
        if reason:
            return Cell(model, arm, replicate, skip=reason)
        if self.unscored:
            # There is nothing to score on, but the refined images are worth having.
            made = self._refined(arm, replicate)[2] if arm.refiner and arm.family in ("refined", "separate") else ()
            return Cell(model, arm, replicate, skip=self.unscored, refiner_keys=made)
        name = f"{model} on {arm} #{replicate}"
        run: dict[str, Any] = {
            "plugin": ["model", model, described.config],
            "task": ["task", plan.task.name, plan.task.config],
            "source": described.source,
        }
        if arm.family == "joint":
            # R's own training is the model's training: what is predicted with lies in the fit's artifact.
            train_key = self._fitted(arm.source, replicate, model)
            costs: tuple[str, ...] = (train_key,)
            run["joint"] = True
        else:
            train_key, costs = self._trained(model, arm, replicate, run)
        predict = {
            "stage": "predict",
            "schema": STAGE_SCHEMA["predict"],
            "model": train_key,
            "test": self.test[0],
            "plugin": described.identity,
            "task": plan.task.identity,
            **self._sensors(),
        }
        predict_key = plan.add(
            Stage("predict", f"predict {name}", predict, {"model": train_key, "test": self.test[0]}, run)
        )
        score = {
            "stage": "score",
            "schema": STAGE_SCHEMA["score"],
            "task": plan.task.name,
            "score_version": plan.task.facts["score_version"],
            "predictions": predict_key,
            "test": self.test[0],
        }
        score_key = plan.add(
            Stage("score", f"score {name}", score, {"predictions": predict_key, "test": self.test[0]}, run)
        )
        return Cell(model, arm, replicate, train_key, score_key, costs)

    def _trained(self, model: str, arm: Arm, replicate: int, run: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        """The train stage of a cell; returns its key, and the keys of the refiner's stages."""
        data, costs = self._data(arm, replicate)
        inputs = {f"set{number}": part["set"] for number, part in enumerate(data)}
        train = {
            "stage": "train",
            "schema": STAGE_SCHEMA["train"],
            "plugin": self.plan.models[model].identity,
            "task": self.plan.task.identity,
            "data": data,
            "seed": self._seed("train", replicate),
            "precision": self.suite.precision,
            **self._sensors(),
        }
        return self.plan.add(Stage("train", f"train {model} on {arm} #{replicate}", train, inputs, run)), costs
