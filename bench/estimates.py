"""What a stage will cost, from what stages like it did cost on this store, else from the suite's own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.graph import Plan, Stage
from bench.keys import leaves


def duration(seconds: float) -> str:
    """``4 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


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
    costs: dict[tuple[str, int, int] | str, tuple[float, int] | None] = {}
    found: dict[str, tuple[float, int]] = {}
    for stage in missing:
        spec = stage.spec
        # Thousands of stages share one plug-in and one task, and then cost the same.
        alike = (stage.kind, id(spec.get("plugin")), id(spec.get("task"))) if "request" not in spec else stage.key
        if alike not in costs:
            costs[alike] = _cost(stage, exact, plan.suite.estimates)
        cost = costs[alike]
        if cost is not None:
            found[stage.key] = cost
    return found


def _cost(
    stage: Stage, exact: Mapping[tuple[str, str], Sequence[tuple[float, int]]], guesses: Mapping[str, float]
) -> tuple[float, int] | None:
    kind, seen = family(stage.spec), exact.get((family(stage.spec), _work(stage.spec)))
    if seen:
        return median(s for s, _ in seen), int(median(b for _, b in seen))
    guess = guesses.get(kind, guesses.get(stage.kind))
    return None if guess is None else (guess, 0)


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
