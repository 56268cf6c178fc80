"""What the fuzzer has found, each as the smallest input that showed it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from bench import plugins
from bench.errors import BenchError, DataError
from bench.formats.layout import open_image_set
from bench.formats.masks import decode_segmentation
from bench.formats.registry import read_source
from bench.formats.semantic import read_colours
from bench.refining import load_refiner
from bench.resampling import read_resamples
from bench.store import Store
from tests.hostile import seeds
from tests.hostile.targets import TARGETS, TOY, importing


def test_resamples_that_are_no_archive(tmp_path: Path) -> None:
    for data in (b"PK\x03\x04", b"", b"x" * 100):
        (tmp_path / "resamples.npz").write_bytes(data)
        assert read_resamples(tmp_path) == (0, {})
    with zipfile.ZipFile(tmp_path / "resamples.npz", "w") as archive:
        archive.writestr("number of groups.npy", b"\x93NUMPY")
    assert read_resamples(tmp_path) == (0, {})


@pytest.mark.parametrize(("key", "value"), [
    ("labels", ["boxes", 3]), ("labels", [["boxes"]]), ("labels", ["colour"]), ("domain", float("inf")), ("kind", None),
    ("classes", [1, "can"]), ("classes", 3), ("files", [1]),
])  # fmt: skip
def test_a_manifest_of_other_kinds_of_values(key: str, value: object, tmp_path: Path) -> None:
    seeds.layout(tmp_path)
    data = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(data | {key: value}))
    with pytest.raises(DataError):
        open_image_set(tmp_path)
    TARGETS["command"].run(tmp_path)


@pytest.mark.parametrize(
    "vectors", [{"v": ["\0"]}, {"v": [10**400]}, {"v": 3}, {"v": [float("nan")]}, {"v": [1e300]}, 3]
)
def test_vectors_that_are_no_numbers(vectors: object, tmp_path: Path) -> None:
    seeds.layout(tmp_path)
    data = json.loads((tmp_path / "annotations.json").read_text())
    data["images"][0]["vectors"] = vectors
    (tmp_path / "annotations.json").write_text(json.dumps(data))
    with pytest.raises(DataError):
        open_image_set(tmp_path)


@pytest.mark.parametrize("change", [
    {"spec": 3}, {"spec": {}}, {"spec": {"plugin": []}}, {"files": "x"}, {"files": ["x"]}, {"stage": []},
    {"spec": {"plugin": {"name": {}, "version": 1, "config": {}}}},
    {"spec": {"plugin": {"name": "toy-brighten", "version": 1, "config": ["x"]}}},
    {"spec": {"plugin": {"name": "toy-brighten", "version": 1, "config": {}}, "inputs": "x", "fingerprint": 3}},
    {"spec": {"plugin": {"name": "toy-brighten", "version": 1, "config": {}}, "request": "x"}},
])  # fmt: skip
def test_artifacts_of_other_kinds_of_values(change: dict, tmp_path: Path) -> None:
    plugins.add_file(TOY)
    seeds.fit(tmp_path / "fit")
    path = tmp_path / "fit" / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    try:
        assert load_refiner(tmp_path / "fit", Store(tmp_path / "store")).name == "toy-brighten"
    except BenchError as error:
        assert str(error) and "\n" not in str(error)


def test_a_polygon_of_numbers_that_no_float_holds() -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        decode_segmentation([[10**400, 0, 1, 1, 2, 2]], 16, 12)


def test_a_colour_of_five_thousand_digits(tmp_path: Path) -> None:
    for line in (f"{'9' * 5000} 1 2 x", f"x,1,2,{'9' * 5000}"):
        (tmp_path / "c.txt").write_text(f"# a comment\n{line}\n")
        with pytest.raises(DataError, match=r"c\.txt:2"):
            read_colours(tmp_path / "c.txt")


def test_yaml_nested_in_three_thousand_brackets(tmp_path: Path) -> None:
    seeds.yolo(tmp_path)
    for text in ("names: " + "{" * 3000, "names: " + '[{"a":' * 500, "{" * 9000, "- " * 50_000, "? " * 50_000):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(DataError, match="nested too deeply"):
            read_source("yolo", tmp_path)


def test_hdf5_whose_bytes_lead_nowhere(tmp_path: Path) -> None:
    seeds.nyuv2(tmp_path / "valid")
    data = (tmp_path / "valid" / "nyu_depth_v2_labeled.mat").read_bytes()
    for number, at in enumerate(range(0, min(len(data), 2400), 60)):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "nyu_depth_v2_labeled.mat").write_bytes(data[:at] + b"\xff" * 8 + data[at + 8 :])
        try:
            importing("nyuv2")(root)
        except BenchError as error:
            assert "nyu" in str(error) or "usable" in str(error)


def test_scans_of_numbers_that_are_none(tmp_path: Path) -> None:
    import numpy as np

    seeds.kitti(tmp_path)
    scan = next(tmp_path.rglob("*.bin"))
    points = np.array([[np.nan] * 4, [np.inf, 1, 1, 1], [1e38] * 4, [5, 0, 0, 0.5], [1e-30, 0, 0, 1]], np.float32)
    scan.write_bytes(points.tobytes() + b"\x01\x00\x80\x7f" * 4)
    importing("kitti")(tmp_path)


@pytest.mark.parametrize("scale", [float("inf"), 0, -1, 1e300, 10**400, "x", None])
def test_a_depth_scale_that_is_none(scale: object, tmp_path: Path) -> None:
    seeds.bop(tmp_path / "test")
    path = tmp_path / "test" / "000001" / "scene_camera.json"
    data = json.loads(path.read_text())
    data["1"]["depth_scale"] = scale
    path.write_text(json.dumps(data))
    importing("bop", split="test")(tmp_path)
    assert len(open_image_set(tmp_path / "made")) == 1
