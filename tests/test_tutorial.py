"""The tutorial does what it says: its commands are run as they stand, on a tiny example, with fewer training steps."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest

from bench import plugins
from bench.cli.main import main
from bench.conformance.mock_world import MockWorld
from bench.contracts import Context, SplitRequest

DOCS = Path(__file__).parent.parent / "docs"
FEWER = [
    "--set", "train.steps=3", "--set", "model.ssd.steps=3", "--set", "refiner.cyclegan.steps=2",
    "--set", "refiner.vtr.steps=2", "--workers", "1", "--device", "cpu",
]  # fmt: skip
PART = ["--only", "refiner=identity", "--only", "refiner=color-transfer"]
"""Of the first look, so that the test takes seconds."""


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders ``renders`` (COCO), ``photos`` (plain) and ``photos-test`` (YOLO) that the tutorial starts from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_extra_files", list(plugins._extra_files))
    world = MockWorld(MockWorld.Config())
    for domain, split, count in (("synthetic", "train", 6), ("real", "train", 5), ("real", "test", 6)):
        world.image_set(SplitRequest(domain, split, count, 48, 3), Context(3, Path(f"made/{domain}-{split}")))  # type: ignore[arg-type]
    assert main(["data", "export", "--format", "coco", "made/synthetic-train", "renders"]) == 0
    assert main(["data", "export", "--format", "yolo", "made/real-test", "photos-test"]) == 0
    shutil.copytree("made/real-train/images", "photos")
    shutil.rmtree("made")
    yield tmp_path
    plugins.scan.cache_clear()


def perform(line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "python"
    if words[1:3] != ["-m", "bench"]:
        runpy.run_path(words[1])
        return
    more = FEWER if words[3] == "run" else []
    if words[3] == "run" and "--variant" not in words:
        more = FEWER + PART
    if "--variant" in words:  # what its arms do not use may not be set
        more = [*FEWER[:4], *FEWER[-4:]]
    assert main([*words[3:], *more]) == 0, line


@pytest.mark.slow
def test_the_tutorials_commands_lead_to_the_page(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    for language, body in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        first, rest = body.split("\n", 1)
        if language == "sh":
            for line in body.strip().splitlines():
                perform(line)
        elif language == "python":
            Path(first.removeprefix("# ")).write_text(rest)
        elif language == "toml":
            with Path(first.removeprefix("# append to ")).open("a") as file:
                file.write("\n" + rest)
    capsys.readouterr()
    table = Path("runs/mine-quick/table.md").read_text()
    assert "refined(color-transfer)" in table and "real (photographs) test images" in table
    assert Path("runs/mine-quick/index.html").is_file()
    assert "refined(warm)" in Path("runs/mine-warm-quick/table.md").read_text()
    assert {path.name for path in Path("renders-refined/images").iterdir()} == {f"{k:03d}.png" for k in range(6)}
    assert Path("renders-refined/annotations.json").read_bytes() == Path("renders/annotations.json").read_bytes()
    assert len(list(Path("exported/labels").iterdir())) == 6
    for folder in ("renders-refined", "exported"):
        assert "color-transfer" in (Path(folder) / "data-card.md").read_text()
    assert json.loads(Path("runs/mine-quick/keys.json").read_text())
