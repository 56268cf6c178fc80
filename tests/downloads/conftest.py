"""A loopback server, no proxy, and no waiting between tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli.main import main
from bench.downloads import download as downloading
from tests.downloads.loopback import Loopback, serving

SET = """
[sets.toy]
title = "Toy"
purpose = "tests"
home = "http://127.0.0.1/"
licence = "CC0"
terms = "http://127.0.0.1/terms"
access = "ACCESS"
then = ["data import {root} sets/toy --format images --domain real"]
"""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited between tries."""
    waited: list[float] = []
    monkeypatch.setattr(downloading, "time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[Loopback]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as told:
        yield told


@pytest.fixture
def toy(tmp_path: Path, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run ``bench data fetch toy`` in ``tmp_path`` with a catalogue of the given lines after `SET`'s."""
    monkeypatch.chdir(tmp_path)

    def fetch(lines: str, *more: str, access: str = "open") -> int:
        (tmp_path / "own.toml").write_text(SET.replace("ACCESS", access) + lines.replace("URL", server.url))
        return main(["data", "fetch", "toy", "--catalogue", "own.toml", "--root", "here", *more])

    return fetch
