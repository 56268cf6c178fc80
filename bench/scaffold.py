"""A suite file over a user's own folders: what can be compared with what is there, and what cannot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from bench import plugins
from bench.arms import parse_arm
from bench.describe import describe
from bench.errors import BenchError, DataError, UsageError
from bench.formats.source import Source
from bench.picture_files import open_picture
from bench.plan import build_plan
from bench.suite import Suite, built_in_suites, load_suite
from bench.worlds.coco import open_folder

LARGEST = 128
"""Pixels: a larger image side is for a GPU, so the file starts with the built-in suite's size then."""
FEW = 100
UNSCORED = (
    "no labelled photographs to test on: no gain can be measured. `bench run` still trains the refiners and refines "
    "the renders; look at them on the page, export them (`bench data export`), refine more (`bench refine`). For an "
    "answer, label about 100 photographs that no refiner sees, and name their folder as real_test"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for; ``refined`` are folders that another program refined, by name."""

    name: str
    task: str
    synthetic: Path
    real_train: Path
    real_test: Path | None = None
    refined: Mapping[str, Path] = field(default_factory=dict)
    size: int | None = None
    like: str | None = None


def write_suite(wanted: Wanted, out: Path) -> tuple[Path, list[str]]:
    """Write ``out/<name>.toml``; return it, and remarks on what is measured and what is not.

    Raises:
        UsageError: an unknown task or suite, or a file that exists.
        DataError: a folder that is missing, or lacks the labels that the task needs.
    """
    path = out / f"{wanted.name}.toml"
    if path.exists():
        raise UsageError(f"{path}: exists already; choose another name or --out")
    needs = set(describe("task", wanted.task, {}).facts["needs"])
    like = _like(wanted)
    synthetic = _folder(wanted.synthetic, "--synthetic")
    real = _folder(wanted.real_train, "--real-train")
    test = _folder(wanted.real_test, "--real-test") if wanted.real_test else None
    if not needs <= synthetic.labels:
        lacks = ", ".join(sorted(needs - synthetic.labels))
        raise DataError(f"--synthetic {wanted.synthetic}: has no {lacks}, which task '{wanted.task}' needs")
    remarks = [f"{len(synthetic.items)} renders with {', '.join(sorted(synthetic.labels)) or 'no labels'}, "
               f"{len(real.items)} photographs for training"]  # fmt: skip
    labelled = bool(real.labels) and needs <= real.labels
    if not labelled:
        remarks.append("the training photographs have no labels: no arms real and hybrid, so nothing says how far the "
                       "gap could be closed")  # fmt: skip
    scored = test is not None and bool(test.labels) and needs <= test.labels
    if test is None or not scored:
        remarks.append(UNSCORED)
    elif len(test.items) < FEW:
        remarks.append(f"{len(test.items)} test images: intervals will be wide, small differences will not be decided")
    size, why = _size(wanted, like, synthetic)
    remarks += why
    arms, left_out = _arms(wanted, like, synthetic.labels, labelled)
    remarks += left_out
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(wanted, like, arms, left_out, size, scored, out), encoding="utf-8")
    try:
        build_plan(load_suite(str(path)))
    except BenchError as error:
        remarks.append(f"cannot be run yet: {error}")
    return path, remarks


def _like(wanted: Wanted) -> Suite | None:
    """The built-in suite whose settings are taken: the one that was named, or the first of the task."""
    if wanted.like is not None:
        suite = load_suite(wanted.like, "quick")
        if suite.task != wanted.task:
            raise UsageError(f"--like {wanted.like}: is about {suite.task}, not {wanted.task}")
        return suite
    suites = (load_suite(name, "quick") for name in built_in_suites())
    return next((suite for suite in suites if suite.task == wanted.task), None)


def _folder(folder: Path, option: str) -> Source:
    try:
        return open_folder(folder)
    except DataError as error:
        hint = "" if folder.exists() else " (for other formats, see `bench data import`)"
        raise DataError(f"{option} {error}{hint}") from None


def _size(wanted: Wanted, like: Suite | None, synthetic: Source) -> tuple[int, list[str]]:
    if wanted.size is not None:
        return wanted.size, []
    path = synthetic.items[0].path
    try:
        image = open_picture(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove it") from None
    longest, shape = max(image.size), f"{image.width}x{image.height}"
    if 16 <= longest <= LARGEST:
        return longest, []
    size = like.size if like else LARGEST
    return size, [f"renders are {shape}; size = {size} is what two cores can do, raise it on a GPU"]


def _arms(
    wanted: Wanted, like: Suite | None, labels: frozenset[str], labelled: bool
) -> tuple[list[str], list[str]]:
    """The arms that the folders allow, and a line for each that they do not."""
    arms, left_out = ["synthetic"], []
    names = [arm for arm in like.parsed_arms() if arm.family == "refined"] if like else []
    for arm in names:
        facts = describe("refiner", *like.refiner_plugin(arm.refiner)).facts if like else {}
        missing = set(facts["needs"]) - labels
        if missing:
            left_out.append(f"refined({arm.refiner}) is left out: it needs {', '.join(sorted(missing))} of the renders")
        else:
            arms.append(str(arm))
    arms += [f"refined({name})" for name in wanted.refined]
    if labelled:
        best = next(iter(wanted.refined), None) or parse_arm(arms[-1]).refiner
        arms += ["real", "hybrid(synthetic)", *([f"hybrid({best})"] if best else [])]
    return arms, left_out


def _text(
    wanted: Wanted, like: Suite | None, arms: list[str], left_out: list[str], size: int, scored: bool, out: Path
) -> str:
    def relative(folder: Path) -> str:
        return tomli_w.dumps({"x": Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()})[4:].strip()

    used = {parse_arm(arm).refiner for arm in arms}
    controls = [name for name in (like.controls if like else ()) if name in used]
    baselines = [name for name in (like.baselines if like else ()) if name in used]
    models = list(like.models) if like else plugins.names("model", wanted.task)
    lines = [
        f"# {wanted.name}: does refining these renders make a model better on these photographs?",
        "# docs/suites.md explains every key; `python -m bench plan --suite` says what this file will do and cost.",
        "schema = 1", f'name = "{wanted.name}"', f'task = "{wanted.task}"', f"models = {_list(models)}",
    ]  # fmt: skip
    if controls:
        lines.append(f"controls = {_list(controls)}    # their gain has to be 0: this tests the chain from end to end")
    lines += [f"baselines = {_list(baselines)}    # what a refiner has to beat"] * bool(baselines)
    lines += ["arms = [", *(f'  "{arm}",' for arm in arms), "]", *(f"# {line}" for line in left_out)]
    fewer = {arm: list(few) for arm, few in like.arm_models.items() if arm in arms} if like else {}
    if fewer:
        pairs = ", ".join(f'"{arm}" = {_list(few)}' for arm, few in fewer.items())
        lines.append(f"arm_models = {{ {pairs} }}    # arms that fewer models are trained on")
    lines += [f"size = {size}    # pixels", "replicates = 3    # six or more for a p below .05", ""]
    lines += ["# Folders, relative to this file: sets of `bench data import`, COCO, or plain images (real_train).",
              "[world]", 'name = "coco"', f"synthetic_train = {relative(wanted.synthetic)}",
              f"real_train = {relative(wanted.real_train)}    # refiners never read its labels"]  # fmt: skip
    if scored and wanted.real_test:
        lines.append(f"real_test = {relative(wanted.real_test)}    # labelled, never seen in training")
    else:
        lines.append('# real_test = "DIR"    # labelled photographs; without them nothing is scored')
    lines += ["", "[counts]    # 0 = all", "synthetic_train = 0", "real_train = 0", "real_test = 0", ""]
    for name, folder in wanted.refined.items():
        lines += [
            "# Renders that another program refined, by file name; they have the renders' own size or the suite's.",
            f"[refiner.{name}]", 'base = "external"', f"folder = {relative(folder)}", 'fit = "letterbox"', "",
        ]  # fmt: skip
    tables = _tables(like, used, models, size)
    if like and tables:
        lines.append(f"# Settings of the built-in suite '{like.name}' for two cores; without them, the papers' sizes.")
    return "\n".join(lines) + "\n" + tomli_w.dumps(tables)


def _list(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _tables(like: Suite | None, used: set[str], models: list[str], size: int) -> dict[str, Any]:
    if like is None:
        return {}
    refiners = {name: dict(table) for name, table in like.refiner.items() if name in used}
    for table in refiners.values():
        if isinstance(table.get("crop"), int):
            table["crop"] = min(table["crop"], size)
    tables = {
        "train": like.train, "model": {name: like.model[name] for name in models if like.model.get(name)},
        "refiner": refiners,
    }  # fmt: skip
    return {key: value for key, value in tables.items() if value}
