"""What the attacks share: a command with an end in time, and what it said."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.cli.main import main
from tests.hostile.targets import TOY


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.strip().splitlines()


def _ring(number: int, frame: object) -> None:
    raise TimeoutError("twenty seconds without an end")


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """No attack may take longer than a minute."""
    signal.signal(signal.SIGALRM, _ring)
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command; no traceback, no fault of ours, whatever it was given."""

    def run(*arguments: str | Path) -> Said:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        said = Said(code, captured.out, captured.err)
        assert "Traceback" not in said.err and "unexpected" not in said.err, said.err
        return said

    return run


@pytest.fixture
def refine(bench: Callable[..., Said], tmp_path: Path) -> Callable[..., Said]:
    """Refine a folder with a trained toy refiner."""
    from tests.hostile import seeds

    def run(source: Path, target: Path) -> Said:
        if not (tmp_path / "fit").exists():
            seeds.fit(tmp_path / "fit")
        return bench("refine", "--refiner", tmp_path / "fit", "--input", source, "--output", target,
                     "--plugin", TOY, "--device", "cpu", "--store", tmp_path / "store")  # fmt: skip

    return run
