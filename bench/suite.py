"""Suites: what is compared with what, as TOML, with profiles (sizes) merged over it and ``--set`` over both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench import plugins
from bench.arms import Arm, parse_arm
from bench.errors import UsageError, did_you_mean
from bench.extractors import EXTRACTORS
from bench.reading import exists, parse_toml, read_toml

BUILT_IN = Path(__file__).parent / "suites"
MOST_CELLS = 100_000
"""A plan is made in memory; ten arms of ten models in a hundred replicates are a tenth of it."""
PROFILES = ("smoke", "quick", "standard", "full")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(_Part):
    """Images per split; 0 means all that an adapter finds (an embedded world needs a number)."""

    synthetic_train: int = Field(ge=0, le=10**8)
    real_train: int = Field(ge=0, le=10**8)
    real_test: int = Field(ge=0, le=10**8)


class Hybrid(_Part):
    """The labelled real images of the ``real`` and ``hybrid`` arms, and what is added to them.

    ``real`` images are drawn from real-train (0 = all); ``ratio`` synthetic or refined images are added per real one.
    """

    real: int = Field(default=0, ge=0, le=10**8)
    ratio: float = Field(default=1.0, gt=0, le=10**6)


class Sweep(_Part):
    """The paper's hybrid curve: each number of ``added`` images, from each of ``sources``, for each of ``models``."""

    added: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Quality(_Part):
    """How label preservation and realism of the training sets are measured (`bench.plan_quality`).

    ``images`` of each set are looked at (0: nothing is measured); ``features`` are names of `bench.extractors`.
    """

    images: int = Field(default=400, ge=0)
    features: tuple[str, ...] = ("random-convolutions",)

    @field_validator("features")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EXTRACTORS:
                raise ValueError(f"unknown features '{name}'{did_you_mean(name, EXTRACTORS)}")
        return names


class ReportedChoice(_Part):
    """Which of the paper's figures stand beside the measured ones, and what the paper calls our models and refiners.

    ``tables`` and ``suites`` are the starts of names in ``results/reported.csv``; empty takes all.
    """

    tables: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    models: dict[str, str] = {}
    refiners: dict[str, str] = {}


class Suite(_Part):
    """A resolved suite: one profile of one suite file, with ``--set`` applied. See `docs/suites.md`."""

    schema_version: int = Field(alias="schema")
    name: str
    version: int = 1
    title: str = ""
    paper: str = ""
    task: str
    metric: str = ""
    also: tuple[str, ...] = ()
    spread: bool = False
    reference_arm: str = "synthetic"
    controls: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    arms: tuple[str, ...]
    models: tuple[str, ...]
    arm_models: dict[str, tuple[str, ...]] = {}
    profile: str
    variant: str = ""
    sensors: dict[str, float] = {}
    reported: ReportedChoice = ReportedChoice()
    size: int = Field(ge=16, le=4096)
    replicates: int = Field(ge=1, le=10_000)
    precision: str = Field(default="fp32", pattern="^(fp32|bf16)$")
    checkpoint_rule: str = Field(default="last", pattern="^last$")
    counts: Counts
    hybrid: Hybrid = Hybrid()
    sweep: Sweep = Sweep()
    quality: Quality = Quality()
    world: dict[str, Any]
    train: dict[str, Any] = {}
    refiner: dict[str, dict[str, Any]] = {}
    model: dict[str, dict[str, Any]] = {}
    estimates: dict[str, float] = {}

    def parsed_arms(self) -> list[Arm]:
        """The arms in the order of the file, then those of the sweep."""
        arms = [parse_arm(text) for text in self.arms]
        for source in self.sweep.sources:
            arms += [Arm("hybrid", source, added) for added in self.sweep.added]
        return arms

    @property
    def label(self) -> str:
        """Name of the suite, and of the variant where one was chosen: what rows call it."""
        return f"{self.name}/{self.variant}" if self.variant else self.name

    def refiner_plugin(self, name: str) -> tuple[str, dict[str, Any]]:
        """Plug-in and configuration of a refiner of this suite.

        ``[refiner.NAME] base = "R"`` makes NAME a second configuration of R: R's own table with NAME's over it.
        """
        own = {key: value for key, value in self.refiner.get(name, {}).items() if key != "base"}
        base = self.refiner.get(name, {}).get("base")
        if base is None:
            return name, own
        if not isinstance(base, str) or "base" in self.refiner.get(base, {}):
            raise UsageError(f"[refiner.{name}]: base must be the name of a plug-in, not of another variant")
        return base, {**self.refiner.get(base, {}), **own}

    def runs(self, model: str, arm: Arm) -> bool:
        """Whether a model is trained on an arm (`arm_models` and the sweep name fewer models than the suite)."""
        if arm.added is not None:
            return not self.sweep.models or model in self.sweep.models
        listed = self.arm_models.get(str(arm))
        return listed is None or model in listed

    def refiners(self) -> list[str]:
        """Names of the refiners that the arms rest on, in order."""
        return list(dict.fromkeys(arm.refiner for arm in self.parsed_arms() if arm.refiner))


def built_in_suites() -> dict[str, Path]:
    """Name -> file of the suites that come with the package."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}


def suite_path(name: str) -> Path:
    """The file of a built-in suite's name, or a user's own file; raises `UsageError` with a suggestion."""
    built_in = built_in_suites()
    if name in built_in:
        return built_in[name]
    path = Path(name)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise UsageError(f"{name}: no such suite file")
    raise UsageError(f"unknown suite '{name}'{did_you_mean(name, built_in)}; a file of your own ends in .toml")


def load_suite(
    name: str, profile: str | None = None, settings: Sequence[str] = (), variant: str | None = None
) -> Suite:
    """Read a suite, merge its profile, variant and ``KEY=VALUE`` settings over it, in that order, and validate it.

    A variant is another question asked of the same images (an ablation, a second table of the paper): the table
    ``[variants.NAME]``, with ``[variants.NAME.profiles.P]`` for what differs by profile. It shares seeds and artifacts.

    Raises:
        UsageError: a missing file, broken TOML, or an unknown profile, key or value; one line each.
    """
    path = suite_path(name)
    try:
        data = read_toml(path)
    except ValueError as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from None
    profiles = _tables(data, "profiles", path)
    chosen = profile or ("quick" if "quick" in profiles or not profiles else next(iter(profiles)))
    if chosen not in (profiles or PROFILES):
        raise UsageError(f"{path.name}: unknown profile '{chosen}'{did_you_mean(chosen, profiles or PROFILES)}")
    data = _merge(data, profiles.get(chosen, {}))
    variants = _tables(data, "variants", path)
    if variant:
        if variant not in variants:
            raise UsageError(f"{path.name}: unknown variant '{variant}'{did_you_mean(variant, variants)}")
        own = dict(variants[variant])
        by_profile = _tables(own, "profiles", path)
        data = _merge(_merge(data, own), by_profile.get(chosen, {})) | {"variant": variant}
    for setting in settings:
        apply_setting(data, setting)
    if isinstance(data.get("world"), str):
        data["world"] = {"name": data["world"]}
    data["profile"] = chosen
    try:
        suite = Suite.model_validate(data)
    except ValidationError as error:
        raise UsageError(explain(error, f"{path.name} ({chosen})", list(_keys(Suite)))) from None
    if suite.schema_version != 1:
        raise UsageError(f"{path.name}: schema {suite.schema_version}, this version reads 1")
    _check_folder_name(suite.name, "name", path)
    if not isinstance(suite.world.get("name"), str):
        raise UsageError(f"{path.name}: world: a name is missing, write [world] name = '...'")
    world = {key: _absolute(key, value, path) for key, value in suite.world.items()}
    suite = suite.model_copy(update={"world": world, "refiner": _refiner_paths(suite, path)})
    _check_names(suite, path)
    cells = len(suite.parsed_arms()) * len(suite.models) * suite.replicates
    if cells > MOST_CELLS:
        what = f"{cells:,} cells (arms x models x replicates), at most {MOST_CELLS:,} are planned"
        raise UsageError(f"{path.name}: {what}")
    return suite


def _tables(data: dict[str, Any], key: str, path: Path) -> dict[str, dict[str, Any]]:
    """Take a table of tables out of a suite's data; their names become folders."""
    found = data.pop(key, {})
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        raise UsageError(f"{path.name}: {key}: must hold tables, write [{key}.NAME]")
    for name in found:
        _check_folder_name(name, key, path)
    return found


def _check_folder_name(name: str, key: str, path: Path) -> None:
    """Results go to ``runs/<name>-<variant>-<profile>``, which must not lead anywhere else."""
    if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f/\\]{1,80}", name) or name.startswith("."):
        raise UsageError(f"{path.name}: {key} {name[:80]!r} is no name of a folder; use letters, digits and dashes")


def _absolute(key: str, value: Any, suite_file: Path) -> Any:
    """Folders named in a suite file are relative to that file."""
    if key != "name" and isinstance(value, str) and value and exists(suite_file.parent / value):
        return str((suite_file.parent / value).resolve())
    return value


def _refiner_paths(suite: Suite, suite_file: Path) -> dict[str, dict[str, Any]]:
    """The refiners' tables with the paths in them taken relative to the suite file.

    A value that happens to be named like a file beside the suite is a path only where the plug-in declares one; a
    plug-in is imported for that question alone, and only when there is such a file.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, table in suite.refiner.items():
        found[name] = dict(table)
        for key, value in table.items():
            absolute = _absolute(key, value, suite_file) if key not in ("base", "name") else value
            if absolute != value and key in _path_keys(str(table.get("base", name))):
                found[name][key] = absolute
    return found


def _path_keys(refiner: str) -> set[str]:
    fields = plugins.find("refiner", refiner).load().Config.model_fields
    return {key for key, field in fields.items() if Path in (field.annotation, *get_args(field.annotation))}


def _check_names(suite: Suite, path: Path) -> None:
    suite.parsed_arms()
    if suite.reference_arm not in suite.arms:
        hint = did_you_mean(suite.reference_arm, suite.arms)
        raise UsageError(f"{path.name}: reference_arm '{suite.reference_arm}' is not among the arms{hint}")
    for name in suite.arm_models:
        parse_arm(name)
    for where, listed in [
        ("sweep.models", suite.sweep.models),
        *((f"arm_models.{a}", m) for a, m in suite.arm_models.items()),
    ]:
        for model in listed:
            if model not in suite.models:
                raise UsageError(f"{path.name}: {where}: unknown model '{model}'{did_you_mean(model, suite.models)}")


def apply_setting(data: dict[str, Any], setting: str) -> None:
    """Apply one ``--set a.b.c=value`` to plain suite data; the value is read as TOML, else as a bare word."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {setting}: write KEY=VALUE, such as --set refiner.NAME.steps=200")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text
    *parents, last = key.strip().split(".")
    if parents and parents[0] not in _keys(Suite):
        raise UsageError(f"--set {key}: unknown key '{parents[0]}'{did_you_mean(parents[0], _keys(Suite))}")
    node = data
    for part in parents:
        child = node.get(part)
        if isinstance(child, str) and part == "world":
            child = {"name": child}
        if child is not None and not isinstance(child, dict):
            raise UsageError(f"--set {key}: '{part}' is a value, not a table")
        node[part] = node = dict(child or {})
    if last == "world" and isinstance(value, str):
        value = {"name": value}
    node[last] = value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, key by key; an empty table, such as ``sensors = {}``, takes away what was there."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and value:
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def explain(error: ValidationError, where: str, known: Sequence[str]) -> str:
    """The most telling complaint of a validation error as one line with a suggestion."""
    # A misspelt key is why another one is missing, so it is told first.
    first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    location = ".".join(str(part) for part in first["loc"])
    message = first["msg"]
    if first["type"] == "extra_forbidden":
        message = f"unknown key{did_you_mean(str(first['loc'][-1]), known)}"
    elif first["type"] == "missing":
        message = "is missing"
    else:
        message = f"{message} (is {repr(first['input'])[:200]})"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {location}: {message}{more}"
