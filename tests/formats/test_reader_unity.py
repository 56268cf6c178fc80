"""Unity's captures and UnityGroceries-Real, and each kind of broken entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from folders import convert, save_picture

from bench.errors import DataError, UsageError
from bench.formats.registry import read_source
from bench.formats.source import Problems, Source

SPEC = [{"label_id": 7, "label_name": "jar"}, {"label_id": 3, "label_name": "can"}]
BOX = {"label_id": 7, "x": 4, "y": 2, "width": 10, "height": 8}


def read(root: Path, **options: object) -> tuple[Source, Problems]:
    problems = Problems()
    return read_source("unity", root, options, problems), problems


def write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    definitions = {"annotation_definitions": [{"spec": []}, {"spec": SPEC}]}
    write(tmp_path / "Dataset1" / "annotation_definitions.json", definitions)
    for number in range(2):
        save_picture(tmp_path / "RGB1" / f"rgb_{number}.png", number)
        picture = {"filename": f"RGB1/rgb_{number}.png", "annotations": [{"values": [BOX]}]}
        write(tmp_path / "Dataset1" / f"captures_00{number}.json", {"captures": [picture]})
    return tmp_path


@pytest.fixture
def groceries(tmp_path: Path) -> Path:
    root = tmp_path / "v3"
    write(root / "annotation_definitions.json", {"annotation_definitions": [{"spec": SPEC}]})
    entries = []
    for number in range(3):
        save_picture(root / "images" / f"IMG_{number}.png", number)
        entries.append({"file_name": f"IMG_{number}.png", "annotations": [{"label_id": 3, "bbox": [4, 2, 10, 8]}]})
    write(root / "annotations.json", entries)
    (root / "groceries_real_test.txt").write_text("2 0\n")
    return root


def test_captures(captures: Path) -> None:
    source, problems = read(captures)
    assert (source.domain, source.kind, source.class_names) == ("synthetic", "rendered", ("can", "jar"))
    samples, problems = convert(source, problems=problems)
    assert [sample.id for sample in samples] == ["rgb_0", "rgb_1"] and not problems.lines
    assert samples[0].labels.boxes.tolist() == [[4, 2, 14, 10]] and samples[0].labels.classes.tolist() == [1]
    with pytest.raises(UsageError, match="--split train: captures have no splits"):
        read(captures, split="train")


def test_groceries(groceries: Path) -> None:
    source, problems = read(groceries, split="test")
    assert (source.domain, source.kind, source.class_names) == ("real", "photographs", ("can", "jar"))
    samples, problems = convert(source, problems=problems)
    assert [sample.id for sample in samples] == ["IMG_2", "IMG_0"] and not problems.lines
    assert samples[0].labels.boxes.tolist() == [[4, 2, 14, 10]]
    assert len(read(groceries)[0].items) == 3
    with pytest.raises(UsageError, match=r"--split train: no .*groceries_real_train\.txt \(there are test\)"):
        read(groceries, split="train")
    (groceries / "groceries_real_test.txt").write_text("0 3")
    with pytest.raises(DataError, match=r"'3' is no index of annotations\.json, which has 0 to 2"):
        read(groceries, split="test")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"file_name": None}, "[0]: no file name; image left out; add it"),
        ({"file_name": "../x.png"}, "leads outside"),
        ({"annotations": [{"label_id": 3, "bbox": [1, 2, 3]}]}, "box [1, 2, 3] is not four numbers"),
        ({"annotations": [{"label_id": 3, "bbox": [1, 2, 3, float("nan")]}]}, "is not four numbers"),
        ({"annotations": [{"label_id": 3}]}, "box None is not four numbers"),
    ],
)
def test_broken_entries_are_named(groceries: Path, change: dict[str, object], line: str) -> None:
    write(groceries / "annotations.json", [{"file_name": "x.png", "annotations": []} | change])
    source, problems = read(groceries)
    assert source.items == () and len(problems.lines) == 1 and line in problems.lines[0]


def test_an_unknown_label_leaves_the_image_out(groceries: Path) -> None:
    entry = {"file_name": "IMG_0.png", "annotations": [{"label_id": 5, "bbox": [4, 2, 10, 8]}]}
    write(groceries / "annotations.json", [entry])
    samples, problems = convert(read(groceries)[0])
    assert not samples and "id 5" in problems.lines[0]


def test_folders_that_are_something_else(groceries: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no captures_000\.json below it, and no annotations\.json in it"):
        read(tmp_path)
    nameless = {"annotation_definitions": [{"spec": [{"label_id": 1}]}]}
    for name, data, line in (
        ("annotations.json", {"images": []}, "it is no list of objects"),
        ("annotation_definitions.json", nameless, "no definition in it"),
        ("annotation_definitions.json", [], "cannot be read as JSON with annotation_definitions"),
    ):
        write(groceries / name, data)
        with pytest.raises(DataError) as caught:
            read(groceries)
        assert line in str(caught.value) and "\n" not in str(caught.value)
    (groceries / "annotation_definitions.json").unlink()
    with pytest.raises(DataError, match=r"annotation_definitions\.json: cannot be read"):
        read(groceries)
