"""What a stage will cost, from what stages like it did cost on this store, else from the suite's own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.graph import Plan, Stage
from bench.keys import leaves


def family(spec: Mapping[str, Any]) -> str:
    """What kind of work a stage is: ``fit/<refiner>``, ``train/<model>``, ``score/<task>``."""
    return f"{spec.get('stage')}/{spec.get('plugin', {}).get('name', spec.get('task', ''))}"


def _work(spec: Mapping[str, Any]) -> str:
    """What the cost mainly depends on: the plug-in's configuration, image size and count, and the task's settings."""
    request = spec.get("request", {})
    return str([spec.get("plugin", {}).get("config"), request.get("size"), request.get("count"), spec.get("task")])


def estimate(
    plan: Plan, missing: Sequence[Stage], history: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[float, int]]:
    """Key -> (seconds, bytes) for the stages that can be estimated; the others are left out."""
    exact: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for entry in history:
        spec = entry.get("spec", {})
        exact.setdefault((family(spec), _work(spec)), []).append((float(entry["seconds"]), int(entry.get("bytes", 0))))
    found: dict[str, tuple[float, int]] = {}
    for stage in missing:
        seen = exact.get((family(stage.spec), _work(stage.spec)))
        if seen:
            found[stage.key] = (median(s for s, _ in seen), int(median(b for _, b in seen)))
        elif family(stage.spec) in plan.suite.estimates:
            found[stage.key] = (plan.suite.estimates[family(stage.spec)], 0)
        elif stage.kind in plan.suite.estimates:
            found[stage.key] = (plan.suite.estimates[stage.kind], 0)
    return found


def latest(history: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The last entry of each label."""
    return {str(entry.get("label")): entry for entry in history}


def why(stage: Stage, last: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a stage is to be computed: never done before, or what differs from its label's entry in `latest`."""
    before = last.get(stage.label)
    if before is None:
        return "new"
    old, new = leaves(before.get("spec", {})), leaves(stage.spec)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    if not changed:
        return "its artifact is gone"
    plain = [name for name in changed if not name.startswith(("inputs.", "data.", "model", "predictions", "test"))]
    if plain:
        name = plain[0]
        return f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}" + (
            f" (and {len(plain) - 1} more)" if len(plain) > 1 else ""
        )
    return "an input changed"
