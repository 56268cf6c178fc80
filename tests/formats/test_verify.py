"""Every kind of damage to an image set is named, once, and the check goes on to the end."""

import json

import numpy as np
import pytest
from folders import picture
from PIL import Image

from bench.formats.layout import ImageSetWriter
from bench.formats.source import Problems
from bench.formats.verify import verify_set
from bench.samples import Labels

KINDS = ("boxes", "instances", "foreground", "depth", "vectors")


@pytest.fixture
def root(tmp_path):
    classes = ("can", "jar")
    writer = ImageSetWriter(tmp_path / "set", domain="real", kind="photographs", class_names=classes, labels=KINDS)
    for seed in range(3):
        instances = np.zeros((20, 40), np.uint16)
        instances[2:10, 4:14], instances[5:15, 20:25] = 1, 2
        writer.add(
            str(seed), picture(seed, 40, 20), group="scene",
            labels=Labels(
                boxes=np.array([[4, 2, 14, 10], [20, 5, 25, 15]], np.float32), classes=np.array([0, 1]),
                instances=instances, foreground=instances > 0, depth=np.full((20, 40), 1.5, np.float32),
                vectors={"pose": np.array([1, 0], np.float32)},
            ),
        )
    writer.close()
    return tmp_path / "set"


def check(root, signed=True):
    """Verify; with ``signed`` the manifest is brought up to date first, so that only the content is at fault."""
    if signed and (root / "manifest.json").is_file():
        import hashlib

        manifest = json.loads((root / "manifest.json").read_text())
        manifest["files"] = {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*") if path.is_file() and path.name != "manifest.json"
        }
        (root / "manifest.json").write_text(json.dumps(manifest))
    problems = Problems()
    return verify_set(root, problems), problems


def edit(change, file="annotations.json"):
    def apply(root):
        data = json.loads((root / file).read_text())
        change(data)
        (root / file).write_text(json.dumps(data))

    return apply


def truncate(path):
    path.write_bytes(path.read_bytes()[:-90])


def save(name, array):
    return lambda root: Image.fromarray(array).save(root / name)


def test_a_whole_set_has_no_problems(root):
    checked, problems = check(root, signed=False)
    assert not problems.lines and problems.summary() == "no problems"
    assert len(checked.prints) == 3 and checked.groups == {"scene"} and checked.domain == "real"


@pytest.mark.parametrize(
    ("damage", "kind", "text"),
    [
        (lambda r: truncate(r / "images/1.png"), "broken image", "images[1]"),
        (lambda r: (r / "images/1.png").write_text("x"), "broken image", "1.png: not an image"),
        (lambda r: (r / "images/1.png").unlink(), "missing image", "images[1] (images/1.png): no file"),
        (save("images/1.png", picture(1, 41, 20)), "size differs", "annotated as 40x20, the file is 41x20"),
        (save("images/1.png", picture(0, 40, 20)), "duplicate", "images[1] (images/1.png): same pixels as images/0"),
        (lambda r: (r / "depth/1.png").unlink(), "missing mask", "depth/1.png"),
        (save("depth/1.png", np.zeros((20, 41), np.uint16)), "mask of another size", "depth/1.png: shape 41x20"),
        (save("depth/1.png", np.zeros((20, 40), np.uint16)), "broken depth", "no pixel has a depth"),
        (save("depth/1.png", np.full((20, 40), 65535, np.uint16)), "broken depth", "65.5 m or more"),
        (save("instances/1.png", np.full((20, 40), 3, np.uint16)), "broken instances", "instance 3, but the image"),
        (save("foreground/1.png", np.full((20, 40), 7, np.uint8)), "broken foreground", "other than 0 and 255"),
        (save("foreground/1.png", np.zeros((20, 40, 3), np.uint8)), "mask of another size", "foreground/1.png"),
        (edit(lambda d: d["images"][1].update(file_name="../1.png")), "unsafe file name", "(../1.png): file name"),
        (edit(lambda d: d["images"][1].pop("file_name")), "broken label", "images[1]: no file_name"),
        (edit(lambda d: d["images"][1].update(id=1)), "duplicate", "or its id 1 occurs before"),
        (edit(lambda d: d["images"][1]["vectors"].update(pose=[1, float("nan")])), "broken vector", "pose is [1, nan]"),
        (edit(lambda d: d["annotations"][2].update(category_id=3)), "unknown class", "annotations[2]: category_id 3"),
        (edit(lambda d: d["annotations"][2].update(bbox=[35, 2, 20, 8])), "box outside the image", "annotations[2] ("),
        (edit(lambda d: d["annotations"][2].update(bbox=[4, 2, 0, 8])), "broken box", "has no area"),
        (edit(lambda d: d["annotations"][2].update(bbox=[4, 2, float("inf"), 8])), "broken box", "four finite numbers"),
        (edit(lambda d: d["annotations"].append(d["annotations"][0] | {"image_id": 9})), "broken label", "image_id 9"),
    ],
)
def test_damage_is_named_with_its_index(root, damage, kind, text):
    damage(root)
    checked, problems = check(root)
    assert problems.counts[kind] == 1, problems.lines
    line = next(line for line in problems.lines if text in line)
    assert str(root) in line and "; " in line and "\n" not in line
    assert len(checked.prints) >= 2, "the others are still checked"


def test_files_that_are_not_what_the_manifest_says(root):
    save("images/1.png", picture(9, 40, 20))(root)
    (root / "images" / "2.png").unlink()
    (root / "images" / "extra.png").write_bytes(b"x")
    _, problems = check(root, signed=False)
    assert problems.counts == {"changed file": 1, "missing file": 1, "unknown file": 1, "missing image": 1}
    assert "images/1.png: its bytes are not those of the manifest" in problems.lines[0]


def test_a_manifest_that_points_outside(root):
    edit(lambda d: d["files"].update({"../secret": "0"}), "manifest.json")(root)
    _, problems = check(root, signed=False)
    assert problems.counts == {"broken manifest": 1} and "'../secret' leads outside" in problems.lines[0]


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda r: (r / "manifest.json").unlink(), "manifest.json: no such file"),
        (lambda r: (r / "annotations.json").write_text("{"), "annotations.json: not valid JSON"),
        (lambda r: (r / "annotations.json").write_text("[]"), "annotations.json: not valid JSON (no object)"),
        (edit(lambda d: d.update(layout=2), "manifest.json"), "not a manifest of layout 1"),
        (edit(lambda d: d.pop("files"), "manifest.json"), "not a manifest of layout 1"),
    ],
)
def test_sets_that_cannot_be_read_at_all(root, damage, text):
    damage(root)
    checked, problems = check(root, signed=False)
    assert checked.prints == () and len(problems.lines) == 1 and text in problems.lines[0]


def test_many_damages_are_all_named(root):
    for name in "012":
        (root / "images" / f"{name}.png").write_text("x")
        (root / "depth" / f"{name}.png").write_text("x")
    _, problems = check(root, signed=False)
    assert problems.counts == {"changed file": 6, "broken image": 3}
