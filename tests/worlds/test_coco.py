"""The world over a user's folders: selection, sizes, class agreement, fingerprints without paths."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.contracts import Context, SplitRequest
from bench.describe import construct
from bench.errors import DataError, UsageError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import Labels
from bench.worlds.coco import Coco

SYNTHETIC = SplitRequest("synthetic", "train", 0, 16, 5)
REAL = SplitRequest("real", "train", 0, 16, 5)
TEST = SplitRequest("real", "test", 0, 16, 5)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (20, 40, 3), np.uint8)


def plain_coco(root: Path, first: int, count: int, classes: tuple[str, ...]) -> Path:
    """Image k has one box at x = k of class k modulo the number of classes."""
    (root / "images").mkdir(parents=True)
    images, annotations = [], []
    for k in range(count):
        Image.fromarray(picture(first + k)).save(root / "images" / f"{k}.png")
        images.append({"id": k, "file_name": f"{k}.png", "width": 40, "height": 20, "group": f"g{k // 2}"})
        annotations.append({"id": k, "image_id": k, "category_id": k % len(classes) + 1, "bbox": [k, 0, 10, 20]})
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(data))
    return root


def own_layout(root: Path, first: int, count: int, domain: str, labels=("boxes", "foreground")) -> Path:
    writer = ImageSetWriter(root, domain=domain, kind="rendered", class_names=("can", "jar"), labels=labels)
    for k in range(count):
        mask = np.zeros((20, 40), bool)
        mask[:, 10:20] = True
        boxes = Labels(boxes=np.array([[10, 0, 20, 20]], np.float32), classes=np.array([1]), foreground=mask)
        writer.add(f"s{k}", picture(first + k), boxes)
    writer.close()
    return root


@pytest.fixture
def folders(tmp_path):
    return {
        "synthetic_train": own_layout(tmp_path / "synthetic", 0, 6, "synthetic"),
        "real_train": plain_coco(tmp_path / "train", 100, 5, ("jar", "can")),
        "real_test": plain_coco(tmp_path / "test", 200, 4, ("can", "jar")),
    }


def world(folders) -> Coco:
    made = construct("world", "coco", {name: str(path) for name, path in folders.items()})
    assert isinstance(made, Coco)
    return made


def written(folders, request, directory):
    world(folders).image_set(request, Context(seed=request.seed, directory=directory))
    return open_image_set(directory)


def test_splits_at_the_suites_size_with_one_class_list(folders, tmp_path):
    synthetic = written(folders, SYNTHETIC, tmp_path / "a")
    assert synthetic.size == (16, 16) and synthetic.has == {"boxes", "foreground"} and len(synthetic) == 6
    assert (synthetic.domain, synthetic.kind) == ("synthetic", "rendered")
    # 40x20 into 16: scale 0.4, bars of 4 above and below.
    assert synthetic[0].labels.boxes.tolist() == [[4, 4, 8, 12]]
    assert synthetic[0].labels.foreground.sum() == 4 * 8
    real = written(folders, REAL, tmp_path / "b")
    assert (real.domain, real.kind, real.class_names) == ("real", "photographs", ("can", "jar"))
    by_id = {sample.id: sample for sample in real}
    assert by_id["3"].labels.classes.tolist() == [0], "category 2 is 'can' there, which the renders call class 0"
    assert by_id["3"].labels.boxes == pytest.approx(np.array([[1.2, 4, 5.2, 12]]))
    assert by_id["3"].group == "g1"
    provenance = (tmp_path / "b" / "manifest.json").read_text()
    assert str(tmp_path) not in provenance


def test_count_takes_a_prefix_of_a_seeded_shuffle(folders, tmp_path):
    def ids(count, seed):
        request = SplitRequest("synthetic", "train", count, 16, seed)
        return written(folders, request, tmp_path / f"{count}-{seed}").ids

    everything = ids(0, 5)
    assert sorted(everything) == [f"s{k}" for k in range(6)] and everything != sorted(everything)
    assert ids(3, 5) == everything[:3]
    assert ids(99, 5) == everything
    assert any(ids(0, seed) != everything for seed in range(6, 9))
    subject = world(folders)
    counts = [subject.available(SplitRequest("real", "train", count, 16, 5)) for count in (0, 2, 99)]
    assert counts == [5, 2, 5]


def test_same_request_same_bytes(folders, tmp_path):
    assert written(folders, TEST, tmp_path / "a").digest == written(folders, TEST, tmp_path / "b").digest


def test_files_at_the_right_size_are_copied(folders, tmp_path):
    folders["synthetic_train"] = Path(own_layout(tmp_path / "square", 0, 2, "synthetic"))
    shutil.rmtree(tmp_path / "square")
    writer = ImageSetWriter(
        tmp_path / "square", domain="synthetic", kind="rendered", class_names=("can", "jar"), labels=("boxes",)
    )
    Image.fromarray(picture(0)[:16, :16]).save(tmp_path / "x.jpg")
    jpeg = (tmp_path / "x.jpg").read_bytes()
    writer.add("x", jpeg, Labels(boxes=np.empty((0, 4)), classes=np.empty(0, int)), suffix=".jpg")
    writer.close()
    assert (written(folders, SYNTHETIC, tmp_path / "a").records[0].path).read_bytes() == jpeg


def test_fingerprints_depend_on_content_alone(folders, tmp_path):
    before = {request: world(folders).fingerprint(request) for request in (SYNTHETIC, REAL, TEST)}
    assert len(set(before.values())) == 3
    moved = {name: Path(shutil.copytree(path, tmp_path / "moved" / name)) for name, path in folders.items()}
    assert {request: world(moved).fingerprint(request) for request in before} == before
    Image.fromarray(picture(999)).save(moved["real_train"] / "images" / "2.png")
    assert world(moved).fingerprint(REAL) != before[REAL] and world(moved).fingerprint(TEST) == before[TEST]
    data = json.loads((moved["real_test"] / "annotations.json").read_text())
    data["annotations"][0]["bbox"][2] += 1
    (moved["real_test"] / "annotations.json").write_text(json.dumps(data))
    assert world(moved).fingerprint(TEST) != before[TEST]


def test_unlabelled_photographs_may_train_a_refiner_and_nothing_else(folders, tmp_path):
    folders["real_train"] = own_layout(tmp_path / "bare", 300, 3, "real", labels=())
    images = written(folders, REAL, tmp_path / "a")
    assert len(images) == 3 and images.has == frozenset() and images.class_names == ("can", "jar")
    folders["real_test"] = folders["real_train"]
    with pytest.raises(DataError, match=r"world\.real_test: .*has no labels; only real_train may come without"):
        world(folders).available(TEST)


def labelled_maps(root: Path, first: int, count: int, domain: str, classes=("sky", "road")) -> Path:
    """Image k is sky above row k and road below."""
    writer = ImageSetWriter(root, domain=domain, kind="rendered", class_names=classes, labels=("semantic", "depth"))
    for k in range(count):
        semantic = np.zeros((20, 40), np.uint8)
        semantic[k:] = 1
        writer.add(f"s{k}", picture(first + k), Labels(semantic=semantic, depth=np.full((20, 40), 2.5, np.float32)))
    writer.close()
    return root


def test_sets_of_ours_with_semantic_maps_and_no_boxes(tmp_path):
    folders = {
        "synthetic_train": labelled_maps(tmp_path / "synthetic", 0, 4, "synthetic"),
        "real_train": own_layout(tmp_path / "train", 100, 3, "real", labels=()),
        "real_test": labelled_maps(tmp_path / "test", 200, 2, "real", ("road", "sky")),
    }
    synthetic, test = written(folders, SYNTHETIC, tmp_path / "a"), written(folders, TEST, tmp_path / "b")
    assert synthetic.has == test.has == {"semantic", "depth"} and synthetic.class_names == test.class_names
    fourth = {sample.id: sample for sample in synthetic}["s3"].labels
    # 40x20 into 16: bars of 4 rows, void and without depth; row 3 of 20 is row 5.2 of 16.
    assert fourth.semantic[:4].tolist() == [[255] * 16] * 4 and (fourth.depth[:4] == 0).all()
    assert fourth.semantic[4, 0] == 0 and (fourth.semantic[6:12] == 1).all() and fourth.depth[8, 8] == 2.5
    # The photographs count the same two classes the other way round, and follow the renders' list.
    second = {sample.id: sample for sample in test}["s1"].labels
    assert (second.semantic[6:12] == 0).all()
    folders["real_test"] = labelled_maps(tmp_path / "odd", 300, 2, "real", ("sky", "grass"))
    with pytest.raises(DataError, match=r"world\.real_test: its class list lacks road and has also grass"):
        written(folders, SYNTHETIC, tmp_path / "c")


def test_empty_scenes(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    folders["backgrounds"] = tmp_path / "empty"
    plain = world({name: path for name, path in folders.items() if name != "backgrounds"}).fingerprint(REAL)
    with pytest.raises(DataError, match=r"world\.backgrounds: .*no images in it"):
        written(folders, REAL, tmp_path / "a")
    Image.fromarray(picture(7)).save(tmp_path / "empty" / "0.jpg")
    assert world(folders).fingerprint(REAL) != plain
    assert [image.shape for image in written(folders, REAL, tmp_path / "b").backgrounds()] == [(16, 16, 3)]
    assert not written(folders, SYNTHETIC, tmp_path / "c").backgrounds()


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (("can",), "its class list lacks jar, unlike synthetic_train's"),
        (("can", "jar", "cup"), "its class list has also cup, unlike"),
        (("can", "jug"), "its class list lacks jar and has also jug"),
    ],
)
def test_the_odd_class_list_is_named(folders, tmp_path, classes, text):
    folders["real_test"] = plain_coco(tmp_path / "odd", 400, 4, classes)
    with pytest.raises(DataError) as caught:
        written(folders, SYNTHETIC, tmp_path / "a")
    assert str(caught.value).startswith("world.real_test: ") and text in str(caught.value)


def test_swapped_and_missing_folders(folders, tmp_path):
    swapped = folders | {"real_train": folders["synthetic_train"]}
    with pytest.raises(DataError, match=r"world\.real_train: .*was imported as synthetic; swap the folders"):
        world(swapped).available(REAL)
    with pytest.raises(DataError, match=r"world\.real_train: .*nowhere: no such folder; paths are relative"):
        world(folders | {"real_train": tmp_path / "nowhere"}).fingerprint(REAL)
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"world\.real_test: .*bare: no annotations\.json"):
        world(folders | {"real_test": tmp_path / "bare"}).available(TEST)
    with pytest.raises(DataError, match="no synthetic test split"):
        world(folders).available(SplitRequest("synthetic", "test", 0, 16, 5))
    with pytest.raises(UsageError, match=r"unknown key \(did you mean 'real_test'\?\)"):
        construct("world", "coco", {**folders, "real_tset": "x"})


def test_broken_images_are_fatal_and_say_how_to_go_on(folders, tmp_path):
    (folders["real_test"] / "images" / "1.png").write_bytes(b"x")
    (folders["real_test"] / "images" / "2.png").unlink()
    with pytest.raises(DataError) as caught:
        written(folders, TEST, tmp_path / "a")
    message = str(caught.value)
    assert message.startswith("world.real_test: ") and "(and 1 more)" in message and "`bench data import`" in message
    assert "\n" not in message


def test_a_set_that_changed_since_its_import(folders, tmp_path):
    Image.fromarray(picture(999)).save(folders["synthetic_train"] / "images" / "s1.png")
    with pytest.raises(DataError, match=r"s1\.png is not what the manifest says"):
        written(folders, SYNTHETIC, tmp_path / "a")


def test_broken_annotations(folders):
    data = json.loads((folders["real_test"] / "annotations.json").read_text())
    data["images"][1]["file_name"] = "../../secret.png"
    (folders["real_test"] / "annotations.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"world\.real_test: .*images\[1\]: file name '../../secret.png' leads outside"):
        world(folders).available(TEST)
