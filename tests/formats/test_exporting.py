"""What is exported is what the importers read back, in every format; and what a format cannot hold is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folders import picture

from bench.cli.main import main
from bench.formats.exporting import exporter_names
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.formats.registry import format_names
from bench.samples import ImageSet, Labels

EVERY = ("boxes", "instances", "foreground", "depth", "semantic", "vectors")
CLASSES = ["jar", "yes: no", "can"]


@pytest.fixture
def original(tmp_path: Path) -> ImageSet:
    """Three 40x20 images with every kind of label; one object of one class each, and none has the second class."""
    writer = ImageSetWriter(
        tmp_path / "set", domain="refined", kind="rendered", class_names=CLASSES, labels=EVERY,
        provenance={"refiner": {"name": "r", "version": 1}},
    )
    for k in range(3):
        instances = np.zeros((20, 40), np.uint16)
        instances[3:12, 5 + k : 17] = 1
        writer.add(
            f"im{k}", picture(k, 40, 20), group=f"g{k // 2}",
            labels=Labels(
                boxes=np.array([[5 + k, 3, 17, 12]], np.float32), classes=np.array([(0, 2, 0)[k]]),
                instances=instances, foreground=instances > 0,
                depth=np.linspace(0.5, 3, 800, dtype=np.float32).reshape(20, 40),
                semantic=np.where(instances > 0, 2, 255).astype(np.uint8),
                vectors={"pose": np.array([1, 0], np.float32)},
            ),
        )
    writer.close()
    return open_image_set(tmp_path / "set")


def through(tmp_path: Path, format: str, *options: str) -> ImageSet:
    """Export the set and import it again."""
    out, back = tmp_path / "out", tmp_path / "back"
    assert main(["data", "export", "--format", format, str(tmp_path / "set"), str(out)]) == 0
    assert main(["data", "import", "--format", format, str(out), str(back), "--domain", "synthetic", *options]) == 0
    return open_image_set(back)


OPTIONS = {"masks": ["--names", "classes.txt"], "depth": ["--depth-scale", "1000"]}
HELD = {
    "coco": ("boxes", "instances", "foreground"), "yolo": ("boxes",), "masks": ("semantic",), "depth": ("depth",),
}


@pytest.mark.parametrize("format", sorted(HELD))
def test_round_trip(original: ImageSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    back = through(tmp_path, format, *OPTIONS.get(format, []))
    assert "no problems" in capsys.readouterr().out
    assert back.has == set(HELD[format]) and back.ids == original.ids
    if format != "depth":
        assert back.class_names == original.class_names
    for k in range(3):
        np.testing.assert_array_equal(back.image(k), original.image(k))
        old, new = original.labels(k), back.labels(k)
        for kind in HELD[format]:
            atol = 1e-5 if kind == "boxes" else 1e-3 if kind == "depth" else 0
            np.testing.assert_allclose(getattr(new, kind), getattr(old, kind), atol=atol)
        if "boxes" in HELD[format]:
            np.testing.assert_array_equal(new.classes, old.classes)
    if format == "coco":
        assert back.groups == original.groups


def test_round_trip_of_image_folders_keeps_the_class(original: ImageSet, tmp_path: Path) -> None:
    back = through(tmp_path, "imagefolder", "--classes", ",".join(CLASSES))
    assert back.class_names == original.class_names
    assert {r.id: r.classes for r in back.records} == {r.id: r.classes for r in original.records}
    assert back.records[0].boxes == ((0, 0, 40, 20),), "the object fills the image: nothing tells where it is"


def test_every_export_has_a_reader_and_a_card(original: ImageSet, tmp_path: Path, capsys) -> None:
    assert set(exporter_names()) <= set(format_names())
    assert set(exporter_names()) == {*HELD, "imagefolder"}
    through(tmp_path, "yolo")
    assert "not in this format: depth, foreground, instances, semantic, vectors" in capsys.readouterr().out
    card = (tmp_path / "out" / "data-card.md").read_text()
    reason = "Not measured: this set was exported by itself"
    for part in ("3 refined images", '"name": "r"', "Not in this format: depth", reason, "rights"):
        assert part in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--format", "cocoo", "set", "x"], "unknown format 'cocoo' (did you mean 'coco'?)"),
        (["--format", "coco", "sett", "x"], "sett: no such folder"),
        (["--format", "coco", "empty", "x"], "no such file; is empty an image set?"),
        (["--format", "coco", "set", "set"], "set: exists already"),
        (["--format", "imagefolder", "two", "x"], "shows can, jar, but an image folder has one class an image"),
        (["--format", "depth", "two", "x"], "format 'depth' is for depth, which the set has not (it has: boxes)"),
        (["--format", "coco", "gone", "x"], "0.png: no such file; `bench data verify`"),
        (["--format", "coco", "run", "x", "--store", "nowhere"], "nowhere: holds nothing of the run"),
    ],
)
def test_impossible_exports_get_one_line_and_leave_nothing(
    original: ImageSet, tmp_path: Path, monkeypatch, capsys, arguments: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "keys.json").write_text('["0"]')
    for name in ("two", "gone"):
        writer = ImageSetWriter(
            tmp_path / name, domain="real", kind="photographs", class_names=["jar", "can"], labels=["boxes"]
        )
        boxes = np.array([[0, 0, 5, 5], [5, 5, 9, 9]], np.float32)
        writer.add("0", picture(0, 40, 20), Labels(boxes=boxes, classes=np.array([0, 1])))
        writer.close()
    (tmp_path / "gone" / "images" / "0.png").unlink()
    assert main(["data", "export", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".*"))


def test_image_folders_without_a_class(tmp_path: Path, capsys) -> None:
    from folders import save_picture

    save_picture(tmp_path / "f" / "can" / "a.png", 1)
    save_picture(tmp_path / "f" / "loose.png", 2)
    (tmp_path / "f" / "jar").mkdir()
    source, target = str(tmp_path / "f"), str(tmp_path / "s")
    assert main(["data", "import", "--format", "imagefolder", source, target, "--domain", "real"]) == 0
    captured = capsys.readouterr()
    assert "loose.png: lies in no folder of a class" in captured.err and "nothing is of class 'jar'" in captured.err
    assert open_image_set(tmp_path / "s").class_names == ("can", "jar")
