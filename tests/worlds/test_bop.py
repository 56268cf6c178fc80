"""The BOP world on a data set that the test writes: re-projection, depth, masks, the split, a suite's two settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import collect
from bench.contracts import SplitRequest
from bench.engines.local import run_plan
from bench.errors import DataError, UsageError
from bench.plan import build_plan
from bench.samples import Sample
from bench.store import Store
from bench.suite import load_suite
from tests.worlds.bop_folder import HALF, REAL, SCENE, SIZE, SYNTHETIC, TEST, Thing, world, write_data_set, written


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("bop") / "lm")


@pytest.fixture
def lm(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(original, tmp_path / "lm"))


def labelled_pose(root: Path, sample: Sample) -> Thing:
    """The sample's object, turned by the label's quaternion and set where scene_gt.json says."""
    folder, scene, image, number = sample.id.split("-")
    entry = json.loads((root / folder / scene / "scene_gt.json").read_text())[str(int(image))][int(number)]
    w, x, y, z = sample.labels.vectors["quaternion"].astype(float)
    axes = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return Thing(entry["obj_id"], np.array(axes), np.array(entry["cam_t_m2c"]) / 1000)


def crop_camera(thing: Thing, size: int) -> np.ndarray:
    """The camera that a crop is: 20 cm at the object's distance fill it, and the object's centre is in its middle."""
    x, y, z = thing.translation
    focal = size * z / 0.2
    return np.array([[focal, 0, size / 2 - 0.5 - focal * x / z], [0, focal, size / 2 - 0.5 - focal * y / z], [0, 0, 1]])


@pytest.mark.parametrize("request_", [SYNTHETIC, REAL], ids=["synthetic", "real-train"])
def test_known_points_are_at_their_projection(original, tmp_path, request_):
    samples = written(original, request_, tmp_path / "set")
    misses = []
    for sample in samples:
        thing = labelled_pose(original, sample)
        matrix = crop_camera(thing, SIZE)
        for colour, point in thing.dots().items():
            x, y, z = matrix @ (thing.rotation @ point + thing.translation)
            u, v, z = x / z, y / z, float(z)
            away = np.abs(sample.image.astype(int) - np.array(colour)).sum(-1)
            rows, columns = np.nonzero(away < 120)
            if not (4 <= u < SIZE - 4 and 4 <= v < SIZE - 4) or len(rows) < 8:
                continue  # beyond the crop, or covered
            miss = columns.mean() - u, rows.mean() - v
            assert np.hypot(*miss) < 1, f"{sample.id}: dot {colour} is {miss} from {(u, v)}"
            misses.append(miss)
            depth = float(sample.labels.depth[round(v), round(u)])
            assert depth == pytest.approx(z - thing.translation[2] + 0.2, abs=0.004)
    assert len(misses) >= len(samples)
    # Half a pixel of the photograph, were its pixels counted from their corners, would be 0.25 to 0.35 of the crop's.
    assert np.abs(np.mean(misses, axis=0)).max() < 0.12, np.mean(misses, axis=0)


@pytest.mark.parametrize("request_", [SYNTHETIC, TEST], ids=["synthetic", "real-test"])
def test_crops_are_what_a_camera_at_the_label_sees(original, tmp_path, request_):
    """Every pixel of the object, cast anew with the crop's own camera."""
    checked = 0
    for sample in written(original, request_, tmp_path / "set"):
        thing = labelled_pose(original, sample)
        depth, colour = thing.cast(crop_camera(thing, SIZE), SIZE, SIZE)
        labels, mask = sample.labels, np.isfinite(depth)
        if "000001-000001" in sample.id and request_ is SYNTHETIC:
            mask = mask & labels.foreground  # cut off by the picture's edge: tested below
        both, either = (mask & labels.foreground).sum(), (mask | labels.foreground).sum()
        assert both / either > 0.94, sample.id
        inner = mask & labels.foreground
        assert np.median(np.abs(labels.depth[inner] - (depth[inner] - thing.translation[2] + 0.2))) < 0.0015
        assert np.median(np.abs(sample.image[inner].astype(int) - colour[inner])) <= 3
        rows, columns = np.nonzero(labels.foreground)
        assert labels.boxes.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        assert np.array_equal(labels.instances, labels.foreground.astype(np.uint16))
        assert samples_class(sample) == {1: "ape", 5: "can"}[thing.object_id]
        assert labels.depth.min() >= 0.001 and labels.depth.max() <= 0.4
        checked += 1
    assert checked >= 4


def samples_class(sample: Sample) -> str:
    return ("ape", "can")[int(sample.labels.classes[0])]


def test_set_says_what_it_is(original, tmp_path):
    synthetic = written(original, SYNTHETIC, tmp_path / "a")
    # Object 3 is symmetric, and the can that hides behind it is seen too little.
    assert sorted(synthetic.ids) == [
        "train_pbr-000000-000000-000000", "train_pbr-000000-000000-000001", "train_pbr-000000-000001-000000",
        "train_pbr-000000-000001-000001", "train_pbr-000000-000002-000000", "train_pbr-000000-000002-000001",
        "train_pbr-000001-000001-000000", "train_pbr-000001-000002-000000",
    ]
    assert synthetic.has == {"boxes", "instances", "foreground", "depth", "vectors"} and synthetic.size == (SIZE, SIZE)
    assert (synthetic.domain, synthetic.kind, synthetic.class_names) == ("synthetic", "rendered", ("ape", "can"))
    assert synthetic.records[0].group == synthetic.ids[0].rsplit("-", 1)[0]
    real = written(original, REAL, tmp_path / "b")
    assert (real.domain, real.kind, real.class_names) == ("real", "photographs", ("ape", "can"))
    assert str(original) not in (tmp_path / "b" / "manifest.json").read_text()


def test_renders_are_black_outside_the_object_and_photographs_are_not(original, tmp_path):
    for sample in written(original, SYNTHETIC, tmp_path / "black"):
        outside = ~sample.labels.foreground
        assert outside.any() and (sample.image[outside] == 0).all()
        assert sample.labels.depth[outside] == pytest.approx(0.4)
        assert sample.image[sample.labels.foreground].mean() > 60
    plain = written(original, SYNTHETIC, tmp_path / "plain", black=False)
    wall = np.concatenate([sample.image[~sample.labels.foreground] for sample in plain])
    assert np.median(wall) == pytest.approx(60, abs=2)
    photographs = written(original, REAL, tmp_path / "real")
    assert np.median(np.concatenate([sample.image[~sample.labels.foreground] for sample in photographs])) == 60


def test_a_crop_that_leaves_the_image_is_padded_with_black_and_far(original, tmp_path):
    samples = written(original, SYNTHETIC, tmp_path / "set", black=False)
    sample = samples[samples.ids.index("train_pbr-000001-000001-000000")]
    # u = 400 * 0.14 / 0.7 + 78.3 = 158.3 of 160 columns: the right half of the crop (side 114.3) is beyond the image.
    first = int(np.ceil(SIZE / 2 + (160 - 158.8) * SIZE / (400 * 0.2 / 0.7))) + 1
    assert (sample.image[:, first + 1 :] == 0).all() and (sample.labels.depth[:, first:] == 0.4).all()
    assert not sample.labels.foreground[:, first:].any() and sample.labels.foreground[:, : first - 1].any()
    assert (sample.image[: SIZE // 2, : first - 2] > 10).all()


def test_visible_part_is_the_mask_and_min_visible_chooses(original, lm, tmp_path):
    behind = "train_pbr-000001-000000-000000"
    everything = written(original, SYNTHETIC, tmp_path / "all", min_visible=0.01)
    visible = everything[everything.ids.index(behind)].labels.foreground.sum()
    assert len(everything) == 9
    shutil.rmtree(lm / "train_pbr" / "000001" / "mask_visib")
    whole = written(lm, SYNTHETIC, tmp_path / "whole", min_visible=0.01)
    assert whole[whole.ids.index(behind)].labels.foreground.sum() > 1.5 * visible
    (lm / "train_pbr" / "000001" / "scene_gt_info.json").unlink()
    with pytest.raises(DataError, match=r"scene_gt_info\.json: no such file.*world\.min_visible = 0"):
        world(lm).available(SYNTHETIC)
    assert world(lm, min_visible=0).available(SYNTHETIC) == 9


def test_a_fifth_of_each_objects_photographs_is_for_testing(original):
    def ids(request: SplitRequest) -> set[str]:
        chosen = world(original)._chosen(request)
        return {chosen.name(row) for row in range(len(chosen))}

    train, test = ids(REAL), ids(TEST)
    assert not train & test and len(train | test) == 20
    for scene in ("000001", "000005"):
        assert sum(f"-{scene}-" in id for id in test) == 2
    assert ids(TEST) == test
    others = [ids(SplitRequest("real", "test", 0, SIZE, seed)) for seed in range(6, 12)]
    assert any(other != test for other in others)


def test_all_objects_of_an_image_are_on_one_side(lm):
    shutil.rmtree(lm / "test")
    (lm / "train_pbr").rename(lm / "test")
    for copy in range(2, 9):
        shutil.copytree(lm / "test" / "000000", lm / "test" / f"{copy:06d}")
    shutil.copytree(lm / "test" / "000000", lm / "train" / "000000")
    rows = {split: world(lm)._chosen(SplitRequest("real", split, 0, SIZE, 5)) for split in ("train", "test")}
    pictures = {split: {chosen.picture(k) for k in range(len(chosen))} for split, chosen in rows.items()}
    assert not pictures["train"] & pictures["test"]
    # 8 scenes with 3 images of two objects, and 2 more images that show one class.
    assert len(pictures["train"] | pictures["test"]) == 26 and len(pictures["test"]) == 5


def test_count_takes_a_prefix_of_a_seeded_shuffle(original, tmp_path):
    def ids(count: int, seed: int) -> list[str]:
        request = SplitRequest("real", "train", count, 16, seed)
        assert world(original).available(request) == min(count or 16, 16)
        return written(original, request, tmp_path / f"{count}-{seed}").ids

    everything = ids(0, 5)
    assert len(everything) == 16 and ids(3, 5) == everything[:3] and ids(99, 5) == everything
    assert everything != sorted(everything)


def test_same_request_same_bytes(original, lm, tmp_path):
    sets = [written(root, TEST, tmp_path / name) for root, name in ((original, "a"), (lm, "b"))]
    assert sets[0].digest == sets[1].digest


def test_classes(original, tmp_path):
    chosen = written(original, SYNTHETIC, tmp_path / "a", objects=[5])
    assert chosen.class_names == ("can",) and len(chosen) == 3
    with pytest.raises(DataError, match=r"world\.objects: test has no object 3; it has 1, 5$"):
        world(original, objects=[3]).available(SYNTHETIC)
    with pytest.raises(DataError, match=r"world\.objects: train_pbr has no object 99; it has 1, 3, 5$"):
        world(original, objects=[99], real="train_pbr", synthetic="test").available(SYNTHETIC)
    with pytest.raises(UsageError, match="an object occurs twice"):
        world(original, objects=[1, 1])
    with pytest.raises(UsageError, match=r"cannot be both world\.real and world\.synthetic"):
        world(original, synthetic="test")


def test_other_data_sets_need_the_objects_named(lm, tmp_path):
    for path in lm.glob("*/*/scene_gt.json"):
        path.write_text(path.read_text().replace('"obj_id": 1', '"obj_id": 21').replace('"obj_id": 5', '"obj_id": 22'))
    with pytest.raises(DataError, match=r"name some with world\.objects \(photographs and renders share: 21, 22\)"):
        world(lm).available(SYNTHETIC)
    assert written(lm, TEST, tmp_path / "a", objects=[22, 21]).class_names == ("object-22", "object-21")


def test_renders_by_folder(lm, tmp_path):
    (lm / "train_pbr" / "000001").rename(lm / "more")
    (lm / "train").mkdir()
    (lm / "more").rename(lm / "train" / "000001")
    assert world(lm).available(SYNTHETIC) == 6, "train_pbr goes before train"
    assert world(lm, synthetic="train").available(SYNTHETIC) == 2
    assert world(lm, synthetic=["train", "train_pbr"]).available(SYNTHETIC) == 8
    shutil.rmtree(lm / "train_pbr")
    assert world(lm, objects=[1]).available(SYNTHETIC) == 2


def test_no_such_split(original):
    with pytest.raises(DataError, match="no synthetic test split"):
        world(original).available(SplitRequest("synthetic", "test", 0, SIZE, 5))


def repaint(path: Path) -> None:
    pixels = np.asarray(Image.open(path)).copy()
    pixels[60, 80] ^= 1
    Image.fromarray(pixels).save(path)


def move_object(path: Path) -> None:
    data = json.loads(path.read_text())
    for entries in data.values():
        entries[0]["cam_t_m2c"][0] += 1
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("file", ["rgb/*.png", "depth/*.png", "mask_visib/*.png", "scene_gt.json"])
def test_fingerprint_knows_contents_and_no_folder(original, lm, file):
    before = [world(original).fingerprint(request) for request in (REAL, SYNTHETIC)]
    assert before == [world(lm).fingerprint(request) for request in (REAL, SYNTHETIC)]
    for path in (lm / SCENE).glob(file):
        (move_object if path.suffix == ".json" else repaint)(path)
    after = [world(lm).fingerprint(request) for request in (REAL, SYNTHETIC)]
    assert after[0] != before[0] and after[1] == before[1]


def test_a_suite_runs_on_it_by_two_settings(original, toy_suite, store):
    """What `--set world=bop --set world.root=DIR` does to any suite."""
    settings = ["world=bop", f"world.root={original}", "counts.real_train=0", "replicates=1"]
    suite = load_suite(str(toy_suite), "quick", settings)
    assert suite.world == {"name": "bop", "root": str(original)}
    plan = build_plan(suite)
    labels = [stage.label for stage in plan.stages.values()]
    assert {"render synthetic train (6)", "render real train (16)", "render real test (4)"} <= set(labels)
    assert plan.real_kind == "photographs"
    assert run_plan(plan, Store(store.root), device="cpu", workers=1, listen=lambda event: None).reasons == {}
    rows = collect.rows(plan, store)
    assert {row.status for row in rows} == {"ok"} and {row.n_train for row in rows if row.arm == "real"} == {2}


def test_the_folder_is_not_in_the_keys(original, lm, toy_suite):
    keys = [
        list(build_plan(load_suite(str(toy_suite), "quick", ["world=bop", f"world.root={root}"])).stages)
        for root in (original, lm)
    ]
    assert keys[0] == keys[1]


def test_objects_fit_into_a_crop():
    """The tests above rest on it: 20 cm hold the cuboids however they are turned."""
    assert all(2 * np.linalg.norm(half) < 0.2 for half in HALF.values())
