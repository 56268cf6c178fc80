"""Finding plug-ins by name without importing them: files are read as text, the one that is wanted is imported.

A plug-in is a class whose body sets ``name = "..."`` and ``version = <int>``. It is found in the packages
`refiners`, `tasks` and `bench.worlds`, in entry points (`bench.refiners`, `bench.tasks`, `bench.worlds`,
`bench.models`), and in files given by ``--plugin``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bench.errors import UsageError, did_you_mean

Kind = Literal["refiner", "task", "model", "world"]
_PACKAGES: dict[Kind, str] = {"refiner": "refiners", "task": "tasks", "model": "tasks", "world": "bench.worlds"}
_FOREIGN = "bench_plugin_"
_extra_files: list[Path] = []
_SIGNS = (re.compile(r"\bname\b[^\n]*="), re.compile(r"\bversion\b[^\n]*="))
"""What a file must have somewhere if a class in it sets both."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a plug-in is defined: ``module`` (or ``file`` for ``--plugin``), class name, name, version, task."""

    kind: Kind
    name: str
    version: int
    module: str
    qualname: str
    file: Path | None
    task: str | None = None

    def load(self) -> Any:
        """Import the module and return the class; raises `UsageError` for somebody else's file that cannot be."""
        if self.file is not None and self.module.startswith(_FOREIGN):
            return getattr(_import_file(self.file, self.module), self.qualname)
        return getattr(importlib.import_module(self.module), self.qualname)


def add_file(path: Path) -> None:
    """Make the plug-ins of a Python file known (``--plugin path.py``); raises `UsageError` when it holds none."""
    if not path.is_file():
        raise UsageError(f"--plugin {path}: no such file")
    try:
        ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UsageError(f"--plugin {path}:{error.lineno}: {error.msg}; mend the file") from None
    except (UnicodeDecodeError, ValueError):
        raise UsageError(f"--plugin {path}: not a Python file in UTF-8") from None
    if not classes_in(path, module_name(path)):
        raise UsageError(f"--plugin {path}: no plug-in in it: a class that sets name = '...' and version = 1")
    if path.resolve() not in _extra_files:
        _extra_files.append(path.resolve())
        scan.cache_clear()


def extra_files() -> list[Path]:
    """The files added by `add_file`, for worker processes to add as well."""
    return list(_extra_files)


def module_name(path: Path) -> str:
    """The module that a plug-in file becomes; files of one name in two folders become two."""
    return f"{_FOREIGN}{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"


def _import_file(path: Path, module: str) -> Any:
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"--plugin {path}: not a Python file")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        try:
            spec.loader.exec_module(loaded)
        except Exception as error:  # a file of somebody else's may fail in any way
            del sys.modules[module]
            first = (str(error).splitlines() or [""])[0]
            raise UsageError(f"--plugin {path}: cannot be imported ({type(error).__name__}: {first})") from error
    return sys.modules[module]


def _constants(body: list[ast.stmt]) -> dict[str, Any]:
    """Plain constants assigned in a class body, annotated or not."""
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found.update({t.id: node.value.value for t in node.targets if isinstance(t, ast.Name)})
        elif (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.target, ast.Name)
        ):
            found[node.target.id] = node.value.value
    return found


def classes_in(path: Path, module: str) -> list[Found]:
    """Plug-in classes that a file defines, found by reading its syntax tree; a file with errors defines none."""
    try:
        text = path.read_text(encoding="utf-8")
        if not all(sign.search(text) for sign in _SIGNS):
            return []  # most files; their syntax trees would take half a second
        tree = ast.parse(text)
    except (SyntaxError, UnicodeDecodeError, OSError):
        return []
    found = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        values = _constants(node.body)
        if isinstance(values.get("name"), str) and isinstance(values.get("version"), int):
            kind = _kind(node, values, module)
            if kind:
                task = values.get("task") or (
                    module.split(".")[1] if kind == "model" and module.count(".") > 1 else None
                )
                found.append(Found(kind, values["name"], values["version"], module, node.name, path, task))
    return found


def _kind(node: ast.ClassDef, values: dict[str, Any], module: str) -> Kind | None:
    """What a class is, by its package; for files from outside, by the names of its bases and methods."""
    if module.startswith("refiners"):
        return "refiner"
    if module.startswith("bench.worlds"):
        return "world"
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    task = {"train", "predict", "score"} <= methods or "headline" in values
    if module.startswith("tasks"):
        return "task" if task else "model"
    if "image_set" in methods:
        return "world"
    if task:
        return "task"
    return "model" if "task" in values else "refiner"


@cache
def scan() -> dict[tuple[Kind, str], Found]:
    """Every known plug-in, keyed by (kind, name); models by (model, name) too, since their names are unique."""
    found: dict[tuple[Kind, str], Found] = {}
    for package in sorted({*_PACKAGES.values()}):
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            root = Path(location)
            for path in sorted(root.rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                module = ".".join([package, *(part for part in parts if part != "__init__")])
                for item in classes_in(path, module):
                    found[item.kind, item.name] = item
    for kind in _PACKAGES:
        for point in importlib.metadata.entry_points(group=f"bench.{kind}s"):
            offered = _from_entry_point(kind, point)
            if offered:
                found[kind, offered.name] = offered
    for path in _extra_files:
        for item in classes_in(path, module_name(path)):
            found[item.kind, item.name] = item
    return found


def _from_entry_point(kind: Kind, point: importlib.metadata.EntryPoint) -> Found | None:
    """What an installed package offers; one that cannot be imported must not stop every command, so it only warns."""
    try:
        cls = point.load()
        return Found(kind, cls.name, cls.version, point.module, cls.__name__, None, getattr(cls, "task", None))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        text = f"plug-in '{point.name}' of {point.value} is left out: {type(error).__name__}: {first}"
        warnings.warn(text, stacklevel=2)
        return None


def names(kind: Kind, task: str | None = None) -> list[str]:
    """Names of all known plug-ins of a kind; models of one task only, where ``task`` is given."""
    return sorted(n for (k, n), item in scan().items() if k == kind and (task is None or item.task == task))


def find(kind: Kind, name: str) -> Found:
    """Find a plug-in; a misspelt name gets a `UsageError` with a suggestion."""
    try:
        return scan()[kind, name]
    except KeyError:
        raise UsageError(f"unknown {kind} '{name}'{did_you_mean(name, names(kind))}") from None


def source_digest(extra: bool = True) -> str:
    """sha256 over the source of every plug-in package and added file: recorded with artifacts, never in keys.

    ``extra=False`` leaves the added files out.
    """
    digest = hashlib.sha256()
    roots = {Path(loc) for p in _PACKAGES.values() for loc in _locations(p)} | {Path(__file__).parent}
    for path in sorted({f for root in roots for f in root.rglob("*.py")} | (set(_extra_files) if extra else set())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _locations(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []
