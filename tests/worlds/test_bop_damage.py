"""Broken or incomplete BOP folders: one line that names the file or key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench.contracts import SplitRequest
from bench.errors import BenchError, DataError
from tests.worlds.bop_folder import REAL, SCENE, SIZE, SYNTHETIC, TEST, world, write_data_set, written

GT, CAMERA, INFO = (f"{SCENE}/{name}.json" for name in ("scene_gt", "scene_camera", "scene_gt_info"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("bop") / "lm")


@pytest.fixture
def lm(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "lm"))


def change_rotation(data: dict) -> None:
    data["3"][0]["cam_R_m2c"][0] += 0.1


def mirror(data: dict) -> None:
    data["3"][0]["cam_R_m2c"] = [-x for x in data["3"][0]["cam_R_m2c"]]


def not_a_number(data: dict) -> None:
    data["3"][0]["cam_R_m2c"][4] = float("nan")


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Damage to a JSON file."""

    def damage(path: Path) -> None:
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return damage


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("", shutil.rmtree, r"world\.root: .*lm: no such folder"),
        ("test", shutil.rmtree, r"world\.real: .*test: no such folder; .* train_pbr$"),
        ("train_pbr", shutil.rmtree, r"world\.root: .*lm has neither train_pbr nor train"),
        (GT, Path.unlink, r"000001/scene_gt\.json: no such file; download"),
        (CAMERA, Path.unlink, r"scene_camera\.json: no such file; download"),
        (GT, lambda path: path.write_text("{"), r"scene_gt\.json: broken JSON"),
        (GT, lambda path: path.write_text("[]"), r"scene_gt\.json: not a table of image ids"),
        (GT, lambda path: path.write_text('{"x": []}'), r"image id 'x' is no number"),
        (GT, edited(lambda d: d.update({"3": {}})), "image 3: not a list of annotations"),
        (GT, edited(change_rotation), "image 3, annotation 0: cam_R_m2c is not a rotation"),
        (GT, edited(mirror), "image 3, annotation 0: cam_R_m2c is not a rotation"),
        (GT, edited(not_a_number), "image 3, annotation 0: cam_R_m2c is not a rotation"),
        (GT, edited(lambda d: d["3"][0].pop("cam_t_m2c")), "annotation 0: cam_t_m2c must be 3 numbers"),
        (GT, edited(lambda d: d["3"][0].pop("obj_id")), "annotation 0: obj_id must be a number"),
        (CAMERA, edited(lambda d: d.pop("3")), r"scene_camera\.json: no camera of image 3, which scene_gt"),
        (CAMERA, edited(lambda d: d["3"].pop("depth_scale")), "image 3: depth_scale must be a number"),
        (CAMERA, edited(lambda d: d["3"].update(cam_K=[0] * 9)), "image 3: cam_K has a focal length of 0"),
        (INFO, edited(lambda d: d["3"].clear()), "image 3: 0 entries for the 1 annotations"),
        (f"{SCENE}/rgb/000003.png", Path.unlink, r"rgb/000003\.png: no such file, and no \.jpg"),
        (f"{SCENE}/depth/000003.png", Path.unlink, r"depth/000003\.png: no such file"),
        (f"{SCENE}/mask_visib/000003_000000.png", Path.unlink, r"mask_visib/000003_000000\.png: no such file"),
    ],
)
def test_found_while_planning(lm, file, damage, message):
    damage(lm / file)
    subject = world(lm, objects=[1])
    with pytest.raises(BenchError, match=message) as caught:
        for request in (REAL, TEST, SYNTHETIC):
            subject.available(request)
            subject.fingerprint(request)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("rgb/000003.png", b"no picture", r"rgb/000003\.png: not a readable image"),
        ("depth/000003.png", (80, 60), r"depth/000003\.png: shape \(60, 80\), but 000003\.png is \(120, 160\)"),
        ("mask_visib/000003_000000.png", (160, 120), r"mask_visib/000003_000000\.png: nothing within 20 cm"),
    ],
)
def test_found_while_cutting(lm, tmp_path, file, content, message):
    path = lm / SCENE / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.new("L", content).save(path)
    with pytest.raises(DataError, match=message):
        for split in ("train", "test"):
            written(lm, SplitRequest("real", split, 0, SIZE, 5), tmp_path / split)


def test_an_object_behind_the_camera(lm, tmp_path):
    path = lm / SCENE / "scene_gt.json"
    data = json.loads(path.read_text())
    for entries in data.values():
        entries[0]["cam_t_m2c"][2] = -600
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"annotation 0: -0\.6 m from the camera"):
        written(lm, REAL, tmp_path / "a")
