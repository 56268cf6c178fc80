"""`bench data` as a user types it: what it prints, leaves and returns."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from bench.formats.layout import open_image_set

COUNT = 5


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """A folder ``photos`` with a CSV table; the working directory is its parent."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "photos"
    root.mkdir()
    rows = ["file,class,x0,y0,x1,y1"]
    for k in range(COUNT):
        small = np.random.default_rng(k).integers(0, 255, (4, 4, 3), np.uint8)
        Image.fromarray(small).resize((60, 40), Image.Resampling.BICUBIC).save(root / f"shot{k // 2}_{k}.jpg")
        rows.append(f"shot{k // 2}_{k}.jpg,{'can' if k % 2 else 'jar'},{k},5,30,30")
    (root / "boxes.csv").write_text("\n".join(rows))
    return root


def imported(*more: str, target: str = "set") -> int:
    return main(["data", "import", "--format", "csv", "photos", target, "--domain", "real", *more])


def test_import_says_what_it_made(photos, capsys):
    assert imported("--size", "32", "--group", r"shot\d") == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "set: 5 real images (photographs), 32x32, 5 boxes: can 2, jar 3", "read from photos: no problems",
    ]
    assert open_image_set(Path("set")).groups == ["shot0", "shot0", "shot1", "shot1", "shot2"]
    manifest = (photos.parent / "set" / "manifest.json").read_text()
    assert json.loads(manifest)["provenance"]["size"] == 32 and str(photos.parent) not in manifest


def test_import_renames_and_merges_classes(photos, capsys):
    assert imported("--rename", "can=container", "--rename", " jar = container") == 0
    assert "5 boxes: container 5" in capsys.readouterr().out
    assert json.loads(Path("set/manifest.json").read_text())["provenance"]["rename"] == {
        "can": "container", "jar": "container",
    }
    for wrong, line in [
        (["can"], "--rename can: write OLD=NEW"),
        (["can=a", "can=b"], "--rename can=b: can has a new name already, a"),
        (["cans=a"], "--rename cans=...: no such class (did you mean 'can'?)"),
    ]:
        assert imported(*(word for text in wrong for word in ("--rename", text)), target="other") == 2
        assert capsys.readouterr().err.splitlines() == [f"bench: {line}"]
        assert not Path("other").exists()


def test_import_goes_on_past_broken_images_unless_strict(photos, capsys):
    (photos / "shot0_1.jpg").write_bytes(b"x")
    with (photos / "boxes.csv").open("a") as file:
        file.write("\nshot1_2.jpg,can,100,100,120,120\n")
    assert imported("--strict") == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "2 problems (1 broken image, 1 box outside the image), and --strict writes nothing" in complaint
    assert not Path("set").exists()
    assert imported() == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1] == "read from photos: 2 problems (1 broken image, 1 box outside the image)"
    assert len(captured.err.splitlines()) == 2 and "photos/boxes.csv:7: box 100, 100, 120, 120" in captured.err
    assert open_image_set(Path("set")).ids == ["shot0_0", "shot1_3", "shot2_4"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--format", "cvs", "photos", "x"], "unknown format 'cvs' (did you mean 'csv'?)"),
        (["--format", "csv", "fotos", "x", "--domain", "real"], "fotos: no such file or folder"),
        (["--format", "csv", "photos", "x"], "--domain: say whether the images are synthetic or real"),
        (["--format", "csv", "photos", "x", "--domain", "real", "--size", "0"], "--size 0: a whole number"),
        (["--format", "csv", "photos", "x", "--domain", "real", "--size", "big"], "--size big: a whole number"),
        (["--format", "csv", "photos", "photos", "--domain", "real"], "source and target are one folder"),
        (["--format", "csv", "photos", "x", "--domain", "real", "--split", "a"], "format 'csv' has no such option"),
        (["--format", "csv", "photos", "x", "--domain", "real", "--filter", "clas=can"], "did you mean 'class'?"),
        (["--format", "csv", "photos", "x", "--domain", "real", "--classes", "cann,jra"], "no usable image is left"),
        (["--format", "csv", "photos", "x", "--domain", "real", "--ignore-class", "cann"], "did you mean 'can'?"),
        (["--format", "coco", "photos", "x", "--domain", "real"], "photos: no annotations.json"),
        (["--format", "yolo", "photos", "x", "--domain", "real"], "photos: no class names"),
        (["--format", "voc", "photos", "x", "--domain", "real"], "no usable XML file"),
        (["--format", "layout", "photos", "x"], "manifest.json: no such file"),
    ],
)
def test_impossible_imports_get_one_line_and_leave_nothing(photos, capsys, arguments, text):
    assert main(["data", "import", *arguments]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("bench: ") and text in last
    assert not Path("x").exists() and sorted(path.name for path in photos.parent.iterdir()) == ["photos"]


def test_a_second_import_needs_a_word(photos, capsys):
    assert imported() == 0
    assert imported() == 2 and "set: exists already" in capsys.readouterr().err
    assert imported("--overwrite", "--classes", "jar,can") == 0
    assert open_image_set(Path("set")).class_names == ("jar", "can")


def test_reimport_of_our_layout_keeps_domain_and_changes_size(photos, capsys):
    assert imported() == 0
    assert main(["data", "import", "--format", "layout", "set", "small", "--size", "16"]) == 0
    small = open_image_set(Path("small"))
    assert (small.domain, small.kind, small.size) == ("real", "photographs", (16, 16))


def test_verify(photos, capsys):
    assert imported("--size", "32") == 0 and main(["data", "verify", "set"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no problems"
    (photos.parent / "set" / "images" / "shot0_0.png").write_bytes(b"x")
    assert main(["data", "verify", "set"]) == 2
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "2 problems (1 changed file, 1 broken image)" and out[-2].endswith(": 2 problems")
    assert main(["data", "verify", "elsewhere"]) == 2
    assert capsys.readouterr().err == "bench: elsewhere: no such folder\n"


def test_verify_finds_what_training_and_test_share(photos, capsys):
    assert imported("--size", "32", "--group", r"shot\d") == 0
    assert imported("--size", "24", "--group", r"shot\d", "--filter", "class=jar", target="test") == 0
    capsys.readouterr()
    assert main(["data", "verify", "set", "test"]) == 2
    out = capsys.readouterr().out
    assert out.count("nearly the same picture as set/images/shot") == 3 and "test/images/shot0_0.png" in out
    assert main(["data", "verify", "set", "set/../set"]) == 2
    out = capsys.readouterr().out
    assert out.count("same pixels as") == COUNT and "group 'shot0' is also in set" in out


def test_verify_of_other_formats(photos, capsys):
    assert main(["data", "verify", "photos", "--format", "csv"]) == 0
    (photos / "shot0_0.jpg").unlink()
    assert main(["data", "verify", "photos", "--format", "csv"]) == 2
    assert "photos: 4 usable images: 1 problem\n" in capsys.readouterr().out
    (photos / "annotations.json").write_text("{}")
    assert main(["data", "verify", "photos"]) == 2
    assert "no list 'images'" in capsys.readouterr().out


def test_verify_compares_with_what_another_program_refined(photos, capsys):
    assert imported("--size", "32") == 0
    refined = photos.parent / "refined"
    refined.mkdir()
    for path in (photos.parent / "set" / "images").iterdir():
        (refined / path.name).write_bytes(path.read_bytes())
    assert main(["data", "verify", "set", "--refined", "refined"]) == 0
    assert "refined: no of 5 refined images at fault" in capsys.readouterr().out
    (refined / "shot0_1.png").rename(refined / "shot9_1.png")
    Image.new("RGB", (8, 8)).save(refined / "shot0_0.png")
    assert main(["data", "verify", "set", "--refined", "refined"]) == 2
    out = capsys.readouterr().out
    assert "set/shot0_1: missing; " in out and "refined/shot9_1.png: extra; " in out
    assert "refined/shot0_0.png: resized: 8x8, not 32x32; " in out


def test_show(photos, capsys):
    assert imported(target="sets/b") == 0 and imported("--size", "32", target="sets/a") == 0
    assert main(["data", "show", "sets", "--out", "out/sheet.png", "--images", "3", "--columns", "2"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out[-3:]] == ["sets/a", "sets/b", "written"]
    with Image.open("out/sheet.png") as sheet:
        both = sheet.height
        assert sheet.width > 2 * 288
    assert main(["data", "show", "sets/a", "--out", "a.png", "--images", "3", "--columns", "2"]) == 0
    with Image.open("a.png") as sheet:
        assert sheet.height < both
        colours = len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0))
    assert colours > 1000, "pictures are on it"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["photos"], "photos: no image set in it"), (["photso"], "unknown suite 'photso'"),
        (["photos", "--out", "sheet"], "--out sheet: a picture file"),
        (["photos", "--columns", "0"], "must be 1 or more"),
    ],
)
def test_impossible_sheets(photos, capsys, arguments, text):
    assert main(["data", "show", *arguments]) == 2
    assert text in capsys.readouterr().err


SUITE = """
schema = 1
name = "mine"
task = "detection"
models = ["ssd"]
arms = ["synthetic", "real"]
size = 32
replicates = 1
world = { name = "coco", synthetic_train = "a", real_train = "b", real_test = "c" }
counts = { synthetic_train = 3, real_train = 0, real_test = 0 }
"""


def test_render_and_show_of_a_suite_of_ones_own(photos, capsys, monkeypatch):
    (photos.parent / "mine.toml").write_text(SUITE)
    assert main(["data", "import", "--format", "csv", "photos", "a", "--domain", "synthetic"]) == 0
    assert imported(target="b") == 0 and imported("--size", "20", target="c") == 0
    assert main(["data", "show", "mine.toml"]) == 2
    assert "nothing made yet; `python -m bench data render mine.toml` does it" in capsys.readouterr().err
    assert main(["data", "render", "mine.toml", "--out", "made", "--workers", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0:2] for line in out] == [
        ["made/synthetic-train:", "3"], ["made/real-train:", "5"], ["made/real-test:", "5"],
    ]
    assert open_image_set(Path("made/real-test")).size == (32, 32)
    assert main(["data", "verify", "made/synthetic-train"]) == 0
    assert main(["data", "show", "mine.toml", "--out", "s.png"]) == 0 and Path("s.png").is_file()
    capsys.readouterr()
    started = time.monotonic()
    assert main(["data", "render", "mine.toml"]) == 0
    assert time.monotonic() - started < 5 and "to make" not in capsys.readouterr().err, "it is in the store"
    assert main(["data", "render", "mine.toml", "--workers", "0"]) == 2
    monkeypatch.chdir(photos.parent.parent)
    assert main(["data", "render", "mine.tml"]) == 2


def test_help_is_fast_and_imports_no_torch():
    code = (
        "import sys\nfrom bench.cli.main import main\ntry:\n main(['data','import','--help'])\n"
        "except SystemExit:\n pass\nassert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'heavy'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--filter COLUMN=VALUE" in done.stdout and "yolo" in done.stdout


def test_parts_make_all_sets_of_a_suite_in_one_command(photos, capsys):
    files = [f"{path.name},{'sim' if k < 2 else 'real'},{'test' if k == 4 else 'train'}" for k, path in
             enumerate(sorted(photos.glob("*.jpg")))]  # fmt: skip
    (photos / "files.csv").write_text("\n".join(["file,domain,split", *files]))
    parts = ["synthetic:domain=sim", "real-train:domain=real,split=train", "real-test:domain=real, split=test"]
    command = ["data", "import", "--format", "csv", "photos", "sets", "--size", "24"]
    assert main([*command, *(word for part in parts for word in ("--part", part))]) == 0
    sets = {name: open_image_set(Path("sets") / name) for name in ("synthetic", "real-train", "real-test")}
    assert [(len(images), images.domain, images.kind) for images in sets.values()] == [
        (2, "synthetic", "rendered"), (2, "real", "photographs"), (1, "real", "photographs"),
    ]  # fmt: skip
    assert capsys.readouterr().out.count("read from photos") == 3
    train, test = ({record.id for record in sets[name].records} for name in ("real-train", "real-test"))
    assert not train & test


@pytest.mark.parametrize(
    ("parts", "more", "text"),
    [
        (["real-test"], [], "write NAME:COLUMN=VALUE"),
        (["real-test:"], [], "write NAME:COLUMN=VALUE"),
        (["real-tset:split=test"], [], "unknown set 'real-tset' (did you mean 'real-test'?)"),
        (["real-test:a=1", "real-test:a=2"], [], "real-test was given already"),
        (["real-test:class=none"], ["--domain", "real"], "leave it out"),
        (["real-test:class=none"], ["--format", "coco"], "only --format csv"),
        (["real-test:clas=none"], [], "no column 'clas'"),
    ],
)
def test_parts_that_are_none(photos, capsys, parts, more, text):
    command = ["data", "import", "--format", "csv", "photos", "sets", *more]
    assert main([*command, *(word for part in parts for word in ("--part", part))]) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.splitlines()) == 1 and not Path("sets").exists()
