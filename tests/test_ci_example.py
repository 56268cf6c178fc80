"""The workflow that users copy: it parses, its commands are ours, and a regression fails the job."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.cli.check import register as register_check
from bench.suite import load_suite

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "ci-example.yml"
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="no bash here; the workflow's commands cannot be tried")


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The workflow as data; YAML 1.1 reads the key ``on`` as true."""
    data: dict[Any, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {("on" if key is True else key): value for key, value in data.items()}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return list(workflow["jobs"]["check"]["steps"])


def step(workflow: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in steps(workflow) if one.get("name") == name)


def filled(text: str, workflow: dict[str, Any]) -> str:
    """``${{ env.X }}`` with the workflow's own values."""
    return EXPRESSION.sub(lambda m: str(workflow["env"][m[1].removeprefix("env.")]), text)


def test_it_has_what_a_workflow_needs_and_no_more_rights_than_reading(workflow: dict[str, Any]) -> None:
    assert set(workflow) == {"name", "on", "permissions", "concurrency", "env", "jobs"}
    assert set(workflow["on"]) == {"pull_request", "push", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["check"]
    assert job["runs-on"].startswith("ubuntu-")
    assert 0 < job["timeout-minutes"] <= 360
    for one in steps(workflow):
        assert ("uses" in one) != ("run" in one), one
        assert "uses" not in one or re.fullmatch(r"actions/[a-z-]+@v\d+", one["uses"]), one
    known = {"env.SUITE", "env.PROFILE", "github.ref", "github.sha", "inputs.update && 'yes' || ''"}
    assert set(EXPRESSION.findall(FILE.read_text(encoding="utf-8"))) == known


def test_its_suite_folders_and_extras_exist(workflow: dict[str, Any]) -> None:
    suite = load_suite(workflow["env"]["SUITE"], workflow["env"]["PROFILE"])
    cache = next(one for one in steps(workflow) if one.get("uses", "").startswith("actions/cache@"))
    assert cache["with"]["path"] == "runs/store", "the default of --store"
    upload = next(one for one in steps(workflow) if "upload-artifact" in one.get("uses", ""))
    kept = filled(upload["with"]["path"], workflow).split()
    name = f"{suite.name}-{suite.profile}"
    assert kept == [f"runs/{name}", f"results/baselines/{name}", "check.txt"]
    extras = re.findall(r"\.\[(\w+)\]", step(workflow, "Install")["run"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extras
    assert set(extras) <= set(project["optional-dependencies"])
    python = next(one["with"]["python-version"] for one in steps(workflow) if "setup-python" in one.get("uses", ""))
    assert tuple(map(int, python.split("."))) >= (3, 11)


@pytest.mark.parametrize("update", ["", "yes"])
@needs_bash
def test_its_check_is_a_command_of_ours(workflow: dict[str, Any], update: str) -> None:
    import argparse

    line = step(workflow, "Check")["run"].partition("|")[0]
    expanded = subprocess.run(
        [str(BASH), "-c", f"printf '%s\\n' {line}"], env={**workflow["env"], "UPDATE": update}, text=True,
        capture_output=True, check=True,
    ).stdout.split("\n")[:-1]  # fmt: skip
    assert expanded[:4] == ["python", "-m", "bench", "check"]
    parser = argparse.ArgumentParser()
    register_check(parser.add_subparsers())
    given = parser.parse_args(expanded[3:])
    assert (given.suite, given.profile, given.update) == ("vending", "smoke", bool(update))


@pytest.mark.parametrize("code", [0, 1, 3, 4])
@needs_bash
def test_the_exit_code_of_the_check_is_the_jobs_and_its_text_is_kept(
    workflow: dict[str, Any], tmp_path: Path, code: int
) -> None:
    """Steps run as the runner runs them: bash with -e and, where ``shell: bash`` is given, pipefail."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "python"
    fake.write_text(f"#!/bin/sh\necho told $*\nexit {code}\n")
    fake.chmod(0o755)
    summary = tmp_path / "summary.md"
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    env = {**workflow["env"], "PATH": path, "UPDATE": "", "GITHUB_STEP_SUMMARY": str(summary)}

    def run(name: str) -> int:
        one = step(workflow, name)
        options = "-eo" if one.get("shell") == "bash" else "-e"
        command = [str(BASH), "--noprofile", "--norc", options, *(["pipefail"] if options == "-eo" else [])]
        return subprocess.run([*command, "-c", one["run"]], cwd=tmp_path, env=env, capture_output=True).returncode

    assert run("Check") == code
    assert shlex.split((tmp_path / "check.txt").read_text())[:4] == ["told", "-m", "bench", "check"]
    assert run("Summary") == 0
    assert "told -m bench check" in summary.read_text()
    assert all(step(workflow, name).get("if") == "always()" for name in ("Summary",))
    (tmp_path / "check.txt").unlink()
    assert run("Summary") == 0, "a job that failed before the check still gets its summary step"


@needs_bash
def test_every_command_is_valid_bash(workflow: dict[str, Any]) -> None:
    for one in steps(workflow):
        if "run" in one:
            assert subprocess.run([str(BASH), "-n", "-c", one["run"]], capture_output=True).returncode == 0, one
