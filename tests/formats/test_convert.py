"""The common step: images are opened, turned, fitted; broken ones are named and left out."""

import io

import numpy as np
import pytest
from folders import convert, picture, save_picture
from PIL import Image

from bench.errors import DataError, UsageError
from bench.formats.convert import Converter
from bench.formats.semantic import Codes
from bench.formats.source import Box, Item, Problems, Source


def source_of(paths, stated=None):
    items = []
    for number, path in enumerate(paths, 1):
        where = f"list:{number}"
        items.append(Item(path.name, path, where, (Box((1, 1, 9, 9), "can", where),), stated_size=stated))
    return Source(tuple(items), ("can",), frozenset({"boxes"}))


def test_renamed_classes_become_one(tmp_path):
    path, mask = save_picture(tmp_path / "a.png", 0, 8, 8), tmp_path / "m.png"
    values = np.repeat(np.array([[0, 1, 2, 3, 0, 1, 2, 255]], np.uint8), 8, axis=0)
    Image.fromarray(values).save(mask)
    codes = Codes({k: k for k in range(4)})
    boxes = tuple(Box((k, 1, k + 2, 5), name, "here") for k, name in enumerate(("trunk", "foliage", "car")))
    item = Item("a", path, "here", boxes, maps={"semantic": mask}, codes=codes)
    source = Source((item,), ("trunk", "foliage", "car", "bin"), frozenset({"boxes", "semantic"}))
    renames = {"trunk": "tree", "foliage": "tree", "bin": "other"}
    samples, _ = convert(source, rename=renames, ignore=["other"])
    assert samples[0].labels.classes.tolist() == [0, 0, 1]
    assert samples[0].labels.semantic[3].tolist() == [0, 0, 1, 255, 0, 0, 1, 255]
    assert Converter(source, Problems(), rename=renames, ignore=["other"]).class_names == ("tree", "car")
    samples, _ = convert(source, rename=renames, class_names=("other", "car", "tree"))
    assert samples[0].labels.classes.tolist() == [2, 2, 1]
    assert samples[0].labels.semantic[0].tolist() == [2, 2, 1, 0, 2, 2, 1, 255]
    with pytest.raises(UsageError, match=r"--rename foliag=...: no such class .did you mean 'foliage'"):
        convert(source, rename={"foliag": "tree"})
    with pytest.raises(UsageError, match="--ignore-class trunk: no such class"):
        convert(source, rename=renames, ignore=["trunk"])


def test_unchanged_files_keep_their_bytes(tmp_path):
    jpg, png = save_picture(tmp_path / "a.jpg", 0), save_picture(tmp_path / "b.png", 1)
    samples, _ = convert(source_of([jpg, png]))
    assert [sample.image for sample in samples] == [jpg.read_bytes(), png.read_bytes()]
    assert [sample.suffix for sample in samples] == [".jpg", ".png"]
    square = save_picture(tmp_path / "c.jpg", 2, 32, 32)
    assert convert(source_of([square]), size=32)[0][0].image == square.read_bytes()


def test_fitted_images_are_square_png(tmp_path):
    samples, _ = convert(source_of([save_picture(tmp_path / "a.jpg")]), size=16)
    assert samples[0].image.shape == (16, 16, 3) and samples[0].suffix == ".png"
    assert samples[0].labels.boxes == pytest.approx(np.array([[0.4, 4.4, 3.6, 7.6]]))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_other_modes_become_rgb(tmp_path, mode):
    path = tmp_path / f"a.{'tif' if mode == 'CMYK' else 'png'}"
    Image.fromarray(picture(0, 40, 20)).convert(mode).save(path)
    samples, problems = convert(source_of([path]))
    assert not problems.lines and samples[0].image.shape == (20, 40, 3) and samples[0].image.dtype == np.uint8


def truncated(path):
    save_picture(path, 3, 80, 80, quality=95)
    path.write_bytes(path.read_bytes()[:-500])


def sixteen_bit(path):
    Image.fromarray(np.full((20, 40), 40000, np.uint16)).save(path, "PNG")


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (truncated, "broken image", "truncated"),
        (lambda path: path.write_bytes(b"no picture"), "broken image", "not an image"),
        (lambda path: path.write_bytes(b""), "broken image", "not an image"),
        (lambda path: None, "missing image", "no file"),
        (lambda path: path.mkdir(), "broken image", "directory"),
        (sixteen_bit, "broken image", "expected 8 bit"),
    ],
)
def test_broken_images_are_named_and_the_rest_goes_on(tmp_path, make, kind, text):
    bad, good = tmp_path / "bad.jpg", save_picture(tmp_path / "good.png")
    make(bad)
    samples, problems = convert(source_of([bad, good]))
    assert problems.counts == {kind: 1}
    assert problems.lines[0].startswith("list:1: ") and text in problems.lines[0] and "bad.jpg" in problems.lines[0]
    assert [sample.id for sample in samples] == ["good"]


def test_the_same_bytes_under_two_names(tmp_path):
    first = save_picture(tmp_path / "a.png")
    second = tmp_path / "b.png"
    second.write_bytes(first.read_bytes())
    samples, problems = convert(source_of([first, second]))
    assert problems.counts == {"duplicate": 1} and "has the same bytes as a.png" in problems.lines[0]
    assert [sample.id for sample in samples] == ["a"]


def test_two_files_that_are_one_picture_at_this_size(tmp_path):
    """As frames of a video that stands still: other bytes, the same picture; a world would refuse the whole set."""
    first = save_picture(tmp_path / "a.png", width=40, height=40)
    second = save_picture(tmp_path / "b.png", width=40, height=40, compress_level=0)
    other = save_picture(tmp_path / "c.png", seed=1, width=40, height=40)
    assert first.read_bytes() != second.read_bytes()
    samples, problems = convert(source_of([first, second, other]), size=20)
    assert [sample.id for sample in samples] == ["a", "c"]
    assert problems.counts == {"duplicate": 1} and "is the same picture as a.png at this size" in problems.lines[0]


def turned_photo(path):
    """Stored as 40x20 and marked to be shown as 20x40."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return save_picture(path, exif=exif)


def test_a_cameras_orientation_is_obeyed_unless_the_labels_say_otherwise(tmp_path):
    path = turned_photo(tmp_path / "a.jpg")
    upright = convert(source_of([path]))[0][0].image
    assert upright.shape == (40, 20, 3)
    with Image.open(io.BytesIO(path.read_bytes())) as stored:
        assert np.array_equal(upright, np.rot90(np.asarray(stored), -1))
    assert convert(source_of([path], stated=(20, 40)))[0][0].image.shape == (40, 20, 3)
    assert convert(source_of([path], stated=(40, 20)))[0][0].image == path.read_bytes()


def test_names_become_ids(tmp_path):
    names = ["x/a.png", "y/a.png", "y/b.c.png", "d.jpg"]
    items = tuple(Item(name, save_picture(tmp_path / name, seed), name) for seed, name in enumerate(names))
    samples, _ = convert(Source(items, (), frozenset()))
    assert [sample.id for sample in samples] == ["x__a_png", "y__a_png", "b.c", "d"]
    alike = (Item("A/b.png", tmp_path, ""), Item("a/b.png", tmp_path, ""))
    with pytest.raises(DataError, match=r"A/b\.png and a/b\.png: names too alike"):
        Converter(Source(alike, (), frozenset()), Problems())


def test_groups_from_names(tmp_path):
    paths = [save_picture(tmp_path / name, k) for k, name in enumerate(("s1_0.png", "s1_1.png", "s2_0.png", "odd.png"))]
    samples, problems = convert(source_of(paths), group=r"^(s\d+)_")
    assert [sample.group for sample in samples] == ["s1", "s1", "s2"]
    assert problems.counts == {"no group": 1} and "--group finds nothing in odd.png" in problems.lines[0]
    assert [sample.group for sample in convert(source_of(paths[:2]), group=r"s\d")[0]] == ["s1", "s1"]
    assert [sample.group for sample in convert(source_of(paths[:1]))[0]] == [None]
    with pytest.raises(UsageError, match="not a regular expression"):
        convert(source_of(paths), group="(")


def test_class_lists(tmp_path):
    path = save_picture(tmp_path / "a.png")
    boxes = tuple(Box((1, 1, 9, 9), name, "here") for name in ("can", "jar", "cup"))
    source = Source((Item("a.png", path, "here", boxes),), ("can", "cup", "jar"), frozenset({"boxes"}))
    assert convert(source)[0][0].labels.classes.tolist() == [0, 2, 1]
    assert convert(source, class_names=["jar", "cup", "can"])[0][0].labels.classes.tolist() == [2, 0, 1]
    samples, problems = convert(source, ignore=["cup"])
    assert samples[0].labels.classes.tolist() == [0, 1] and problems.notes == ["1 boxes of ignored classes dropped"]
    samples, problems = convert(source, class_names=["can", "jars"])
    assert not samples and problems.counts == {"unknown class": 1}
    assert "unknown class 'jar' (did you mean 'jars'?)" in problems.lines[0]
    with pytest.raises(UsageError, match="no such class"):
        convert(source, ignore=["cpu"])
    with pytest.raises(UsageError, match="occurs twice"):
        convert(source, class_names=["can", "can"])


def test_boxes_that_vanish_are_counted_and_instances_numbered_anew(tmp_path):
    path = save_picture(tmp_path / "a.png", 0, 100, 100)
    instances = np.zeros((100, 100), np.uint16)
    instances[0:4, 0:4], instances[50:90, 50:90] = 1, 2
    Image.fromarray(instances).save(tmp_path / "mask.png")
    boxes = (Box((0, 0, 4, 4), "can", "1"), Box((50, 50, 90, 90), "can", "2"))
    item = Item("a.png", path, "here", boxes, maps={"instances": tmp_path / "mask.png"})
    samples, problems = convert(Source((item,), ("can",), frozenset({"boxes", "instances"})), size=10)
    assert samples[0].labels.boxes.tolist() == [[5, 5, 9, 9]]
    assert sorted(np.unique(samples[0].labels.instances)) == [0, 1] and samples[0].labels.instances[6, 6] == 1
    assert problems.notes == ["1 boxes under 1 pixel at this size left out"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: None, "missing mask"), (lambda path: path.write_bytes(b"x"), "broken mask"),
        (lambda path: Image.new("L", (5, 5)).save(path), "broken mask"),
    ],
)
def test_broken_masks(tmp_path, make, kind):
    make(tmp_path / "mask.png")
    item = Item("a.png", save_picture(tmp_path / "a.png"), "here", maps={"foreground": tmp_path / "mask.png"})
    samples, problems = convert(Source((item,), (), frozenset({"foreground"})))
    assert not samples and problems.counts == {kind: 1} and "mask.png" in problems.lines[0]
