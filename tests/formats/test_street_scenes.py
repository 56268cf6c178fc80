"""CamVid, Cityscapes and GTA5 in the folders that their authors publish, written small here, and CamVid for real."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from folders import convert, save_picture, shared_data
from PIL import Image

from bench.errors import DataError, UsageError
from bench.formats.label_lists import CAMVID_COLOURS, CAMVID_GROUPS, CITYSCAPES_IDS, cityscapes_values
from bench.formats.registry import read_source
from bench.formats.source import Problems, Source

REAL_CAMVID = shared_data() / "street_vehicles" / "real"


def read(name: str, root: Path, **options: object) -> tuple[Source, Problems]:
    problems = Problems()
    return read_source(name, root, options, problems), problems


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_lists_are_whole() -> None:
    assert len(CAMVID_COLOURS) == 32 == len(set(CAMVID_COLOURS.values())) and len(CAMVID_GROUPS) == 11
    parts = [part for group in CAMVID_GROUPS.values() for part in group]
    assert Counter(parts) == Counter(CAMVID_COLOURS.keys() - {"Void"})
    values = cityscapes_values()
    assert len(values) == 35 and len(CITYSCAPES_IDS) == 19
    assert [id for id, index in values.items() if index != 255] == list(CITYSCAPES_IDS)
    assert [values[id] for id in (7, 8, 11, 24, 26, 33)] == [0, 1, 2, 11, 13, 18]  # as cityscapesScripts has them


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """The authors' own folders: stills, and colour masks ``_L.png``."""
    rows = [["Sky", "Wall", "LaneMkgsDriv", "Void"], ["Child", "Truck_Bus", "TrafficCone", "Sky"]]
    mask = np.array([[CAMVID_COLOURS[name] for name in row] for row in rows], np.uint8)
    for seed, name in enumerate(("0001TP_006690", "Seq05VD_f00000")):
        save_picture(tmp_path / "701_StillsRaw_full" / f"{name}.png", seed, 4, 2)
        save(tmp_path / "LabeledApproved_full" / f"{name}_L.png", mask)
    return tmp_path


def test_camvid_in_eleven_groups_or_all_classes(camvid: Path) -> None:
    source, problems = read("camvid", camvid)
    assert source.class_names == tuple(CAMVID_GROUPS) and (source.domain, source.kind) == ("real", "photographs")
    assert [item.group for item in source.items] == ["0001TP", "Seq05VD"]
    samples, problems = convert(source, problems=problems)
    assert samples[0].labels.semantic.tolist() == [[0, 1, 3, 255], [9, 8, 2, 0]] and not problems.lines
    source, _ = read("camvid", camvid, scheme="32")
    assert len(source.class_names) == 31
    names = [[source.class_names[v] if v < 255 else "Void" for v in row] for row in
             convert(source)[0][0].labels.semantic.tolist()]  # fmt: skip
    assert names == [["Sky", "Wall", "LaneMkgsDriv", "Void"], ["Child", "Truck_Bus", "TrafficCone", "Sky"]]
    with pytest.raises(UsageError, match="--scheme 19: 11 or 32"):
        read("camvid", camvid, scheme="19")


def test_camvid_as_segnet_has_it(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        save_picture(tmp_path / split / f"0006R0_f0000{seed}.png", seed, 4, 2)
        save(tmp_path / f"{split}annot" / f"0006R0_f0000{seed}.png", np.array([[0, 10, 11, 3]] * 2, np.uint8))
    with pytest.raises(UsageError, match="has train, test: choose one with --split"):
        read("camvid", tmp_path)
    source, problems = read("camvid", tmp_path, split="test")
    samples, problems = convert(source, problems=problems)
    assert [sample.id for sample in samples] == ["0006R0_f00001"] and not problems.lines
    assert samples[0].labels.semantic[0].tolist() == [0, 10, 255, 3] and samples[0].group == "0006R0"
    with pytest.raises(UsageError, match=r"--scheme 32: the masks in .* are indices of the 11 groups"):
        read("camvid", tmp_path, split="test", scheme="32")
    save(tmp_path / "testannot" / "0006R0_f00001.png", np.full((2, 4), 12, np.uint8))
    _, problems = convert(read("camvid", tmp_path, split="test")[0])
    assert "0006R0_f00001.png: value 12 is no class; image left out; mend or replace it" in problems.lines[0]


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    train = [("train", "aachen", "000000_000019"), ("train", "aachen", "000001_000019")]
    for seed, (split, city, number) in enumerate([*train, ("val", "ulm", "000002_000019")]):
        folder, name = f"{split}/{city}", f"{city}_{number}"
        save_picture(tmp_path / "leftImg8bit" / folder / f"{name}_leftImg8bit.png", seed, 4, 2)
        ids = np.array([[7, 0, 26, 33], [11, 29, 23, 255]], np.uint8)
        save(tmp_path / "gtFine" / folder / f"{name}_gtFine_labelIds.png", ids)
        save(tmp_path / "gtFine" / folder / f"{name}_gtFine_instanceIds.png", ids)
        save(tmp_path / "gtFine" / folder / f"{name}_gtFine_color.png", np.zeros((2, 4, 4), np.uint8))
    return tmp_path


def test_cityscapes(cityscapes: Path) -> None:
    with pytest.raises(UsageError, match="has train, val: choose one with --split, or all"):
        read("cityscapes", cityscapes)
    source, problems = read("cityscapes", cityscapes, split="train")
    assert source.class_names[:3] == ("road", "sidewalk", "building") and len(source.class_names) == 19
    samples, problems = convert(source, problems=problems)
    assert not problems.lines and [sample.group for sample in samples] == ["aachen_000000", "aachen_000001"]
    assert samples[0].labels.semantic.tolist() == [[0, 255, 13, 18], [2, 255, 10, 255]]
    assert len(read("cityscapes", cityscapes, split="all")[0].items) == 3
    with pytest.raises(DataError, match="no folder nowhere with the images; name it with --split"):
        read("cityscapes", cityscapes, split="nowhere")
    with pytest.raises(DataError, match="no folder gtCoarse or"):
        read("cityscapes", cityscapes, split="train", labels="gtCoarse")
    (cityscapes / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png").unlink()
    _, problems = convert(read("cityscapes", cityscapes, split="train")[0])
    assert problems.counts == {"missing mask": 1} and "aachen_000000_000019_gtFine_labelIds.png" in problems.lines[0]


def test_gta5_labels_have_a_palette(tmp_path: Path) -> None:
    for number in ("00001", "00002"):
        save_picture(tmp_path / "images" / f"{number}.png", int(number), 4, 2)
        mask = Image.new("P", (4, 2))
        mask.putpalette([v for k in range(256) for v in (k, 255 - k, 128)])
        mask.putdata([7, 4, 26, 34, 11, 1, 23, 8])
        (tmp_path / "labels").mkdir(exist_ok=True)
        mask.save(tmp_path / "labels" / f"{number}.png")
    source, problems = read("gta5", tmp_path)
    assert (source.domain, source.kind) == ("synthetic", "rendered")
    samples, problems = convert(source, problems=problems)
    assert not problems.lines and len(samples) == 2
    assert samples[0].labels.semantic.tolist() == [[0, 255, 13, 255], [2, 255, 10, 1]]
    (tmp_path / "half.txt").write_text("00002.png\n")
    assert [item.name for item in read("gta5", tmp_path, list="half.txt")[0].items] == ["00002.png"]
    with pytest.raises(DataError, match="no folder labels with the label images; name it with --masks"):
        (tmp_path / "labels").rename(tmp_path / "elsewhere")
        read("gta5", tmp_path)


@pytest.mark.skipif(
    not REAL_CAMVID.is_dir(), reason="no shared/data/street_vehicles beside the checkout, nor in $BENCH_SHARED_DATA"
)
def test_camvid_for_real(tmp_path: Path) -> None:
    source, problems = read("camvid", REAL_CAMVID)
    assert len(source.items) == 701 and not problems.lines
    assert Counter(item.group for item in source.items) == {"0016E5": 305, "Seq05VD": 171, "0001TP": 124, "0006R0": 101}
    (tmp_path / "some.txt").write_text("".join(f"{item.name}\n" for item in source.items[::100]))
    few, _ = read("camvid", REAL_CAMVID, list=str(tmp_path / "some.txt"))
    samples, problems = convert(few, size=96)
    assert len(samples) == 8 and not problems.lines
    for sample in samples:
        semantic = sample.labels.semantic
        assert semantic.shape == (96, 96) and set(np.unique(semantic).tolist()) <= {*range(11), 255}
        assert (semantic[:12] == 255).all()  # 320x240 becomes 96x72 between bars
        assert (semantic[70:84] == 3).mean() > 0.2  # road in front of the car
