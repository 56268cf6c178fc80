"""The house of docs/design.md: nothing imports upwards, the harness knows no method by name, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
    for package in ("bench", "refiners", "tasks")
    for path in sorted((ROOT / package).rglob("*.py"))
}
FLOORS = (
    ("bench.cli",),
    ("bench.finish", "bench.regression", "bench.refining", "bench.refined_folder", "bench.scaffold"),
    ("bench.collect", "bench.exhibits", "bench.collect_quality", "bench.runs"),
    ("bench.report",),
    ("bench.engines", "bench.console"),
    ("bench.stages",),
    ("bench.plan", "bench.plan_quality", "bench.estimates"),
    ("bench.graph", "bench.suite", "bench.describe"),
    ("bench.worlds",),
    ("bench.formats",),
    ("bench.training", "bench.distributed", "bench.resampling", "bench.realism", "bench.features"),
    ("bench.contracts", "bench.learning", "bench.frames"),
    ("bench.samples", "bench.showing", "bench.results", "bench.store"),
    ("bench.statistics", "bench.errors", "bench.seeds", "bench.lease", "bench.durable", "bench.spool",
     "bench.watch", "bench.arms"),
)
"""From the roof down. What a floor imports lies on the same floor or below; modules that are not named are free."""
METHODS = ("bench.cli", "bench.plan", "bench.engines", "bench.stages", "bench.store", "bench.report", "bench.finish",
           "bench.collect", "bench.graph", "bench.suite")  # fmt: skip
NOT_FOR_PLUG_INS = (
    "bench.cli", "bench.engines", "bench.plan", "bench.graph", "bench.stages", "bench.store", "bench.report",
    "bench.collect", "bench.finish", "bench.suite", "bench.claims", "bench.regression",
)  # fmt: skip


def imported(path: Path) -> set[str]:
    """Modules of the house that a file imports when it runs, those inside functions too; not those for types alone."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in FILES else node.module for name in whole)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {name for name in found if name.split(".")[0] in ("bench", "refiners", "tasks", "tests", "benchmarks")}


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(room + ".") for room in rooms)


IMPORTS = {module: imported(path) for module, path in FILES.items()}


def test_nothing_imports_upwards() -> None:
    wrong = []
    for number, rooms in enumerate(FLOORS):
        above = tuple(room for floor in FLOORS[:number] for room in floor)
        wrong += [
            f"{module} -> {target}"
            for module, targets in IMPORTS.items() if within(module, rooms)
            for target in targets if within(target, above)
        ]  # fmt: skip
    assert not wrong


def test_every_named_floor_is_there() -> None:
    assert [room for floor in FLOORS for room in floor if room not in FILES] == []


@pytest.mark.parametrize(("package", "never"), [
    ("bench", ("refiners", "tasks", "tests", "benchmarks")),
    ("refiners", ("tasks", "tests", "benchmarks", *NOT_FOR_PLUG_INS)),
    ("tasks", ("refiners", "tests", "benchmarks", *NOT_FOR_PLUG_INS)),
    ("bench.worlds", NOT_FOR_PLUG_INS),
])  # fmt: skip
def test_plug_ins_and_harness_meet_in_the_contracts_alone(package: str, never: tuple[str, ...]) -> None:
    wrong = [
        f"{module} -> {target}"
        for module, targets in IMPORTS.items() if within(module, (package,))
        for target in targets if within(target, never)
    ]  # fmt: skip
    assert not wrong


def test_the_harness_knows_no_method_by_name() -> None:
    """Names of refiners in the code (not the words of docstrings and helps) of what plans, runs and reports."""
    names = {path.stem.replace("_", "-") for path in (ROOT / "refiners").glob("*.py")} & {
        "pixelda", "simgan", "cyclegan", "t2net", "vtr", "genesis-rt", "cut", "dann", "mmd",
        "color-transfer", "fourier",
    }  # fmt: skip
    assert len(names) > 8
    wrong = []
    for module, path in FILES.items():
        if within(module, METHODS):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            wrong += [
                f"{module}:{node.lineno}: {node.value!r}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
            ]
    assert not wrong


def test_files_stay_small() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert median(lengths.values()) < 120
    assert {module: length for module, length in lengths.items() if length > 400} == {}
