"""The reader of the BOP layout: whole images with boxes of what is visible, and depth in metres."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from folders import convert, save_picture
from PIL import Image

from bench.errors import DataError, UsageError
from bench.formats.registry import read_source
from bench.formats.source import Problems


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images of one scene; object 5 is hidden in the second, and depth steps are 0.1 mm."""
    scene = tmp_path / "test" / "000002"
    gt, info, camera = {}, {}, {}
    for k in range(2):
        save_picture(scene / "rgb" / f"{k:06d}.png", k)
        (scene / "depth").mkdir(exist_ok=True)
        Image.fromarray(np.full((20, 40), 15000 + k, np.uint16)).save(scene / "depth" / f"{k:06d}.png")
        gt[str(k)] = [{"obj_id": 9}, {"obj_id": 5}]
        info[str(k)] = [{"bbox_visib": [2, 3, 10, 8], "visib_fract": 0.9},
                        {"bbox_visib": [20, 1, 6, 6] if k == 0 else [-1, -1, -1, -1], "visib_fract": 0.5 * (1 - k)}]
        camera[str(k)] = {"cam_K": [1] * 9, "depth_scale": 0.1}
    for name, data in (("gt", gt), ("gt_info", info), ("camera", camera)):
        (scene / f"scene_{name}.json").write_text(json.dumps(data))
    return tmp_path


def test_boxes_classes_groups_and_metres(root: Path) -> None:
    source = read_source("bop", root, {"split": "test"})
    assert source.class_names == ("object-5", "object-9") and source.labels == {"boxes", "depth"}
    samples, problems = convert(source)
    assert not problems.lines
    assert [sample.group for sample in samples] == ["test-000002"] * 2
    assert samples[0].labels.boxes.tolist() == [[2, 3, 12, 11], [20, 1, 26, 7]]
    assert samples[0].labels.classes.tolist() == [1, 0] and len(samples[1].labels.boxes) == 1
    np.testing.assert_allclose(samples[0].labels.depth, 1.5)


def test_names_and_least_visible(root: Path) -> None:
    (root / "names.txt").write_text("\n".join("abcdefgh"))
    problems = Problems()
    source = read_source("bop", root / "test", {"min_visible": "0.6"}, problems)
    assert [len(item.boxes) for item in source.items] == [1, 1]
    assert problems.notes == [f"{root / 'test'}: 1 objects of which less than 0.6 is visible have no box"]
    assert read_source("bop", root, {"split": "test", "names": "names.txt"}).class_names == ("e", "object-9")


def test_without_depth_boxes_remain(root: Path) -> None:
    (root / "test/000002/depth/000001.png").unlink()
    assert read_source("bop", root, {"split": "test"}).labels == {"boxes"}


def edit(path: Path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("gt_info", lambda d: d["1"].pop()), ("gt_info", lambda d: d.pop("1")), ("camera", lambda d: d.pop("1")),
        ("camera", lambda d: d["1"].update(depth_scale=0)), ("gt_info", lambda d: d["1"][0].update(bbox_visib=[1, 2])),
        ("gt", lambda d: d["1"][0].update(obj_id="x")), ("gt", lambda d: d.update({"1": 3})),
    ],
)
def test_a_broken_image_is_named_and_left_out(root: Path, file: str, change) -> None:
    edit(root / "test/000002" / f"scene_{file}.json", change)
    problems = Problems()
    source = read_source("bop", root, {"split": "test"}, problems)
    assert len(source.items) == 1
    assert len(problems.lines) == 1 and "scene_gt.json: image 1: its entries" in problems.lines[0]


@pytest.mark.parametrize(
    ("options", "damage", "text", "kind"),
    [
        ({}, None, "no scene folders such as 000001 (it has: test)", DataError),
        ({"split": "tset"}, None, "no such folder; --split", UsageError),
        ({"split": "test", "min_visible": "2"}, None, "--min-visible 2: a fraction from 0 to 1", UsageError),
        ({"split": "test"}, lambda s: (s / "scene_gt.json").write_text("{"), "scene_gt.json: broken JSON", DataError),
        ({"split": "test"}, lambda s: (s / "scene_gt.json").write_text("[]"), "not a table of image ids", DataError),
        ({"split": "test"}, lambda s: (s / "scene_gt_info.json").unlink(), "scene_gt_info.json: no such", DataError),
        ({"split": "test"}, lambda s: (s / "scene_gt.json").write_text("{}"), "no annotated images", DataError),
    ],
)
def test_what_cannot_be_read_at_all(root: Path, options, damage, text: str, kind) -> None:
    if damage:
        damage(root / "test" / "000002")
    with pytest.raises(kind) as caught:
        read_source("bop", root, options)
    assert text in str(caught.value)
