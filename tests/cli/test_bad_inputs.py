"""Bad inputs of every kind: each is one line that says what and where, exit code 2, never a traceback.

``RUNS`` are commands that must stop. ``ITEMS`` are folders with one broken item: it is named and left out, the rest
goes on (exit code 0 for an import, 2 for `data verify`, which only looks).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from bench.formats.layout import ImageSetWriter
from bench.samples import Labels

SUITE = """schema = 1
name = "mine"
task = "detection"
models = ["ssd"]
arms = ["synthetic", "refined(identity)", "real"]
size = 32
replicates = 1
[world]
name = "coco"
synthetic_train = "renders"
real_train = "photos"
real_test = "test"
[counts]
synthetic_train = 0
real_train = 0
real_test = 0
"""


def picture(seed: int, width: int = 40, height: int = 20) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def image_set(root: Path, first: int, domain: str, classes: tuple[str, ...] = ("jar", "can")) -> None:
    writer = ImageSetWriter(root, domain=domain, kind="rendered", class_names=classes, labels=["boxes", "depth"])
    for k in range(3):
        labels = Labels(
            boxes=np.array([[2, 2, 20, 15]], np.float32), classes=np.array([0]), depth=np.ones((20, 40), np.float32)
        )
        writer.add(f"im{k}", np.asarray(picture(first + k)), labels)
    writer.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three good image sets, a suite over them, and folders in other formats of three images each."""
    monkeypatch.chdir(tmp_path)
    for number, (name, domain) in enumerate({"renders": "synthetic", "photos": "real", "test": "real"}.items()):
        image_set(tmp_path / name, 10 * number, domain)
    (tmp_path / "mine.toml").write_text(SUITE)
    inner = ["yolo/images", "yolo/labels", "masks/images", "masks/masks", "depth/images", "depth/depth"]
    for name in [*inner, "coco", "csv"]:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "yolo" / "data.yaml").write_text("names: [jar, can]\n")
    coco: dict = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "jar"}, {"id": 2, "name": "can"}]}
    rows = ["file,class,x0,y0,x1,y1"]
    for k in range(3):
        for folder in ("yolo/images", "masks/images", "depth/images", "coco", "csv"):
            picture(50 + k).save(tmp_path / folder / f"{k}.jpg", quality=95)
        (tmp_path / "yolo" / "labels" / f"{k}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        Image.fromarray(np.full((20, 40), k % 2, np.uint8)).save(tmp_path / "masks" / "masks" / f"{k}.png")
        Image.fromarray(np.full((20, 40), 1500, np.uint16)).save(tmp_path / "depth" / "depth" / f"{k}.png")
        coco["images"].append({"id": k, "file_name": f"{k}.jpg", "width": 40, "height": 20})
        coco["annotations"].append({"id": k, "image_id": k, "category_id": 1, "bbox": [2, 2, 10, 10]})
        rows.append(f"{k}.jpg,jar,2,2,12,12")
    (tmp_path / "coco" / "annotations.json").write_text(json.dumps(coco))
    (tmp_path / "csv" / "boxes.csv").write_text("\n".join(rows))
    return tmp_path


Damage = Callable[[Path], object]


def suite(old: str, new: str) -> Damage:
    def change(root: Path) -> None:
        text = (root / "mine.toml").read_text()
        assert old in text
        (root / "mine.toml").write_text(text.replace(old, new, 1))

    return change


def edit(file: str, change: Callable[[dict], object]) -> Damage:
    def apply(root: Path) -> None:
        data = json.loads((root / file).read_text())
        change(data)
        (root / file).write_text(json.dumps(data))

    return apply


def write(file: str, content: str | bytes) -> Damage:
    def apply(root: Path) -> None:
        (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return apply


def cut(file: str) -> Damage:
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[:-60])


def saved(file: str, array: np.ndarray) -> Damage:
    return lambda root: Image.fromarray(array).save(root / file, "PNG")


def nothing(root: Path) -> None:
    pass


PLAN = ["plan", "--suite", "mine.toml", "--store", "store"]
RUNS: list[tuple[str, Damage, list[str], str]] = [
    ("suite: no such file", nothing, ["plan", "--suite", "none.toml"], "none.toml: no such suite file"),
    ("suite: a folder", lambda r: (r / "d.toml").mkdir(), ["plan", "--suite", "d.toml"], "d.toml: no such suite file"),
    ("suite: not TOML", write("mine.toml", "a = = 1"), PLAN, "mine.toml: not valid TOML"),
    ("suite: binary", write("mine.toml", b"\xff\xfe\0"), PLAN, "mine.toml: not valid TOML"),
    ("suite: empty", write("mine.toml", ""), PLAN, "is missing"),
    ("suite: misspelt key", suite("models", "modles"), PLAN, "did you mean 'models'?"),
    ("suite: unknown task", suite("detection", "detektion"), PLAN, "did you mean 'detection'?"),
    ("suite: unknown model", suite('"ssd"', '"sdd"'), PLAN, "did you mean 'ssd'?"),
    ("suite: unknown refiner", suite("identity", "identty"), PLAN, "did you mean 'identity'?"),
    ("suite: unknown arm", suite('"real"]', '"reel"]'), PLAN, "did you mean 'real'?"),
    ("suite: size as text", suite("size = 32", 'size = "big"'), PLAN, "size:"),
    ("suite: size too small", suite("size = 32", "size = 3"), PLAN, "size:"),
    ("suite: no replicate", suite("replicates = 1", "replicates = 0"), PLAN, "replicates:"),
    ("suite: negative count", suite("real_test = 0", "real_test = -1"), PLAN, "counts.real_test"),
    ("suite: newer schema", suite("schema = 1", "schema = 9"), PLAN, "schema 9, this version reads 1"),
    ("suite: no world", suite('name = "coco"', ""), PLAN, "a name is missing"),
    ("suite: misspelt world", suite('"coco"', '"cocco"'), PLAN, "did you mean 'coco'?"),
    ("suite: misspelt world key", suite("real_train =", "real_trian ="), PLAN, "real_train"),
    ("suite: table of nothing", lambda r: write("mine.toml", SUITE + "[refiner.vtrr]\n")(r), PLAN,
     "not used by this suite"),
    ("suite: external without a folder", suite("refined(identity)", "refined(external)"), PLAN, "folder: is missing"),
    ("suite: unknown profile", nothing, [*PLAN, "--profile", "qick"], "did you mean 'quick'?"),
    ("suite: unknown variant", nothing, [*PLAN, "--variant", "x"], "unknown variant 'x'"),
    ("data: renders are missing", suite('"renders"', '"render"'), PLAN, "world.synthetic_train: render"),
    ("data: photographs as renders", suite('"renders"', '"photos"'), PLAN, "was imported as real; swap the folders"),
    ("data: an empty folder", lambda r: (suite('"photos"', '"empty"')(r), (r / "empty").mkdir()), PLAN,
     "world.real_train"),
    ("data: other classes",
     lambda r: image_set(r / "other", 70, "real", ("jar", "tin")) or suite('"test"', '"other"')(r),
     ["run", *PLAN[1:], "--workers", "1"], "its class list lacks can and has also tin"),
    ("data: plain images to test on", lambda r: suite('"test"', '"csv"')(r), PLAN,
     "has no labels; only real_train may"),
    ("data: a manifest that is no JSON", write("renders/manifest.json", "{"), PLAN, "broken JSON"),
    ("data: a manifest of another layout", edit("renders/manifest.json", lambda d: d.update(layout=7)), PLAN,
     "layout 7"),
    ("data: a COCO file that is no object", write("coco/annotations.json", "[]"),
     ["data", "import", "--format", "coco", "coco", "x", "--domain", "real"], "no list 'images'"),
    ("data: categories of one name", edit("coco/annotations.json", lambda d: d["categories"][1].update(name="jar")),
     ["data", "import", "--format", "coco", "coco", "x", "--domain", "real"], "two categories share an id or a name"),
    ("data: a table without its column", write("csv/boxes.csv", "file,klass,x0,y0,x1,y1\n"),
     ["data", "import", "--format", "csv", "csv", "x", "--domain", "real"], "no column 'class'"),
    ("data: no scale of depth", nothing, ["data", "import", "--format", "depth", "depth", "x", "--domain", "real"],
     "state --depth-scale"),
    ("data: a wrong scale of depth", nothing,
     ["data", "import", "--format", "depth", "depth", "x", "--domain", "real", "--depth-scale", "1000000"],
     "median depth"),
    ("data: masks without names", nothing, ["data", "import", "--format", "masks", "masks", "x", "--domain", "real"],
     "no class names"),
    ("data: a target in the way", nothing, ["data", "import", "--format", "csv", "csv", "photos", "--domain", "real"],
     "photos: exists already"),
    ("data: a target that is no set", nothing,
     ["data", "import", "--format", "csv", "csv", "yolo", "--domain", "real", "--overwrite"], "is no image set"),
    ("data: a group that finds nothing", nothing,
     ["data", "import", "--format", "csv", "csv", "x", "--domain", "real", "--group", "("], "not a regular expression"),
    ("refine: no run", nothing, ["refine", "--refiner", "renders", "--input", "photos", "--output", "x"],
     "no trained refiner there"),
    ("refine: a run without its store", lambda r: write("keys.json", '["00"]')(r),
     ["refine", "--refiner", ".", "--input", "photos", "--output", "../x", "--store", "store"], "store: holds nothing"),
    ("refine: keys that are no list", write("keys.json", "3"),
     ["refine", "--refiner", ".", "--input", "photos", "--output", "../x"], "not the folder of a finished run"),
    ("export: a format that the labels do not fit", nothing, ["data", "export", "--format", "masks", "test", "x"],
     "is for semantic, which the set has not"),
    ("verify: another format's option", nothing, ["data", "verify", "csv", "--format", "csv", "--split", "a"],
     "has no such option"),
    ("verify: refined images that are not there", nothing, ["data", "verify", "renders", "--refined", "gone"],
     "gone: no such folder"),
    ("show: nothing to show", nothing, ["data", "show", "csv"], "csv: no image set in it"),
    ("plugin: a text file", write("p.py", "hello world"), [*PLAN, "--plugin", "p.py"], "p.py:1: "),
    ("report: an unknown refiner", nothing, ["report", *PLAN[1:], "--only", "refiner=x"], "unknown refiner 'x'"),
    ("compare: no rows", nothing, ["compare", "renders", "photos"], "renders"),
    ("run: a device that is no choice", nothing, ["run", *PLAN[1:], "--device", "tpu"], "tpu"),
    ("set: a value into a value", nothing, [*PLAN, "--set", "size.x=3"], "--set size.x: 'size' is a value"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "arguments", "text"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS])
def test_one_line_and_exit_code_2(place: Path, capsys, damage: Damage, arguments: list[str], text: str) -> None:
    damage(place)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    said = captured.err + captured.out
    assert "Traceback" not in said and text in said
    assert not (place / "x").exists() and not list(place.glob(".*.part"))
    if arguments[0] == "run" and "--device" not in arguments:
        assert code == 3, "a stage failed, and its cells say why"
        return
    assert code == 2
    lines = [line for line in captured.err.strip().splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1 or (arguments[:2] == ["data", "verify"] and not lines)


IMPORT = ["--domain", "real"]
ITEMS: list[tuple[str, Damage, list[str], str]] = [
    ("a truncated JPEG", cut("csv/1.jpg"), ["csv", "csv"], "1.jpg: "),
    ("an image that is text", write("csv/1.jpg", "hello"), ["csv", "csv"], "1.jpg: not an image"),
    ("an empty image", write("csv/1.jpg", b""), ["csv", "csv"], "1.jpg: not an image"),
    ("a missing image", lambda r: (r / "csv/1.jpg").unlink(), ["csv", "csv"], "no file csv/1.jpg"),
    ("an image of 16 bit", saved("csv/1.jpg", np.zeros((20, 40), np.uint16)), ["csv", "csv"], "expected 8 bit"),
    ("a box outside",
     write("csv/boxes.csv", "file,class,x0,y0,x1,y1\n0.jpg,jar,1,1,9,9\n1.jpg,jar,60,2,70,9\n2.jpg,jar,1,1,9,9"),
     ["csv", "csv"], "boxes.csv:3: box 60, 2, 70, 9 lies outside the 40x20 image"),
    ("a box without area", write("yolo/labels/1.txt", "0 0.5 0.5 0 0.2"), ["yolo", "yolo"], "1.txt:1: "),
    ("a class id unknown", write("yolo/labels/1.txt", "7 0.5 0.5 0.2 0.2"), ["yolo", "yolo"],
     "1.txt:1: unknown class 'id 7'"),
    ("a row of words", write("yolo/labels/1.txt", "0 a b c d"), ["yolo", "yolo"], "1.txt:1: "),
    ("NaN in a box", write("yolo/labels/1.txt", "0 nan 0.5 0.2 0.2"), ["yolo", "yolo"], "1.txt:1: "),
    ("a label file in another encoding", write("yolo/labels/1.txt", b"\xff\xfe0"), ["yolo", "yolo"],
     "1.txt: not a text file"),
    ("a COCO box of words", edit("coco/annotations.json", lambda d: d["annotations"][1].update(bbox="x")),
     ["coco", "coco"],
     "annotations[1] (1.jpg): bbox 'x' is not four numbers"),
    ("a COCO category unknown", edit("coco/annotations.json", lambda d: d["annotations"][1].update(category_id=9)),
     ["coco", "coco"], "annotations[1] (1.jpg): unknown class 'id 9'"),
    ("a COCO size that is wrong", edit("coco/annotations.json", lambda d: d["images"][1].update(width=41)),
     ["coco", "coco"],
     "the labels are for 41x20 pixels"),
    ("a COCO name that leads outside",
     edit("coco/annotations.json", lambda d: d["images"][1].update(file_name="../1.jpg")),
     ["coco", "coco"], "leads outside"),
    ("a COCO image twice", edit("coco/annotations.json", lambda d: d["images"][1].update(file_name="0.jpg")),
     ["coco", "coco"],
     "same file name as images[0]"),
    ("the same bytes twice", lambda r: (r / "csv/1.jpg").write_bytes((r / "csv/0.jpg").read_bytes()), ["csv", "csv"],
     "has the same bytes as 0.jpg"),
    ("a mask of another size", saved("masks/masks/1.png", np.zeros((9, 9), np.uint8)),
     ["masks", "masks", "--classes", "a,b"], "1.png: shape (9, 9), the image is 40x20"),
    ("a mask value unknown", saved("masks/masks/1.png", np.full((20, 40), 9, np.uint8)),
     ["masks", "masks", "--classes", "a,b"], "value 9 is no class"),
    ("a mask that is missing", lambda r: (r / "masks/masks/1.png").unlink(), ["masks", "masks", "--classes", "a,b"],
     "no file masks/masks/1.png"),
    ("depth in colours", saved("depth/depth/1.png", np.zeros((20, 40, 3), np.uint8)),
     ["depth", "depth", "--depth-scale", "1000"], "1.png: 3 channels"),
    ("depth of another size", saved("depth/depth/1.png", np.full((9, 9), 1500, np.uint16)),
     ["depth", "depth", "--depth-scale", "1000"], "1.png: shape (9, 9)"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "words", "text"), [row[1:] for row in ITEMS], ids=[row[0] for row in ITEMS])
def test_one_broken_item_is_named_and_the_rest_goes_on(
    place: Path, capsys, damage: Damage, words: list[str], text: str
) -> None:
    damage(place)
    format, folder, *options = words
    assert main(["data", "import", "--format", format, folder, "x", *IMPORT, *options]) == 0
    captured = capsys.readouterr()
    assert text in captured.err and "Traceback" not in captured.err
    left = len(list((place / "x" / "images").iterdir()))
    assert left == 2
    assert main(["data", "verify", folder, "--format", format, *options]) == 2
    assert text in capsys.readouterr().out


def test_there_are_more_than_fifty() -> None:
    assert len(RUNS) + len(ITEMS) >= 70 and len(RUNS) >= 50


def test_a_fault_of_ours_is_one_line_too(place: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from bench.cli import plan

    def broken(args: object) -> int:
        raise KeyError("a fault\nof ours")

    monkeypatch.setattr(plan, "run", broken)
    assert main(PLAN) == 3
    assert "unexpected KeyError" in (error := capsys.readouterr().err) and len(error.splitlines()) == 1
    assert main([*PLAN, "--traceback"]) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(place: Path, capsys) -> None:
    place.chmod(0o500)
    assert main(["data", "import", "--format", "csv", "csv", "x", *IMPORT]) == 2
    place.chmod(0o700)
    assert "Permission denied" in capsys.readouterr().err
