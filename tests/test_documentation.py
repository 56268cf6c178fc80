"""The pages say what is so: links lead somewhere, commands parse, suites load, every number is explained."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
import unicodedata
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import pytest

from bench import plugins
from bench.cli.main import build_parser
from bench.report.csv_table import CSV_COLUMNS
from bench.suite import load_suite

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:python3? -m |^)bench +([a-z].*)")


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings as forges make them: small, hyphens for spaces, -1 at a second of a name."""
    found: list[str] = []
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "").lower()
        kept = (c for c in plain if c in " -_" or unicodedata.category(c)[0] in "LN")
        found.append("".join(kept).replace(" ", "-"))
    return {name if k == 0 else f"{name}-{k}" for i, name in enumerate(found) for k in [found[:i].count(name)]}


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every command of ours in blocks and in the text: its line, and the words after ``bench``.

    Left out are forms, which show a choice by ``|`` or leave words out by dots, and names of a verb in running text.
    """
    for language, body in FENCE.findall(text_of(page)):
        for line in body.splitlines() if language in ("sh", "bash", "") else ():
            if match := re.search(r"python3? -m bench +(.*)", line):
                yield line, shlex.split(re.split(r" [|&]", match[1])[0], comments=True)
    for line in INLINE.findall(prose(page)):
        match = COMMAND.search(line)
        if match and " -" in match[1] and "|" not in line and "..." not in line:
            yield line, shlex.split(match[1])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{target}: no such file"
        assert file.resolve().is_relative_to(ROOT), f"{target}: outside of the repository"
        if anchor:
            assert file.suffix == ".md" and anchor in anchors(file), f"{target}: {file.name} has no such heading"


def test_a_link_to_nowhere_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    headings = "# `bench x`: it's *so*, no. 1\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n"
    page.write_text(headings + "[a](b.md#c) [d](e)\n")
    assert anchors(page) == {"bench-x-its-so-no-1", "twice", "twice-1"}
    assert LINK.findall(prose(page)) == ["b.md#c", "e"]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_parses(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    for line, words in commands(page):
        try:
            parser.parse_args(words)
        except SystemExit as stop:  # --help stops with 0
            assert stop.code == 0, f"{line}\n{capsys.readouterr().err}"


def test_the_pages_have_commands_and_a_misspelt_one_would_be_found(tmp_path: Path) -> None:
    found = [line for page in PAGES for line, _ in commands(page)]
    assert len(found) > 40 and all(any(verb in line for line in found) for verb in ("run", "check", "data import"))
    page = tmp_path / "page.md"
    page.write_text("`python -m bench run --siute vending`\n\n```sh\npython -m bench plan --suite x  # so\n```\n")
    assert [words for _, words in commands(page)] == [["plan", "--suite", "x"], ["run", "--siute", "vending"]]
    with pytest.raises(SystemExit):
        build_parser().parse_args(["run", "--siute", "vending"])


def suites() -> list[tuple[str, str]]:
    """(where, text) of every TOML block that is a whole suite."""
    blocks = [(page, body) for page in PAGES for language, body in FENCE.findall(text_of(page)) if language == "toml"]
    data = [(page.name, body, tomllib.loads(body)) for page, body in blocks]
    return [(f"{name}:{tables['name']}", body) for name, body, tables in data if {"schema", "task"} <= set(tables)]


@pytest.mark.parametrize("body", [body for _, body in suites()], ids=[where for where, _ in suites()])
def test_every_suite_of_the_pages_loads(body: str, tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(body)
    suite = load_suite(str(path), "quick")
    known = plugins.scan()
    kinds = {kind: {name for k, name in known if k == kind} for kind in ("model", "task", "refiner", "world")}
    assert suite.task in kinds["task"] and suite.world["name"] in kinds["world"]
    assert set(suite.models) <= kinds["model"]
    for name, options in {**suite.model, **suite.refiner}.items():
        kind = "model" if name in suite.model else "refiner"
        cls = plugins.find(kind, str(options.get("base", name))).load()
        cls.Config(**{key: value for key, value in options.items() if key != "base"})


def test_there_are_suites_to_load() -> None:
    assert {where for where, _ in suites()} >= {"photographs.md:playing-cards", "street.md:street"}


def test_every_number_is_explained() -> None:
    """The page of numbers has each column of the table and each metric of each task, in code."""
    page = text_of(ROOT / "docs" / "numbers.md")
    explained = {name.split("/")[0] for name in INLINE.findall(page)}
    assert set(CSV_COLUMNS) <= explained, set(CSV_COLUMNS) - explained
    for kind, name in plugins.scan():
        if kind == "task" and not name.startswith("toy"):
            task = plugins.find("task", name).load()
            assert set(task.metrics) <= explained, name
            assert f"`{task.headline}` (headline)" in page, name


def test_every_system_is_told_of() -> None:
    """The page of systems has each refiner and model of the house."""
    told = set(INLINE.findall(text_of(ROOT / "docs" / "systems.md")))
    ours = {name for kind, name in plugins.scan() if kind in ("refiner", "model") and not name.startswith("toy")}
    assert ours <= told, ours - told


def test_the_environment_of_the_site_installs_what_the_extra_says() -> None:
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert tox["testenv:docs"]["deps"].split() == extras["docs"]


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="no mkdocs here: pip install '.[docs]'")
def test_the_site_builds_and_a_broken_link_ends_the_build(tmp_path: Path) -> None:
    import shutil

    def build(root: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mkdocs", "build", "-f", str(root / "docs" / "site" / "mkdocs.yml")]
        return subprocess.run([*command, "-d", str(tmp_path / "site")], capture_output=True, text=True)

    done = build(ROOT)
    assert done.returncode == 0, done.stderr
    made = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert made >= {"index", *(page.stem for page in PAGES if page.stem != "README")}
    page = (tmp_path / "site" / "results.html").read_text(encoding="utf-8")
    shown = re.findall(r'(?:src|href)="(results/[^"#]+)', page)
    assert shown and all((tmp_path / "site" / target).is_file() for target in shown)
    assert not re.search(r'<(?:script|link)[^>]+(?:src|href)="(?:https?:)?//', page), "the site fetches nothing"
    for broken in ("[x](nowhere.md)", "[x](limits.md#nowhere)", "[x](../nowhere)"):
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(ROOT / "docs", tmp_path / "copy" / "docs")
        (tmp_path / "copy" / "README.md").write_text("# x\n")
        shutil.copytree(ROOT / "results" / "claims", tmp_path / "copy" / "results" / "claims")
        (tmp_path / "copy" / "docs" / "results.md").write_text("# Measured results\n")
        with (tmp_path / "copy" / "docs" / "bop.md").open("a") as file:
            file.write(f"\n{broken}\n")
        failed = build(tmp_path / "copy")
        assert failed.returncode != 0 and "nowhere" in failed.stderr, broken
