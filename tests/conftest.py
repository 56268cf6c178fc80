"""What the tests share: the toy plug-in file, a toy suite, and one thread a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from bench import plugins
from bench.graph import Plan
from bench.plan import Only, build_plan
from bench.store import Store
from bench.suite import load_suite

torch.set_num_threads(1)
TOY = Path(__file__).parent / "toy.py"
SUITE = """
schema = 1
name = "toy"
task = "toy-task"
models = ["toy-level"]
arms = ["synthetic", "refined(toy-same)", "refined(toy-brighten)", "real", "hybrid(toy-brighten)"]
controls = ["toy-same"]
size = 16
replicates = 2
counts = { synthetic_train = 6, real_train = 4, real_test = 4 }
world = { name = "toy-world" }
[hybrid]
real = 2
ratio = 1.5
[profiles.smoke]
replicates = 1
[profiles.quick]
"""


@pytest.fixture(autouse=True)
def toy_plugins() -> None:
    """Every test knows the toy plug-ins."""
    plugins.add_file(TOY)


@pytest.fixture
def toy_suite(tmp_path: Path) -> Path:
    """A suite file over the toy plug-ins."""
    path = tmp_path / "toy.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    made = Store(tmp_path / "store")
    made.root.mkdir()
    return made


@pytest.fixture
def toy_plan(toy_suite: Path, store: Store) -> Callable[..., Plan]:
    """Plan the toy suite with settings and ``--only`` items."""

    def make(*settings: str, profile: str = "quick", only: tuple[str, ...] = ()) -> Plan:
        suite = load_suite(str(toy_suite), profile, settings)
        return build_plan(suite, Only.parse(only, suite), store.root / "descriptions")

    return make
