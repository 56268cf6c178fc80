"""Small valid inputs of every kind that the fuzzer and the attacks start from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.formats.layout import ImageSetWriter
from bench.quality import MEASURES, QualityRow, quality_csv
from bench.results import Row, write_rows
from bench.samples import Labels
from bench.stages import save_state

SUITE = """schema = 1
name = "toy"
title = "A toy"
task = "toy-task"
models = ["toy-level"]
arms = ["synthetic", "refined(toy-same)", "refined(toy-brighten)", "real", "hybrid(toy-brighten)"]
controls = ["toy-same"]
size = 16
replicates = 2
counts = { synthetic_train = 6, real_train = 4, real_test = 4 }
world = { name = "toy-world" }
[hybrid]
real = 2
ratio = 1.5
[arm_models]
"hybrid(toy-brighten)" = ["toy-level"]
[profiles.smoke]
replicates = 1
[profiles.quick]
[variants.other]
replicates = 3
"""
CLAIMS = """paper = "A"
source = "B, 2020"
suite = "toy"
task = "toy-task"
[models]
any = ["*"]
[[claims]]
id = "up"
sentence = "It is better."
metric = "level"
arm = "refined(toy-brighten)"
reference = "synthetic"
direction = "above"
"""


def pixels(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def save(path: Path, array: np.ndarray, format: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, format)


def coco(root: Path, count: int = 3) -> None:
    data: dict = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "jar"}, {"id": 2, "name": "can"}]}
    for k in range(count):
        save(root / f"{k}.png", pixels(k))
        data["images"].append({"id": k, "file_name": f"{k}.png", "width": 16, "height": 12, "group": f"g{k}"})
        data["annotations"].append({
            "id": k, "image_id": k, "category_id": 1 + k % 2, "bbox": [2, 2, 6, 5], "iscrowd": 0,
            "segmentation": [[2, 2, 8, 2, 8, 7]] if k else {"size": [12, 16], "counts": [50, 20, 122]},
        })  # fmt: skip
    (root / "annotations.json").write_text(json.dumps(data))


def yolo(root: Path) -> None:
    for k in range(3):
        save(root / "images" / f"{k}.png", pixels(10 + k))
        (root / "labels").mkdir(exist_ok=True)
        polygon = "1 0.1 0.1 0.5 0.1 0.5 0.6\n" if k == 2 else "0 0.5 0.5 0.4 0.4\n"
        (root / "labels" / f"{k}.txt").write_text(polygon)
    (root / "data.yaml").write_text("path: .\nnames:\n  0: jar\n  1: can\n")


def voc(root: Path) -> None:
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for k in range(3):
        save(root / "JPEGImages" / f"{k}.png", pixels(20 + k))
        (root / "Annotations" / f"{k}.xml").write_text(
            f"<annotation><filename>{k}.png</filename><size><width>16</width><height>12</height></size><object>"
            "<name>jar</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"
            "</annotation>"
        )
    (root / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n2\n")


def csv(root: Path) -> None:
    rows = ["file,class,x0,y0,x1,y1,w,h"]
    for k in range(3):
        save(root / f"{k}.png", pixels(30 + k))
        rows.append(f"{k}.png,jar,2,2,9,8,16,12")
    (root / "boxes.csv").write_text("\n".join(rows) + "\n")
    (root / "files.csv").write_text("file,domain,split\n" + "".join(f"{k}.png,real,train\n" for k in range(3)))


def bop(root: Path) -> None:
    scene = root / "000001"
    truth: dict = {}
    info: dict = {}
    camera: dict = {}
    for k in range(2):
        save(scene / "rgb" / f"{k:06d}.png", pixels(40 + k))
        save(scene / "depth" / f"{k:06d}.png", np.full((12, 16), 700, np.uint16))
        save(scene / "mask_visib" / f"{k:06d}_000000.png", np.full((12, 16), 255, np.uint8))
        truth[str(k)] = [{"cam_R_m2c": [1, 0, 0, 0, 1, 0, 0, 0, 1], "cam_t_m2c": [0, 0, 700], "obj_id": 1}]
        info[str(k)] = [{"bbox_visib": [2, 2, 6, 5], "visib_fract": 0.9}]
        camera[str(k)] = {"cam_K": [20, 0, 8, 0, 20, 6, 0, 0, 1], "depth_scale": 1.0}
    for name, data in (("gt", truth), ("gt_info", info), ("camera", camera)):
        (scene / f"scene_{name}.json").write_text(json.dumps(data))


def masks(root: Path) -> None:
    for k in range(3):
        save(root / "images" / f"{k}.png", pixels(50 + k))
        save(root / "masks" / f"{k}.png", np.full((12, 16), k % 2, np.uint8))
        save(root / "pictures" / f"{k}.png", np.full((12, 16, 3), (64, 128, 64), np.uint8))
    (root / "classes.txt").write_text("jar\ncan\n")
    (root / "colours.txt").write_text("64 128 64 jar\n0 0 192 can\n")


def depth(root: Path) -> None:
    for k in range(2):
        save(root / "images" / f"{k}.png", pixels(60 + k))
        save(root / "depth" / f"{k}.png", np.full((12, 16), 1500, np.uint16))


def nyuv2(root: Path) -> None:
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = np.stack([pixels(k).transpose(2, 1, 0) for k in range(2)])
        file["depths"] = np.full((2, 16, 12), 1.5, np.float32)


def kitti(root: Path) -> None:
    date = root / "2011_09_26"
    drive = date / "2011_09_26_drive_0001_sync"
    save(drive / "image_02" / "data" / "0000000005.png", pixels(70))
    scan = drive / "velodyne_points" / "data" / "0000000005.bin"
    scan.parent.mkdir(parents=True)
    scan.write_bytes(np.array([[5, 0, 0, 0.5], [6, 0.1, 0.1, 0.5]], np.float32).tobytes())
    eye = "1 0 0 0 1 0 0 0 1"
    (date / "calib_cam_to_cam.txt").write_text(f"P_rect_02: 20 0 8 0 0 20 6 0 0 0 1 0\nR_rect_00: {eye}\n")
    (date / "calib_velo_to_cam.txt").write_text("R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n")


def layout(root: Path, count: int = 3, domain: str = "real") -> None:
    root.mkdir(parents=True, exist_ok=True)
    kinds = ["boxes", "instances", "foreground", "depth", "semantic", "vectors"]
    writer = ImageSetWriter(root, domain=domain, kind="photographs", class_names=("jar", "can"), labels=kinds)
    for k in range(count):
        flat = np.zeros((12, 16), np.uint16)
        labels = Labels(
            boxes=np.array([[2, 2, 9, 8]], np.float32), classes=np.array([k % 2]), instances=flat,
            foreground=flat > 0, depth=np.ones((12, 16), np.float32), semantic=flat.astype(np.uint8),
            vectors={"v": np.ones(3, np.float32)},
        )  # fmt: skip
        writer.add(f"im{k}", pixels(80 + k), labels)
    writer.close()


ROW = Row(
    suite="toy", profile="quick", world="toy-world:1", real_kind="stand-in", task="toy-task", model="toy-level",
    arm="refined(toy-same)", refiner="toy-same", replicate=0, metric="level", value=0.5, higher_is_better=True,
    n_train=6, n_test=4, steps=3, seconds=1.5, peak_mib=9.0, status="ok", reason="",
)  # fmt: skip


def tables(root: Path) -> None:
    """What a finished run leaves that is read again."""
    root.mkdir(parents=True, exist_ok=True)
    write_rows(root / "rows.csv", [ROW, ROW.__class__(**{**_fields(ROW), "replicate": 1})])
    (root / "suite.toml").write_text('name = "toy"\nprofile = "quick"\nmetric = "level"\n')
    (root / "environment.json").write_text(json.dumps({"python": "3.11", "devices": ["cpu"], "score_version": 1}))
    (root / "quality.csv").write_text(quality_csv([QUALITY]))


def _fields(row: Row) -> dict:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


QUALITY = QualityRow(**{
    name: {"str": "x", "int": 1, "float": 0.5, "bool": True}[str(field.type)]
    for name, field in QualityRow.__dataclass_fields__.items()
} | {"status": "ok", "real_kind": "stand-in", "measure": next(iter(MEASURES))})  # fmt: skip


def fit(root: Path, refiner: str = "toy-brighten") -> None:
    """The folder of a fit, as the store holds it."""
    root.mkdir(parents=True, exist_ok=True)
    save_state(root / "weights.safetensors", {"shift": torch.ones(1), "more": torch.zeros(2, 3)})
    spec = {"plugin": {"name": refiner, "version": 1, "config": {}}, "seed": 3, "inputs": {}}
    meta = {"stage": "fit", "label": f"fit {refiner} #0", "spec": spec, "files": {}, "key": "ab" * 32}
    (root / "artifact.json").write_text(json.dumps(meta))


def run_of_store(root: Path) -> None:
    """A run's folder and its store with one artifact."""
    key = "ab" * 32
    fit(root / "store" / "objects" / key[:2] / key)
    (root / "keys.json").write_text(json.dumps([key]))


def pictures(root: Path) -> None:
    for suffix in ("png", "jpg", "bmp", "webp", "tif", "ppm", "gif"):
        save(root / f"a.{suffix}", pixels(90))
    save(root / "depth.png", np.full((12, 16), 1500, np.uint16))


def arrays(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 255, (6, 8, 8), np.uint8)
    np.savez_compressed(root / "digits.npz", x=images, y=np.arange(6))
    np.savez(root / "resamples.npz", **{"number of groups": np.array(3), "level": np.ones(5)})
    torch.save({"step": 3, "parts": {"layer": torch.nn.Linear(2, 1).state_dict()}}, root / "checkpoint.pt")
    save_state(root / "weights.safetensors", {"level": torch.ones(1)})
