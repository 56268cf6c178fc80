"""`bench new`: a suite over two folders that can be planned, and a refiner that passes its own test."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.conformance.mock_world import MockWorld
from bench.contracts import Context, SplitRequest
from bench.plan import build_plan
from bench.suite import load_suite

ROOT = Path(__file__).parent.parent.parent
GOOD = ["suite", "x", "--task", "pose", "--synthetic", "synthetic-train", "--real-train", "photos"]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Image sets synthetic-train, real-train and real-test, and a folder of plain photographs."""
    monkeypatch.chdir(tmp_path)
    world = MockWorld(MockWorld.Config())
    for domain, split in (("synthetic", "train"), ("real", "train"), ("real", "test")):
        request = SplitRequest(domain, split, 6, 32, 3)  # type: ignore[arg-type]
        world.image_set(request, Context(3, tmp_path / f"{domain}-{split}"))
    shutil.copytree(tmp_path / "real-train" / "images", tmp_path / "photos")
    return tmp_path


def new(*more: str, task: str = "detection", synthetic: str = "synthetic-train", real: str = "real-train") -> int:
    return main(["new", "suite", "mine", "--task", task, "--synthetic", synthetic, "--real-train", real, *more])


@pytest.mark.parametrize("task", ["detection", "segmentation", "depth", "pose"])
def test_a_suite_of_every_task_can_be_planned(folders: Path, capsys, task: str) -> None:
    assert new("--real-test", "real-test", "--size", "32", "--out", "suites", task=task) == 0
    out = capsys.readouterr().out
    assert "cannot be run yet" not in out and "6 test images: intervals will be wide" in out
    suite = load_suite("suites/mine.toml")
    assert {"synthetic", "real", "hybrid(synthetic)"} <= set(suite.arms)
    plan = build_plan(suite)
    assert plan.n_test == 6 and plan.real_kind == "photographs"
    text = Path("suites/mine.toml").read_text()
    assert str(folders) not in text and 'synthetic_train = "../synthetic-train"' in text
    assert text.count("#") > 6, "it is commented"


def test_what_another_program_refined_becomes_an_arm(folders: Path, capsys) -> None:
    assert new("--real-test", "real-test", "--refined", "diffusion=synthetic-train/images") == 0
    suite = load_suite("mine.toml")
    assert suite.refiner["diffusion"]["base"] == "external" and "hybrid(diffusion)" in suite.arms
    assert any(stage.label == "refine with diffusion #0" for stage in build_plan(suite).stages.values())


def test_plain_photographs_are_enough_to_learn_from(folders: Path, capsys) -> None:
    assert new("--real-test", "real-test", real="photos") == 0
    assert "the training photographs have no labels: no arms real and hybrid" in capsys.readouterr().out
    arms = load_suite("mine.toml").arms
    assert "real" not in arms and not any(arm.startswith("hybrid") for arm in arms)
    assert build_plan(load_suite("mine.toml")).cells


@pytest.mark.parametrize("more", [[], ["--real-test", "photos"]])
def test_without_test_labels_it_says_what_is_left_and_refiners_are_still_trained(folders: Path, capsys, more) -> None:
    assert new(*more) == 0
    assert "no labelled photographs to test on: no gain can be measured" in capsys.readouterr().out
    plan = build_plan(load_suite("mine.toml"))
    assert {stage.kind for stage in plan.stages.values()} == {"render", "fit", "refine", "realism"}
    assert all(cell.skip.startswith("no labelled photographs to test on") for cell in plan.cells)
    assert {key for cell in plan.cells for key in cell.refiner_keys} < set(plan.stages)


def test_an_unscored_run_makes_the_refined_images(folders: Path, capsys) -> None:
    assert new() == 0
    arguments = ["run", "--suite", "mine.toml", "--store", "store", "--out", "out", "--workers", "1",
                 "--replicates", "1", "--set", 'arms=["synthetic","refined(identity)"]',
                 "--set", 'baselines=[]', "--set", "arm_models={}",
                 "--set", "refiner={}", "--set", 'models=["ssd"]', "--set", "model={}"]  # fmt: skip
    assert main(arguments) == 3, "nothing is scored, so the run is incomplete"
    assert (Path("out") / "gallery.png").is_file()
    assert main(["data", "export", "out", "exported", "--set", "identity", "--store", "store", "--format", "yolo"]) == 0
    assert len(list(Path("exported/images").iterdir())) == 6
    capsys.readouterr()
    assert main(arguments) == 3
    assert "stages to make" not in capsys.readouterr().err


def test_on_a_terminal_it_asks(folders: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("detection\nsynthetic-train\nphotos\n\n"))
    assert main(["new", "suite", "asked"]) == 0
    out = capsys.readouterr().out
    assert "What is learned (avoidance, depth, detection" in out and "written: asked.toml" in out
    monkeypatch.setattr(sys, "stdin", Terminal("detection\n"))
    assert main(["new", "suite", "again"]) == 2
    assert "--synthetic: an answer is needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["suite", "mine"], "give --task, --synthetic, --real-train (on a terminal they are asked for)"),
        (["suite", "vending"], "vending: is a built-in suite; choose another name"),
        (["suite", "a/b"], "a/b: write letters, digits"),
        (["suite", "x", "--task", "detecton", "--synthetic", "a", "--real-train", "b"], "did you mean 'detection'?"),
        (["suite", "x", "--task", "pose", "--synthetic", "nowhere", "--real-train", "photos"],
         "--synthetic nowhere: no such folder"),
        (["suite", "x", "--task", "pose", "--synthetic", "photos", "--real-train", "photos"],
         "--synthetic photos: has no boxes, which task 'pose' needs"),
        ([*GOOD, "--like", "rooms"],
         "--like rooms: is about depth, not pose"),
        ([*GOOD, "--size", "3"],
         "--size 3: a whole number from 16 to 4096"),
        ([*GOOD, "--refined", "a"],
         "--refined a: write NAME=DIR"),
        (["refiner", "My_Refiner"], "write a refiner's name in small letters"),
        (["refiner", "identity"], "identity: there is a refiner of that name"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_and_leave_nothing(folders: Path, monkeypatch, capsys, arguments, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    before = sorted(folders.iterdir())
    assert main(["new", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.splitlines()) == 1
    assert sorted(folders.iterdir()) == before


def test_nothing_is_overwritten(folders: Path, capsys) -> None:
    assert new() == 0 and main(["new", "refiner", "my-refiner"]) == 0
    assert new() == 2 and main(["new", "refiner", "my-refiner"]) == 2
    assert capsys.readouterr().err.count("exists already") == 2


def test_the_new_refiner_passes_its_own_test(tmp_path: Path, capsys) -> None:
    assert main(["new", "refiner", "my-refiner", "--out", str(tmp_path)]) == 0
    assert "python -m bench selftest" in capsys.readouterr().out
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_refiner.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
    ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if ruff:  # in an author's own folder `bench` is somebody else's package, and sorted as such
        command = [ruff, "check", "--config", str(ROOT / "pyproject.toml"), "my_refiner.py"]
        checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
