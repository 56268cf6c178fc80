"""Seconds of refiner training until training on refined images pays: ``python -m benchmarks.time_to_gain FILE.toml``.

FILE.toml (such as those in benchmarks/gain) names a suite, models, and settings of refiners with numbers of steps
(none for refiners that do not train). Each number of steps is a training of its own, with the schedule that belongs to
it, since that is what a user would run. The suite gets another name, and by that other seeds and other images: nothing
here looks at the images that the suite itself is judged by.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

import tomli_w

from bench.plan import Only, build_plan
from bench.results import Row, read_rows
from bench.statistics import paired_t_interval
from bench.store import Store
from bench.suite import Suite, load_suite
from benchmarks.measuring import ROOT, processor

COLUMNS = ("date", "machine", "suite", "metric", "model", "setting", "steps", "seconds", "replicate", "gain")


@dataclass(frozen=True)
class Point:
    """A refiner trained for some steps: seconds of fit and refine, and the paired gain of each replicate."""

    setting: str
    model: str
    steps: int
    seconds: float
    gains: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Mean over replicates; higher is better whatever the metric."""
        return fmean(self.gains)


def derived(asked: dict[str, Any], name: str, replicates: int) -> Suite:
    """The suite with the arms that are asked for; every pair of setting and steps is a refiner of it."""
    suite = load_suite(asked["suite"], asked.get("profile"))
    tables, arms = {}, [suite.reference_arm, *(f"refined({one})" for one in suite.controls), "real"]
    for setting, table in asked["settings"].items():
        own = {key: value for key, value in table.items() if key not in ("base", "steps")}
        base = table.get("base", setting)
        whole = {**suite.refiner.get(base, {}), **own}
        for refiner, steps in _named(setting, table):
            of = {} if refiner == base else {"base": base}
            tables[refiner] = {**of, **whole} | ({"steps": steps} if steps else {})
            arms.append(f"refined({refiner})")
    models = {name: suite.model[name] for name in asked["models"] if name in suite.model}
    change = {
        "name": f"{suite.name}-{name}", "arms": tuple(arms), "models": tuple(asked["models"]), "arm_models": {},
        "refiner": tables, "replicates": replicates, "title": f"Time to gain: {suite.title}", "baselines": (),
        "sweep": type(suite.sweep)(), "model": models, "quality": type(suite.quality)(images=0),
    }  # fmt: skip
    return suite.model_copy(update=change)


def _named(setting: str, table: dict[str, Any]) -> list[tuple[str, int]]:
    """The refiner of each number of steps, by name; one that does not train has no steps, and is one point."""
    return [(f"{setting}-{steps}", steps) for steps in table.get("steps", [])] or [(setting, 0)]


def spent(suite: Suite, store: Store) -> dict[str, float]:
    """Seconds of every refiner's fit and refine together, by name.

    Replicates do the same work, and the quickest is the one that other programs disturbed least. Stages are found by
    their keys: an artifact remembers the name that it was made under, in whatever run that was.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for key, stage in build_plan(suite, Only.parse((), suite), store.root / "descriptions").stages.items():
        if stage.kind in ("fit", "refine") and store.has(key):
            found.setdefault((stage.run["name"], stage.kind), []).append(float(store.meta(key)["seconds"]))
    seconds: dict[str, float] = {}
    for (name, _), values in found.items():
        seconds[name] = seconds.get(name, 0.0) + min(values)
    return seconds


def points(asked: dict[str, Any], suite: Suite, rows: Sequence[Row], seconds: dict[str, float]) -> Iterator[Point]:
    """The gains of every setting, model and number of steps; replicates that failed are left out."""
    metric = suite.metric or next(row.metric for row in rows)
    value = {(r.model, r.arm, r.replicate): r for r in rows if r.metric == metric and r.usable}
    for model, (setting, table) in itertools.product(suite.models, asked["settings"].items()):
        for name, steps in _named(setting, table):
            gains = []
            for replicate in range(suite.replicates):
                ours = value.get((model, f"refined({name})", replicate))
                theirs = value.get((model, suite.reference_arm, replicate))
                if ours and theirs:
                    gains.append((ours.value - theirs.value) * (1 if ours.higher_is_better else -1))
            if gains:
                yield Point(setting, model, steps, seconds[name], tuple(gains))


def time_until(curve: Sequence[Point], target: float) -> float:
    """Seconds at which the mean gain first reaches ``target``, straight between points, from no gain at no seconds.

    What does not train has its gain when it has refined, and no part of it before.
    """
    before = (0.0, 0.0)
    for point in sorted(curve, key=lambda one: one.seconds):
        if point.gain >= target and not point.steps:
            return point.seconds
        if point.gain >= target:
            share = (target - before[1]) / (point.gain - before[1])
            return before[0] + share * (point.seconds - before[0])
        before = (point.seconds, point.gain)
    return float("inf")


HEAD = (
    "model", "setting", "seconds", "final gain", "over the first's", "until half of it", "until half of the first's",
    "times as quick",
)  # fmt: skip


def report(curves: dict[tuple[str, str], list[Point]], bases: dict[str, str]) -> Iterator[str]:
    """A table: each setting's final gain, and seconds until half of it and of the gain of the first one of its base.

    ``bases`` tells which refiner a setting is one of; what came first in the file is what the others are held against.
    """
    yield f"| {' | '.join(HEAD)} |"
    yield "| --- | --- |" + " ---: |" * (len(HEAD) - 2)
    first: dict[tuple[str, str], tuple[Point, float]] = {}
    for (model, setting), curve in curves.items():
        last = max(curve, key=lambda one: one.steps)
        goal, before = first.setdefault((model, bases[setting]), (last, _half(curve, last.gain)))
        own, theirs = _half(curve, last.gain), _half(curve, goal.gain)
        over = "" if goal is last else _interval([a - b for a, b in zip(last.gains, goal.gains, strict=False)])
        quicker = "" if goal is last or not (isfinite(before) and isfinite(theirs)) else f"{before / theirs:.1f}"
        times = [f"{one:.0f} s" if isfinite(one) else "not reached" for one in (own, theirs)]
        cells = [model, setting, f"{last.seconds:.0f} s", _interval(last.gains), over, *times, quicker]
        yield f"| {' | '.join(cells)} |"


def _half(curve: Sequence[Point], gain: float) -> float:
    return time_until(curve, gain / 2) if gain > 0 else float("inf")


def _interval(values: Sequence[float]) -> str:
    found = paired_t_interval(values)
    return f"{found.mean:+.3f}" + (f" [{found.low:+.3f}, {found.high:+.3f}]" if isfinite(found.low) else "")


def draw(curves: dict[tuple[str, str], list[Point]], title: str, metric: str, path: Path) -> None:
    """Gain against seconds: a line of means and a dot a replicate, a panel a model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    models = list(dict.fromkeys(model for model, _ in curves))
    figure, all_axes = plt.subplots(1, len(models), figsize=(7 * len(models), 4), layout="constrained", squeeze=False)
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
    for axes, model in zip(all_axes[0], models, strict=True):
        chosen = [(setting, curve) for (of, setting), curve in curves.items() if of == model]
        for colour, (setting, curve) in zip(itertools.cycle(colours), chosen, strict=False):
            line = sorted(curve, key=lambda one: one.seconds)
            axes.plot([p.seconds for p in line], [p.gain for p in line], "o-", color=colour, label=setting)
            for point in line:
                axes.plot([point.seconds] * len(point.gains), point.gains, ".", color=colour, alpha=0.35)
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_xlabel("seconds of training the refiner and refining (small dots: replicates)")
        axes.set_ylabel(f"gain in {metric} over synthetic")
        axes.set_title(f"{title}, {model}", fontsize=10)
        axes.set_xlim(left=0)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Run what is missing, then table, CSV and picture."""
    about = (__doc__ or "").split(":")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_gain", description=about)
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", default="time", help="of the derived suite: another name is other seeds and images")
    parser.add_argument("--replicates", type=int, default=3)
    parser.add_argument("--store", type=Path, default=Path("runs") / "store")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "speed", metavar="DIR")
    options = parser.parse_args()
    asked = tomllib.loads(options.file.read_text())
    suite = derived(asked, options.name, options.replicates)
    folder = Path("runs") / suite.name
    folder.mkdir(parents=True, exist_ok=True)
    data = suite.model_dump(mode="json", by_alias=True, exclude_none=True)
    data.pop("profile")
    data.pop("variant")
    (folder / "asked.toml").write_text(tomli_w.dumps(data))
    command = ["run", "--suite", str(folder / "asked.toml"), "--store", str(options.store), "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "bench", *command], cwd=Path.cwd(), check=False)
    seconds = spent(suite, Store(options.store))
    found = list(points(asked, suite, read_rows(folder / "rows.csv"), seconds))
    curves: dict[tuple[str, str], list[Point]] = {}
    for point in found:
        curves.setdefault((point.model, point.setting), []).append(point)
    bases = {setting: table.get("base", setting) for setting, table in asked["settings"].items()}
    print("\n".join(report(curves, bases)))
    options.out.mkdir(parents=True, exist_ok=True)
    stem = f"time-to-gain-{asked['suite']}" + ("" if options.name == "time" else f"-{options.name}")
    with (options.out / f"{stem}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for point in found:
            for replicate, gain in enumerate(point.gains):
                writer.writerow([
                    time.strftime("%Y-%m-%d"), processor(), asked["suite"], suite.metric, point.model, point.setting,
                    point.steps, f"{point.seconds:.1f}", replicate, repr(gain),
                ])  # fmt: skip
    draw(curves, suite.title.removeprefix("Time to gain: "), suite.metric, options.out / f"{stem}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
