"""Every built-in suite in every profile and variant, planned once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache

import pytest

from bench.graph import Plan, Stage
from bench.plan import build_plan
from bench.suite import built_in_suites, load_suite
from bench.worlds.digits import DigitsWorld

Question = tuple[str, str | None, str]


def questions() -> list[Question]:
    """(suite, variant or None, profile) of everything that comes with the package."""
    found: list[Question] = []
    for name, path in built_in_suites().items():
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        found += [(name, v, profile) for v in (None, *data.get("variants", {})) for profile in data["profiles"]]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take ``question`` run for all of them, those that take ``smoke`` for each suite and variant once."""
    for name, wanted in (("question", questions()), ("smoke", [q for q in questions() if q[2] == "smoke"])):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, wanted, ids=["-".join(filter(None, q)) for q in wanted])


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Plan]:
    """A function from a question (and settings) to its plan; sets of the user's own are taken to be there."""
    memory = tmp_path_factory.mktemp("descriptions")

    @cache
    def plan(question: Question, *settings: str) -> Plan:
        name, variant, profile = question
        with pytest.MonkeyPatch.context() as patch:
            if variant and name == "digits":
                patch.setattr(DigitsWorld, "available", lambda self, request: request.count or 500)
                patch.setattr(DigitsWorld, "fingerprint", lambda self, request: request.domain + request.split)
            return build_plan(load_suite(name, profile, settings, variant), None, memory)

    return plan


@pytest.fixture(scope="session")
def rests_on() -> Callable[[Plan, Stage], set[str]]:
    """A function to the labels of all stages that a stage rests on, however far up, its own left out."""
    known: dict[str, set[str]] = {}

    def above(plan: Plan, stage: Stage) -> set[str]:
        if stage.key not in known:
            inputs = [plan.stages[key] for key in stage.inputs.values()]
            known[stage.key] = {one.label for one in inputs}.union(*(above(plan, one) for one in inputs))
        return known[stage.key]

    return above
