"""YOLO text files: fractions to pixels by hand, names in every usual form, splits, polygons, broken lines."""

import numpy as np
import pytest
from folders import convert, save_picture

from bench.errors import DataError, UsageError
from bench.formats.registry import read_source
from bench.formats.source import Problems


@pytest.fixture
def root(tmp_path):
    for seed, name in enumerate(("train/a", "train/b", "val/c")):
        save_picture(tmp_path / "images" / f"{name}.jpg", seed, 200, 100)
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "labels/train/a.txt").write_text("1 0.5 0.5 0.2 0.4\n\n0 0.1 0.2 0.1 0.2\n")
    (tmp_path / "labels/val/c.txt").write_text("0 0.5 0.5 1 1\n")
    (tmp_path / "data.yaml").write_text("train: ../train\nnames:\n  0: can\n  1: jar\n")
    return tmp_path


def read(root, **options):
    problems = Problems()
    return read_source("yolo", root, options, problems), problems


def test_fractions_become_pixels(root):
    source, problems = read(root, split="train")
    samples, found = convert(source)
    # 0.5 -+ 0.1 of 200 and 0.5 -+ 0.2 of 100.
    assert samples[0].labels.boxes == pytest.approx(np.array([[80, 30, 120, 70], [10, 10, 30, 30]]))
    assert samples[0].labels.classes.tolist() == [1, 0]
    assert [sample.id for sample in samples] == ["a", "b"] and len(samples[1].labels.boxes) == 0
    assert "1 images have no text file" in problems.notes[0] and not found.lines


def test_several_splits_need_a_choice(root):
    with pytest.raises(UsageError, match="has train, val: choose one with --split"):
        read(root)
    assert len(read(root, split="all")[0].items) == 3
    assert [item.name for item in read(root, split="val")[0].items] == ["c.jpg"]
    with pytest.raises(DataError, match="no folder images/tset"):
        read(root, split="tset")


def test_splits_on_the_outside_and_flat_folders(tmp_path):
    save_picture(tmp_path / "valid/images/a.png", 0, 10, 10)
    (tmp_path / "valid/labels").mkdir()
    (tmp_path / "valid/labels/a.txt").write_text("0 .5 .5 1 1")
    assert len(read(tmp_path, split="valid", classes=["can"])[0].items[0].boxes) == 1
    flat = tmp_path / "flat"
    save_picture(flat / "a.png", 0, 10, 10)
    (flat / "a.txt").write_text("0 .5 .5 1 1")
    (flat / "classes.txt").write_text("can\n")
    source, problems = read(flat)
    assert source.class_names == ("can",) and len(source.items[0].boxes) == 1 and not problems.lines


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "names: [can, jar]\n"), ("data.yaml", "names:\n- can\n- jar\n"),
        ("classes.txt", "can\r\njar\r\n"), ("obj.names", "can\njar"),
    ],
)
def test_class_names_in_every_usual_form(root, name, text):
    (root / "data.yaml").unlink()
    (root / name).write_text(text)
    assert read(root, split="train")[0].class_names == ("can", "jar")


@pytest.mark.parametrize("text", ["nc: 2\n", "names: 3\n", "names: {0: a, 2: b}\n", "{", "- a\n"])
def test_yaml_without_usable_names(root, text):
    (root / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=r"data\.yaml: no usable list 'names'") as caught:
        read(root, split="train")
    assert "\n" not in str(caught.value)


def test_no_names_at_all(root):
    (root / "data.yaml").unlink()
    with pytest.raises(DataError, match="no class names"):
        read(root, split="train")
    with pytest.raises(DataError, match=r"other\.txt: no such file"):
        read(root, split="train", names="other.txt")


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("7 .5 .5 .1 .1", "unknown class", "a.txt:1: unknown class 'id 7' (known: can, jar)"),
        ("-1 .5 .5 .1 .1", "unknown class", "unknown class 'id -1'"),
        ("x .5 .5 .1 .1", "broken label", "a.txt:1: 'x .5 .5 .1 .1' is not a row of numbers"),
        ("1.5 .5 .5 .1 .1", "broken label", "no whole number"),
        ("1 nan .5 .1 .1", "broken label", "not finite"),
        ("1 .5 .5 .1", "broken label", "4 numbers are neither"),
        ("1 .5 .5 .1 .1 .9", "broken label", "predictions with a confidence"),
        ("1 .5 .5 0 .1", "broken box", "has no area"),
        ("1 2.5 .5 .1 .1", "box outside the image", "lies outside the 200x100 image a.jpg"),
    ],
)
def test_broken_lines(root, line, kind, text):
    (root / "labels/train/a.txt").write_text(line + "\n")
    source, problems = read(root, split="train")
    samples, problems = convert(source, problems=problems)
    assert problems.counts == {kind: 1} and text in problems.lines[0] and "image left out" in problems.lines[0]
    assert [sample.id for sample in samples] == ["b"]


def test_a_text_file_without_an_image_and_one_that_is_none(root):
    (root / "labels/train/ghost.txt").write_text("0 .5 .5 .1 .1")
    (root / "labels/train/a.txt").write_bytes(b"\xff\xfe\x00")
    _, problems = read(root, split="train")
    assert problems.counts == {"missing image": 1, "broken label": 1}
    assert "ghost.txt" in problems.lines[1] and "not a text file" in problems.lines[0]


def test_polygons_give_boxes_and_masks(root):
    (root / "labels/train/a.txt").write_text("1 .1 .1 .5 .1 .5 .9 .1 .9\n")
    source, _ = read(root, split="train")
    assert source.labels == {"boxes", "instances", "foreground"}
    samples, _ = convert(source)
    assert samples[0].labels.boxes == pytest.approx(np.array([[20, 10, 100, 90]]))
    assert samples[0].labels.foreground.sum() == 80 * 80
    (root / "labels/train/a.txt").write_text("1 .1 .1 .5 .1 .5 .9 .1 .9\n0 .5 .5 .1 .1\n")
    source, problems = read(root, split="train")
    assert source.labels == {"boxes"} and "1 of 2 objects have no polygon" in problems.notes[-1]


def test_no_images(tmp_path):
    (tmp_path / "classes.txt").write_text("can")
    with pytest.raises(DataError, match="no usable image"):
        read(tmp_path)
