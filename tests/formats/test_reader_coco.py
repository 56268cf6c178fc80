"""COCO: category ids with gaps, groups, masks, and each kind of broken entry."""

import json

import numpy as np
import pytest
from folders import convert, write_coco

from bench.errors import DataError
from bench.formats.registry import read_source
from bench.formats.source import Problems


def read(root, **options):
    problems = Problems()
    return read_source("coco", root, options, problems), problems


def test_boxes_classes_and_groups(coco_folder):
    source, problems = read(coco_folder)
    assert not problems.lines and source.labels == {"boxes"}
    assert source.class_names == ("can", "jar"), "in the order of the category ids 3 and 7"
    samples, problems = convert(source)
    assert [sample.group for sample in samples] == ["g0", "g0", "g1"] and not problems.lines
    assert samples[0].labels.boxes.tolist() == [[4, 2, 14, 10], [20, 5, 25, 15]]
    assert samples[0].labels.classes.tolist() == [1, 0]


def test_the_json_itself_and_other_names(coco_folder):
    assert len(read(coco_folder / "annotations.json")[0].items) == 3
    (coco_folder / "annotations.json").rename(coco_folder / "x.json")
    assert len(read(coco_folder)[0].items) == 3, "the only JSON file is it"
    (coco_folder / "y.json").write_text("{}")
    with pytest.raises(DataError, match=r"which of x\.json, y\.json"):
        read(coco_folder)
    assert len(read(coco_folder, annotations="x.json", images="images")[0].items) == 3
    (coco_folder / "x.json").unlink()
    (coco_folder / "y.json").unlink()
    with pytest.raises(DataError, match=r"no annotations\.json"):
        read(coco_folder)


def test_masks_are_taken_when_every_object_has_one(coco_folder):
    def square(data):
        for entry in data["annotations"]:
            x, y, w, h = entry["bbox"]
            entry["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]

    write_coco(coco_folder, square)
    source, _ = read(coco_folder)
    assert source.labels == {"boxes", "instances", "foreground"}
    samples, _ = convert(source, size=20)
    instances = samples[0].labels.instances
    # 40x20 into 20: half size, bars of 5; the box 4,2..14,10 becomes 2,6..7,10.
    assert samples[0].labels.boxes[0].tolist() == [2, 6, 7, 10]
    assert np.argwhere(instances == 1).min(axis=0).tolist() == [6, 2]
    assert np.argwhere(instances == 1).max(axis=0).tolist() == [9, 6]
    assert np.array_equal(samples[0].labels.foreground, instances > 0)

    def one_without(data):
        square(data)
        data["annotations"][2]["segmentation"] = []

    write_coco(coco_folder, one_without)
    source, problems = read(coco_folder)
    assert source.labels == {"boxes"} and "1 of 4 objects have no mask" in problems.notes[0]


def change_image(index, **values):
    return lambda data: data["images"][index].update(values)


def change_annotation(index, **values):
    return lambda data: data["annotations"][index].update(values)


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (change_image(1, file_name="../x.png"), "unsafe file name", "images[1]: file name '../x.png' leads outside"),
        (change_image(1, file_name="a/../../x.png"), "unsafe file name", "images[1]: file name"),
        (change_image(1, file_name="..\\x.png"), "unsafe file name", "images[1]: file name"),
        (change_image(1, file_name="/etc/passwd"), "unsafe file name", "images[1]: file name '/etc/passwd'"),
        (change_image(1, file_name="C:\\x.png"), "unsafe file name", "images[1]: file name"),
        (change_image(1, file_name="nope.png"), "missing image", "images[1]: no file"),
        (change_image(1, file_name=None), "broken label", "images[1]: no id or no file_name"),
        (change_image(1, file_name="0.png"), "duplicate", "images[1] (0.png): same file name as images[0]"),
        (change_image(1, id=10), "duplicate", "images[1] (1.png): same id as images[0]"),
        (change_image(1, width=41), "size differs", "images[1]: the labels are for 41x20 pixels"),
        (change_annotation(2, category_id=99), "unknown class", "annotations[2] (1.png): unknown class 'id 99'"),
        (change_annotation(2, category_id=None), "unknown class", "annotations[2] (1.png): unknown class 'id None'"),
        (change_annotation(2, bbox=[1, 2, 3]), "broken label", "annotations[2] (1.png): bbox [1, 2, 3]"),
        (change_annotation(2, bbox=[1, 2, float("nan"), 3]), "broken label", "annotations[2] (1.png): bbox"),
        (change_annotation(2, bbox=[1, 2, 0, 3]), "broken box", "annotations[2] (1.png): box 1, 2, 1, 5 has no area"),
        (change_annotation(2, bbox=[50, 2, 4, 3]), "box outside the image", "lies outside the 40x20 image 1.png"),
    ],
)
def test_broken_entries_are_named_with_their_index_and_cost_one_image(coco_folder, change, kind, text):
    write_coco(coco_folder, change)
    source, problems = read(coco_folder)
    samples, problems = convert(source, problems=problems)
    assert problems.counts[kind] == 1 and any(text in line for line in problems.lines), problems.lines
    assert [sample.id for sample in samples] == ["0", "2"], "the image is left out whole, the others stay"
    assert all("\n" not in line and "; " in line for line in problems.lines)


def test_boxes_of_an_unknown_image(coco_folder):
    write_coco(coco_folder, change_annotation(2, image_id=77))
    source, problems = read(coco_folder)
    assert "annotations[2]: 1 annotations are of image_id 77" in problems.lines[0] and len(source.items) == 3


def test_a_box_over_the_edge_is_clipped_and_named_beyond_rounding(coco_folder):
    write_coco(coco_folder, change_annotation(2, bbox=[-1, 0, 20, 20.5]))
    samples, problems = convert(read(coco_folder)[0])
    assert samples[1].labels.boxes.tolist() == [[0, 0, 19, 20]] and not problems.lines
    write_coco(coco_folder, change_annotation(2, bbox=[-5, 0, 20, 20]))
    samples, problems = convert(read(coco_folder)[0])
    assert samples[1].labels.boxes.tolist() == [[0, 0, 15, 20]]
    assert problems.counts == {"box outside the image": 1} and "clipped" in problems.lines[0]


def test_crowd_regions_are_no_objects(coco_folder):
    write_coco(coco_folder, change_annotation(0, iscrowd=1))
    source, problems = read(coco_folder)
    assert len(source.items[0].boxes) == 1 and "1 crowd regions left out" in problems.notes[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "no list 'images'"),
        ('{"images": [], "annotations": []}', "no list 'categories'"),
        ('{"images": [1], "annotations": [], "categories": []}', "entries that are no objects"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "categories need"),
        (json.dumps({"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}),
         "share an id or a name"),
        ("[" * 100000, "not valid JSON"),
    ],
)
def test_files_that_are_no_coco(coco_folder, text, complaint):
    (coco_folder / "annotations.json").write_text(text)
    with pytest.raises(DataError, match=complaint) as caught:
        read(coco_folder)
    assert "annotations.json" in str(caught.value)


@pytest.mark.parametrize(
    "segmentation", [{"size": [20, 40], "counts": [1, 2]}, [[1, 2, 3]], {"size": [9, 9], "counts": "x"}]
)
def test_a_broken_mask_costs_one_image(coco_folder, segmentation):
    def change(data):
        for entry in data["annotations"]:
            entry["segmentation"] = {"size": [20, 40], "counts": [100, 200, 500]}
        data["annotations"][2]["segmentation"] = segmentation

    write_coco(coco_folder, change)
    samples, problems = convert(read(coco_folder)[0])
    assert problems.counts == {"broken mask": 1} and "annotations[2] (1.png)" in problems.lines[0]
    assert [sample.id for sample in samples] == ["0", "2"]
