"""NYUv2, KITTI raw, Virtual KITTI and folders of depth PNGs in their official layouts, written small here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from folders import convert, picture, save_picture
from PIL import Image

from bench.errors import DataError, UsageError
from bench.formats.registry import read_source
from bench.formats.source import Problems, Source

needs_h5py = pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="package h5py is not installed")


def read(name: str, root: Path, **options: object) -> tuple[Source, Problems]:
    problems = Problems()
    return read_source(name, root, options, problems), problems


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two 8x4 images with depth in millimetres: 1 m and 2 m, one pixel unknown, one of 65.4 m."""
    for k in range(2):
        save_picture(tmp_path / "images" / "a" / f"{k}.jpg", k, 8, 4)
        depth = np.full((4, 8), 1000 * (k + 1), np.uint16)
        depth[0, 0], depth[3, 7] = 0, 65400
        save(tmp_path / "depth" / "a" / f"{k}.png", depth)
    return tmp_path


def test_depth_folders_with_a_scale(folders: Path) -> None:
    source, problems = read("depth", folders, depth_scale="1000")
    assert source.labels == {"depth"}
    samples, problems = convert(source, problems=problems)
    assert not problems.lines
    for k, sample in enumerate(samples):
        depth = sample.labels.depth
        assert depth.shape == (4, 8)
        assert depth[1:3].tolist() == [[k + 1.0] * 8] * 2
        assert depth[0, 0] == 0
        assert depth[3, 7] == 0  # farther than the layout holds: unknown, not 65 m
    source, problems = read("depth", folders, depth_scale="500")
    samples, _ = convert(source, problems=problems, size=4)
    assert samples[0].labels.depth.tolist() == [[0] * 4, [2.0] * 4, [2.0] * 3 + [0], [0] * 4]  # bars: unknown


def test_depth_is_resized_by_nearest_neighbour(tmp_path: Path) -> None:
    save_picture(tmp_path / "images" / "x.png", 0, 8, 8)
    steps = np.where(np.arange(8)[None, :] < 4, 1000, 9000).astype(np.uint16).repeat(8, 0)
    save(tmp_path / "depth" / "x.png", steps)
    source, _ = read("depth", tmp_path, depth_scale="1000")
    samples, _ = convert(source, size=3)
    assert set(samples[0].labels.depth.ravel().tolist()) == {1.0, 9.0}


@pytest.mark.parametrize("scale", ["100000", "1"])
def test_a_wrong_scale_is_refused(folders: Path, scale: str) -> None:
    source, _ = read("depth", folders, depth_scale=scale)
    complaint = r"0\.png: median depth .* m, expected 0\.05 to 200; state another --depth-scale"
    with pytest.raises(DataError, match=complaint):
        convert(source)


@pytest.mark.parametrize("scale", ["0", "-3", "many", "nan", "inf"])
def test_a_scale_that_is_none_is_refused(folders: Path, scale: str) -> None:
    with pytest.raises(UsageError, match="--depth-scale"):
        read("depth", folders, depth_scale=scale)


def test_what_is_missing_or_misshapen_is_named(folders: Path) -> None:
    with pytest.raises(UsageError, match="state --depth-scale"):
        read("depth", folders)
    with pytest.raises(DataError, match="no folder elsewhere"):
        read("depth", folders, depth_scale="1", depths="elsewhere")
    (folders / "depth" / "a" / "0.png").unlink()
    save(folders / "depth" / "a" / "1.png", np.full((4, 7), 1000, np.uint16))
    save(folders / "depth" / "a" / "9.png", np.full((4, 7), 1000, np.uint16))
    source, problems = read("depth", folders, depth_scale="1000")
    samples, problems = convert(source, problems=problems)
    assert not samples
    assert "9.png: no image of that name" in problems.lines[0]
    assert "0.png" in problems.lines[1] and "no file" in problems.lines[1]
    assert "shape (4, 7), the image is 8x4" in problems.lines[2]
    save(folders / "depth" / "a" / "1.png", picture(1, 8, 4))
    samples, problems = convert(source)
    assert "3 channels, expected one depth a pixel" in problems.lines[-1]


def test_virtual_kitti_1(tmp_path: Path) -> None:
    for seed, at in enumerate(("0001/clone/00000", "0001/fog/00000", "0002/clone/00003")):
        save_picture(tmp_path / "vkitti_1.3.1_rgb" / f"{at}.png", seed, 6, 4)
        depth = np.full((4, 6), 1234, np.uint16)
        depth[0] = 65535
        save(tmp_path / "vkitti_1.3.1_depthgt" / f"{at}.png", depth)
    source, problems = read("vkitti", tmp_path)
    assert (source.domain, source.kind) == ("synthetic", "rendered")
    assert [item.group for item in source.items] == ["0001", "0001", "0002"]
    samples, problems = convert(source, problems=problems)
    assert not problems.lines
    assert len({sample.id for sample in samples}) == 3
    assert (samples[0].labels.depth[0] == 0).all()  # the sky
    assert samples[0].labels.depth[1:].ravel().tolist() == pytest.approx([12.34] * 18)
    assert len(read("vkitti", tmp_path, variation=["fog"], world=["0001"])[0].items) == 1
    with pytest.raises(UsageError, match="--world 0009: not there; there are 0001, 0002"):
        read("vkitti", tmp_path, world=["0009"])


def test_virtual_kitti_2(tmp_path: Path) -> None:
    for camera in (0, 1):
        frames = tmp_path / "Scene01" / "clone" / "frames"
        save_picture(frames / "rgb" / f"Camera_{camera}" / "rgb_00002.jpg", camera, 6, 4)
        depth = np.full((4, 6), 500 + camera, np.uint16)
        save(frames / "depth" / f"Camera_{camera}" / "depth_00002.png", depth)
    for camera in (0, 1):
        samples, problems = convert(read("vkitti", tmp_path, camera=str(camera))[0])
        assert not problems.lines
        assert samples[0].group == "Scene01"
        assert np.unique(samples[0].labels.depth).tolist() == pytest.approx([5 + camera / 100])
    with pytest.raises(DataError, match=r"no vkitti_1\.3\.1_rgb"):
        read("vkitti", tmp_path / "Scene01")


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    """One date, two frames, a scanner 27 cm behind the camera, and axes turned as in KITTI."""
    date = tmp_path / "2011_09_26"
    drive = date / "2011_09_26_drive_0001_sync"
    for seed, number in enumerate((5, 6)):
        save_picture(drive / "image_02" / "data" / f"{number:010d}.png", seed, 20, 10)
        save_picture(drive / "image_03" / "data" / f"{number:010d}.png", 10 + seed, 20, 10)
    # x forward, y left, z up; the second hides behind the first, the third is behind the camera, the last too high.
    points = [(10.27, 0, 0, 1), (20.27, 0, 0, 1), (-5, 0, 0, 1), (10.27, -4, -2, 1), (10.27, 0, 50, 1)]
    scan = drive / "velodyne_points" / "data" / "0000000005.bin"
    scan.parent.mkdir(parents=True)
    np.array(points, np.float32).tofile(scan)
    (date / "calib_velo_to_cam.txt").write_text(
        "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 -0.27\ndelta_f: 0 0\n"
    )
    rows = {"02": "20 0 10 0 0 20 5 0 0 0 1 0", "03": "20 0 10 -20 0 20 5 0 0 0 1 0"}
    text = "calib_time: 09-Jan-2012 13:57:47\nR_rect_00: 1 0 0 0 1 0 0 0 1\n"
    (date / "calib_cam_to_cam.txt").write_text(text + "".join(f"P_rect_{k}: {row}\n" for k, row in rows.items()))
    return tmp_path


DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def test_kitti_scans_are_projected(kitti: Path) -> None:
    lines = [f"{DRIVE} 5 l", f"{DRIVE}/image_03/data/0000000005.png other words"]
    (kitti / "eigen.txt").write_text("\n".join(lines))
    source, _ = read("kitti", kitti, list="eigen.txt")
    samples, problems = convert(source)
    assert not problems.lines
    assert [sample.group for sample in samples] == ["2011_09_26_drive_0001_sync"] * 2
    # u = 20 X / Z + 10, v = 20 Y / Z + 5, counted from 1: (10, 5) and (18, 9); the right camera sees 2 px further left.
    # Beside it (not behind, as the left one sees it), the right camera sees the point at 20 m, 1 px further left.
    for sample, shift, more in zip(samples, (0, 2), ({}, {(4, 8): 20.0}), strict=True):
        depth = sample.labels.depth
        found = {(row, column): depth[row, column] for row, column in np.argwhere(depth > 0).tolist()}
        assert found == pytest.approx({(4, 9 - shift): 10.0, (8, 17 - shift): 10.0} | more, rel=1e-5)


def test_kitti_without_scan_list_or_calib(kitti: Path) -> None:
    samples, problems = convert(read("kitti", kitti)[0])
    assert len(samples) == 1
    assert "0000000006.bin" in problems.lines[0]
    (kitti / "bad.txt").write_text("somewhere/else.png\n")
    with pytest.raises(DataError, match=r"bad.txt:1: 'somewhere/else.png' is no image of KITTI raw"):
        read("kitti", kitti, list="bad.txt")
    (kitti / "out.txt").write_text("../x/image_02/data/1.png\n")
    with pytest.raises(DataError, match="leads outside"):
        read("kitti", kitti, list="out.txt")
    with pytest.raises(DataError, match=r"nothing\.txt: no such file"):
        read("kitti", kitti, list="nothing.txt")
    scan = kitti / DRIVE / "velodyne_points" / "data" / "0000000006.bin"
    scan.write_bytes(b"123")
    assert "3 bytes are no scan" in convert(read("kitti", kitti)[0])[1].lines[0]


@pytest.mark.parametrize("name", ["calib_cam_to_cam.txt", "calib_velo_to_cam.txt"])
def test_kitti_calibration_must_be_there(kitti: Path, name: str) -> None:
    (kitti / "2011_09_26" / name).write_text("R: 1 2 3\n")
    with pytest.raises(DataError, match=f"{name}: no .* numbers"):
        convert(read("kitti", kitti)[0])
    (kitti / "2011_09_26" / name).unlink()
    with pytest.raises(DataError, match=f"{name}: no such file"):
        convert(read("kitti", kitti)[0])


def write_nyu(path: Path, depth: float = 2.0, shape: tuple[int, ...] = (3, 8, 6)) -> np.ndarray:
    """Three frames 8 wide and 6 high, in MATLAB's order, with their scenes; returns (3, 6, 8, 3)."""
    import h5py

    images = np.stack([picture(seed, 8, 6) for seed in range(3)])
    with h5py.File(path, "w") as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["depths"] = (depth + np.arange(np.prod(shape)).reshape(shape) / 1000 * depth).astype(np.float32)
        names = ("kitchen_0001", "kitchen_0001", "bedroom_0002")
        for k, name in enumerate(names):
            file[f"#refs#/{k}"] = np.array([ord(c) for c in name], np.uint16)[:, None]
        references = np.array([file[f"#refs#/{k}"].ref for k in range(3)], h5py.ref_dtype)
        file.create_dataset("scenes", data=references[None], dtype=h5py.ref_dtype)
    return images


@needs_h5py
def test_nyu_depth_v2(tmp_path: Path) -> None:
    images = write_nyu(tmp_path / "nyu_depth_v2_labeled.mat")
    for root in (tmp_path, tmp_path / "nyu_depth_v2_labeled.mat"):
        source, _ = read("nyuv2", root)
        assert (source.domain, source.kind, source.labels) == ("real", "photographs", {"depth"})
    samples, problems = convert(source)
    assert not problems.lines
    assert [sample.group for sample in samples] == ["kitchen_0001", "kitchen_0001", "bedroom_0002"]
    assert [sample.id for sample in samples] == ["0001", "0002", "0003"]
    from bench.worlds.rendering.photograph import decode

    for number, sample in enumerate(samples):
        assert isinstance(sample.image, bytes)
        assert (decode(sample.image) == images[number]).all()
        row, column = 4, 5
        expected = 2 + (number * 48 + column * 6 + row) * 0.002  # depths[number, column, row]
        assert sample.labels.depth[row, column] == pytest.approx(expected, rel=1e-6)


@needs_h5py
def test_nyu_splits_and_lists(tmp_path: Path) -> None:
    from scipy.io import savemat

    write_nyu(tmp_path / "nyu_depth_v2_labeled.mat")
    splits = {"trainNdxs": np.array([[1], [3]]), "testNdxs": np.array([[2]])}
    savemat(tmp_path / "splits.mat", splits)
    taken = {name: [i.name for i in read("nyuv2", tmp_path, splits="splits.mat", split=name)[0].items]
             for name in ("train", "test")}
    assert taken == {"train": ["0001.png", "0003.png"], "test": ["0002.png"]}
    (tmp_path / "some.txt").write_text("3\n1\n")
    assert [i.name for i in read("nyuv2", tmp_path, list="some.txt")[0].items] == ["0003.png", "0001.png"]
    (tmp_path / "some.txt").write_text("4\n")
    with pytest.raises(DataError, match="frame 4, but there are 1 to 3"):
        read("nyuv2", tmp_path, list="some.txt")
    with pytest.raises(UsageError, match="give --splits FILE with --split"):
        read("nyuv2", tmp_path, split="train")


@needs_h5py
def test_nyu_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; give the path of nyu_depth_v2_labeled"):
        read("nyuv2", tmp_path)
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file, and not HDF5")
    with pytest.raises(DataError, match="not an HDF5 file"):
        read("nyuv2", path)
    write_nyu(path, shape=(3, 6, 8))
    with pytest.raises(DataError, match=r"images \(3, 3, 8, 6\) and depths \(3, 6, 8\)"):
        read("nyuv2", path)
    write_nyu(path, depth=2000.0)
    with pytest.raises(DataError, match=r"median depth .* m, expected 0\.05 to 200; depths must be metres"):
        convert(read("nyuv2", path)[0])


def test_nyu_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"x")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="h5py is not installed"):
        read("nyuv2", tmp_path)
