"""Our layout: what is written comes back, pycocotools opens it, and sets from strangers cannot reach outside."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from bench.errors import DataError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.samples import LABELS, Labels


def scene(seed: int) -> tuple[np.ndarray, Labels]:
    random = np.random.default_rng(seed)
    instances = np.zeros((12, 16), np.uint16)
    instances[2:6, 3:9] = 1
    instances[5:11, 7:15] = 2
    labels = Labels(
        boxes=np.array([[3, 2, 9, 6], [7, 5, 15, 11]], np.float32), classes=np.array([1, 0]), instances=instances,
        foreground=instances > 0, depth=random.random((12, 16), np.float32) * 4,
        semantic=random.integers(0, 3, (12, 16), np.uint8), vectors={"pose": np.array([0.5, -1], np.float32)},
    )
    return random.integers(0, 255, (12, 16, 3), np.uint8), labels


@pytest.fixture
def root(tmp_path):
    return write_scenes(tmp_path / "set")


def write_scenes(root):
    classes = ("can", "jar")
    writer = ImageSetWriter(root, domain="synthetic", kind="rendered", class_names=classes, labels=LABELS)
    for seed in range(3):
        image, labels = scene(seed)
        writer.add(f"view.{seed}", image, labels, group=f"g{seed % 2}")
    writer.add_background(np.full((12, 16, 3), 7, np.uint8))
    writer.close()
    return root


def test_round_trip(root):
    images = open_image_set(root)
    assert images.has == set(LABELS) and images.class_names == ("can", "jar")
    assert images.ids == ["view.0", "view.1", "view.2"] and images.groups == ["g0", "g1", "g0"]
    for seed, sample in enumerate(images):
        image, labels = scene(seed)
        assert np.array_equal(sample.image, image)
        for kind in ("boxes", "classes", "instances", "foreground", "semantic"):
            assert np.array_equal(getattr(sample.labels, kind), getattr(labels, kind)), kind
        assert np.abs(sample.labels.depth - labels.depth).max() <= 0.0005001
        assert sample.labels.vectors["pose"].tolist() == [0.5, -1]
    assert [background.mean() for background in images.backgrounds()] == [7]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with numpy 2
def test_pycocotools_opens_it(root):
    coco = COCO(root / "annotations.json")
    assert coco.getImgIds() == [1, 2, 3] and [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["can", "jar"]
    first, second = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert first["bbox"] == [3, 2, 6, 4] and first["category_id"] == 2
    instances = scene(0)[1].instances
    assert np.array_equal(coco.annToMask(first), instances == 1)
    assert np.array_equal(coco.annToMask(second), instances == 2)
    assert first["area"] == (instances == 1).sum()


def test_two_writings_give_the_same_bytes(root, tmp_path):
    assert open_image_set(write_scenes(tmp_path / "b")).digest == open_image_set(root).digest


@pytest.mark.parametrize("id", ["../x", "a/b", "a\\b", "", "..", "/x"])
def test_ids_are_plain_names(tmp_path, id):
    writer = ImageSetWriter(tmp_path / "x", domain="real", kind="photographs", class_names=(), labels=())
    with pytest.raises(DataError, match="no plain file name"):
        writer.add(id, np.zeros((2, 2, 3), np.uint8), Labels())


def test_writer_refuses_nonsense(tmp_path):
    writer = ImageSetWriter(tmp_path / "x", domain="real", kind="photographs", class_names=("a",), labels=("depth",))
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(DataError, match="'a' has no depth"):
        writer.add("a", image, Labels())
    with pytest.raises(DataError, match="'b': depth is NaN"):
        writer.add("b", image, Labels(depth=np.array([[1, np.nan], [0, 0]], np.float32)))
    with pytest.raises(DataError, match="'a' occurs twice"):
        writer.add("a", image, Labels(depth=np.ones((2, 2), np.float32)))
    with pytest.raises(DataError, match="unknown kind of label: colour"):
        ImageSetWriter(tmp_path / "y", domain="real", kind="photographs", class_names=(), labels=("colour",))
    with pytest.raises(DataError, match="would be empty"):
        ImageSetWriter(tmp_path / "z", domain="real", kind="photographs", class_names=(), labels=()).close()


def edit(root, file, change):
    data = json.loads((root / file).read_text())
    change(data)
    (root / file).write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("file", "change", "complaint"),
    [
        ("annotations.json", lambda d: d["images"][0].update(file_name="../secret.png"), "leads outside"),
        ("annotations.json", lambda d: d["images"][0].update(file_name="/etc/secret.png"), "leads outside"),
        ("annotations.json", lambda d: d["images"][0].update(file_name="..\\secret.png"), "leads outside"),
        ("annotations.json", lambda d: d["images"][0].pop("width"), "no 'width'"),
        ("annotations.json", lambda d: d["annotations"][0].update(category_id=9), "category_id 9 of 2"),
        ("annotations.json", lambda d: d["annotations"][0].update(category_id=0), "category_id 0 of 2"),
        ("annotations.json", lambda d: d["annotations"][0].update(bbox=[1, 2]), "do not fit"),
        ("annotations.json", lambda d: d.pop("images"), "no 'images'"),
        ("manifest.json", lambda d: d.update(layout=99), "layout 99"),
        ("manifest.json", lambda d: d.pop("classes"), "no 'classes'"),
    ],
)
def test_damaged_sets_are_refused_in_one_line(root, file, change, complaint):
    edit(root, file, change)
    with pytest.raises(DataError, match=complaint) as caught:
        open_image_set(root)
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)


def test_missing_and_broken_json(root, tmp_path):
    with pytest.raises(DataError, match=r"manifest\.json: no such file"):
        open_image_set(tmp_path)
    (root / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="broken JSON"):
        open_image_set(root)
    (root / "manifest.json").write_text("[]")
    (root / "annotations.json").write_text("{}")
    with pytest.raises(DataError, match="layout None"):
        open_image_set(root)


def test_images_open_with_plain_pillow(root):
    with Image.open(root / "images" / "view.0.png") as image, Image.open(root / "instances" / "view.0.png") as mask:
        assert image.size == mask.size == (16, 12) and mask.mode.startswith("I;16")
