"""The CSV form: filters, classes of the whole table, groups, and each kind of broken row."""

import pytest
from folders import convert, save_picture

from bench.errors import DataError, UsageError
from bench.formats.registry import read_source
from bench.formats.source import Problems

BOXES = """file,class,x0,y0,x1,y1
sim/a.png,can,1,2,11,12
sim/a.png,jar,20.5,3,30,13
sim/b.png,cup,0,0,40,20
real/c.png,can,5,5,9,9
"""
FILES = """file,domain,split,scene,w,h
sim/a.png,sim,train,one,40,20
sim/b.png,sim,test,two,40,20
real/c.png,real,train,one,40,20
real/empty.png,real,train,two,40,20
"""


@pytest.fixture
def root(tmp_path):
    for seed, name in enumerate(("sim/a", "sim/b", "real/c", "real/empty")):
        save_picture(tmp_path / f"{name}.png", seed)
    (tmp_path / "boxes.csv").write_text(BOXES)
    (tmp_path / "files.csv").write_text(FILES)
    return tmp_path


def read(root, **options):
    problems = Problems()
    return read_source("csv", root, options, problems), problems


def test_filters_choose_images_and_classes_stay_those_of_the_whole_table(root):
    source, problems = read(root, filter=["domain=sim", "split=train"])
    assert [item.name for item in source.items] == ["sim/a.png"] and not problems.lines and not problems.notes
    assert source.class_names == ("can", "cup", "jar")
    samples, _ = convert(source)
    assert samples[0].id == "a" and samples[0].labels.boxes.tolist() == [[1, 2, 11, 12], [20.5, 3, 30, 13]]
    assert samples[0].labels.classes.tolist() == [0, 2]


def test_images_without_boxes_are_kept_and_one_column_may_take_two_values(root):
    source, _ = read(root, filter=["domain=real"], group_column="scene")
    assert [(item.name, len(item.boxes), item.group) for item in source.items] == [
        ("real/c.png", 1, "one"), ("real/empty.png", 0, "two"),
    ]
    both, problems = read(root, filter=["domain=real", "domain=sim"])
    assert len(both.items) == 4
    assert any("split test, train go into one set" in note for note in problems.notes)


def test_a_filter_takes_any_text_for_a_star_and_a_literal_star_first(root):
    source, _ = read(root, filter=["file=sim/*"])
    assert [item.name for item in source.items] == ["sim/a.png", "sim/b.png"]
    source, _ = read(root, filter=["domain!=sim"])
    assert [item.name for item in source.items] == ["real/c.png", "real/empty.png"]
    source, _ = read(root, filter=["file!=sim/a*", "file=sim/*"])
    assert [item.name for item in source.items] == ["sim/b.png"], "in whichever order they are given"
    with pytest.raises(UsageError, match=r"--filter file=rel/\*: no row has it"):
        read(root, filter=["file=rel/*"])


def test_crops_without_boxes_and_groups_by_a_part_of_a_column(tmp_path):
    for seed, name in enumerate(("a", "b", "c")):
        save_picture(tmp_path / f"{name}.png", seed)
    rows = ("file,label,source", "a.png,red,drive1-07", "b.png,green,drive1-08", "c.png,red,drive2-01")
    (tmp_path / "crops.csv").write_text("\n".join(rows))
    options = {"boxes": "crops.csv", "class_column": "label", "box_columns": "none", "group_column": "source"}
    source, problems = read(tmp_path, **options, group_part="^drive[0-9]")
    samples, _ = convert(source)
    assert [sample.group for sample in samples] == ["drive1", "drive1", "drive2"] and not problems.lines
    assert source.class_names == ("green", "red")
    assert [sample.labels.classes.tolist() for sample in samples] == [[1], [0], [1]]
    assert all(sample.labels.boxes.tolist() == [[0, 0, 40, 20]] for sample in samples), "the object fills its image"
    bracketed, _ = read(tmp_path, **options, group_part="drive([0-9])")
    assert [item.group for item in bracketed.items] == ["1", "1", "2"]
    for part, column, message in (
        ("[", "source", "not a regular"), ("x", "source", "finds nothing in drive1-07"), ("x", None, "of which column"),
    ):
        with pytest.raises(UsageError, match=message):
            read(tmp_path, **options | {"group_column": column}, group_part=part)


def test_without_a_table_of_files(root):
    (root / "files.csv").unlink()
    source, problems = read(root, filter=["class=can"])
    assert [item.name for item in source.items] == ["sim/a.png", "real/c.png"], "images with such a box, boxes whole"
    assert len(source.items[0].boxes) == 2 and not problems.lines


def test_other_column_names_and_byte_order_mark(tmp_path):
    save_picture(tmp_path / "x.png")
    (tmp_path / "t.csv").write_text("image,label,l,t,r,b\nx.png,can,1,2,3,4\n", encoding="utf-8-sig")
    source, _ = read(tmp_path, boxes="t.csv", file_column="image", class_column="label", box_columns="l,t,r,b")
    assert source.items[0].boxes[0].corners == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("row", "kind", "text"),
    [
        ("sim/a.png,can,1,2,x,12", "broken label", "boxes.csv:6: the box '1,2,x,12' is not four numbers"),
        ("sim/a.png,,1,2,3,12", "broken label", "boxes.csv:6: no class"),
        ("sim/a.png,can,1,2", "broken label", "boxes.csv:6: the box '1,2,,' is not four numbers"),
        ("../up.png,can,1,2,3,4", "broken label", "boxes.csv:6: file name '../up.png' leads outside"),
        ("/etc/up.png,can,1,2,3,4", "broken label", "boxes.csv:6: file name '/etc/up.png' leads outside"),
        ("other.png,can,1,2,3,4", "not listed", "boxes.csv:6: other.png is not in files.csv"),
    ],
)
def test_broken_rows_are_named_with_their_line_and_the_rest_goes_on(root, row, kind, text):
    (root / "boxes.csv").write_text(BOXES + row + "\n")
    source, problems = read(root)
    assert problems.counts[kind] == 1
    assert any(text in line for line in problems.lines), problems.lines
    assert "sim/b.png" in [item.name for item in source.items]


def test_an_image_listed_twice(root):
    (root / "files.csv").write_text(FILES + "./sim/b.png,sim,test,two,40,20\n")
    source, problems = read(root)
    assert problems.counts == {"duplicate": 1} and "files.csv:6: sim/b.png is listed again" in problems.lines[0]
    assert len(source.items) == 4


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"filter": ["domian=sim"]}, UsageError, "no column 'domian' (did you mean 'domain'?)"),
        ({"filter": ["domain=sin"]}, UsageError, "no row has it (did you mean 'sim'?)"),
        ({"filter": ["domain"]}, UsageError, "write COLUMN=VALUE"),
        ({"filter": ["domain=real", "split=test"]}, DataError, "no image is left"),
        ({"class_column": "klass"}, DataError, "no column 'klass' (did you mean 'class'?)"),
        ({"box_columns": "x0,y0"}, UsageError, "four names"),
        ({"boxes": "nope.csv"}, DataError, "nope.csv: no such file"),
        ({"group_column": "scenery"}, UsageError, "--group-column scenery: no such column"),
        ({"split": "train"}, UsageError, "--split: format 'csv' has no such option"),
    ],
)
def test_impossible_requests(root, options, error, text):
    with pytest.raises(error) as caught:
        read(root, **options)
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_a_binary_table(root):
    (root / "boxes.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a CSV table"):
        read(root)
