"""Pascal VOC: corners from 1 become corners from 0, lists, and broken files."""

import pytest
from folders import convert, save_picture

from bench.errors import DataError, UsageError
from bench.formats.registry import read_source
from bench.formats.source import Problems

OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def xml(name, *objects, size="<size><width>40</width><height>20</height><depth>3</depth></size>"):
    return f"<annotation><filename>{name}</filename>{size}{''.join(OBJECT.format(*o) for o in objects)}</annotation>"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "Annotations").mkdir()
    for seed, name in enumerate("abc"):
        save_picture(tmp_path / "JPEGImages" / f"{name}.jpg", seed)
    (tmp_path / "Annotations/a.xml").write_text(xml("a.jpg", ("jar", 1, 1, 40, 20), ("can", 11, 6, 20, 10)))
    (tmp_path / "Annotations/b.xml").write_text(xml("b.jpg"))
    (tmp_path / "Annotations/c.xml").write_text(xml("c.jpg", ("can", 2, 2, 3, 3)))
    return tmp_path


def read(root, **options):
    problems = Problems()
    return read_source("voc", root, options, problems), problems


def test_corners_count_from_one_and_include_the_last_pixel(root):
    source, problems = read(root)
    assert source.class_names == ("can", "jar") and not problems.lines
    samples, _ = convert(source)
    assert samples[0].labels.boxes.tolist() == [[0, 0, 40, 20], [10, 5, 20, 10]]
    assert samples[0].labels.classes.tolist() == [1, 0] and len(samples[1].labels.boxes) == 0
    plain, _ = read(root, zero_based=True)
    assert plain.items[0].boxes[1].corners == (11, 6, 20, 10)


def test_lists(root):
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nc 1\nghost\n\n")
    (lists / "test.txt").write_text("b\n../up\n")
    with pytest.raises(UsageError, match="has test, train: choose one"):
        read(root)
    source, problems = read(root, split="train")
    assert [item.name for item in source.items] == ["a.jpg", "c.jpg"]
    assert "train.txt:3: no" in problems.lines[0]
    assert len(read(root, split="all")[0].items) == 3
    with pytest.raises(DataError, match=r"test\.txt:2: file name '\.\./up\.xml' leads outside"):
        read(root, split="test")
    with pytest.raises(DataError, match="--split is one of test, train"):
        read(root, split="tarin")


def test_side_by_side_and_a_file_name_without_suffix(tmp_path):
    save_picture(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(xml("a", ("can", 1, 1, 5, 5)))
    samples, _ = convert(read(tmp_path)[0])
    assert samples[0].labels.boxes.tolist() == [[0, 0, 5, 5]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<annotation>", "a.xml: not valid XML"),
        (xml("../../up.jpg"), "file name '../../up.jpg' leads outside"),
        (xml("a.jpg", ("", 1, 1, 5, 5)), "a.xml: object 1: no <name>"),
        (xml("a.jpg", ("can", 1, 1, "x", 5)), "a.xml: object 1: <bndbox> '1,1,x,5' is not four numbers"),
        (xml("a.jpg", ("can", 1, 1, "inf", 5)), "<bndbox> is not finite"),
    ],
)
def test_broken_files(root, text, complaint):
    (root / "Annotations/a.xml").write_text(text)
    source, problems = read(root)
    assert problems.counts == {"broken label": 1} and complaint in problems.lines[0]
    assert [item.name for item in source.items] == ["b.jpg", "c.jpg"]


def test_missing_image_and_wrong_size(root):
    (root / "JPEGImages/a.jpg").unlink()
    (root / "Annotations/c.xml").write_text(xml("c.jpg", size="<size><width>9</width><height>9</height></size>"))
    samples, problems = convert(read(root)[0])
    assert problems.counts == {"missing image": 1, "size differs": 1} and [sample.id for sample in samples] == ["b"]


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="no usable XML file"):
        read(tmp_path)
    with pytest.raises(DataError, match="no folder labels with the XML files"):
        read(tmp_path, annotations="labels")
