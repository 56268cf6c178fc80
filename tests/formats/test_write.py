"""Import as a whole: every format ends in the same set, written whole or not at all."""

import json

import numpy as np
import pytest
from folders import picture, save_picture, write_coco

from bench.errors import DataError, UsageError
from bench.formats.convert import Converter, provenance
from bench.formats.layout import open_image_set
from bench.formats.registry import format_names, option_help, read_source, reader_options, summary
from bench.formats.source import Problems
from bench.formats.write import fresh_folder, write_samples

BOXES = {"a": [("can", 4, 2, 14, 10), ("jar", 20, 5, 25, 15)], "b": [("jar", 0, 0, 40, 20)], "c": []}


def as_csv(root):
    rows = [f"images/{n}.png,{c},{','.join(map(str, b))}" for n, boxes in BOXES.items() for c, *b in boxes]
    (root / "boxes.csv").write_text("\n".join(["file,class,x0,y0,x1,y1", *rows]))
    (root / "files.csv").write_text("\n".join(["file", *(f"images/{n}.png" for n in BOXES)]))


def as_coco(root):
    def change(data):
        data["images"] = [{"id": k, "file_name": f"{n}.png", "width": 40, "height": 20} for k, n in enumerate(BOXES)]
        data["categories"] = [{"id": 1, "name": "can"}, {"id": 2, "name": "jar"}]
        data["annotations"] = [
            {"id": 9, "image_id": k, "category_id": {"can": 1, "jar": 2}[c], "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for k, boxes in enumerate(BOXES.values()) for c, x0, y0, x1, y1 in boxes
        ]

    write_coco(root, change)


def as_yolo(root):
    (root / "labels").mkdir()
    (root / "classes.txt").write_text("can\njar")
    for name, boxes in BOXES.items():
        lines = [
            f"{['can', 'jar'].index(c)} {(x0 + x1) / 80} {(y0 + y1) / 40} {(x1 - x0) / 40} {(y1 - y0) / 20}"
            for c, x0, y0, x1, y1 in boxes
        ]
        (root / "labels" / f"{name}.txt").write_text("\n".join(lines))


def as_voc(root):
    for name, boxes in BOXES.items():
        objects = "".join(
            f"<object><name>{c}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>" for c, x0, y0, x1, y1 in boxes
        )
        (root / f"{name}.xml").write_text(f"<annotation><filename>{name}.png</filename>{objects}</annotation>")


@pytest.mark.parametrize(("format", "label"), [("csv", as_csv), ("coco", as_coco), ("yolo", as_yolo), ("voc", as_voc)])
@pytest.mark.parametrize("size", [None, 20])
def test_every_format_ends_in_the_same_set(tmp_path, format, label, size):
    source_folder = tmp_path / "source"
    for seed, name in enumerate(BOXES):
        save_picture(source_folder / "images" / f"{name}.png", seed)
    label(source_folder)
    problems = Problems()
    converter = Converter(read_source(format, source_folder, problems=problems), problems, size=size)
    with fresh_folder(tmp_path / "out") as folder:
        made_by = provenance(format, {"x": None}, size, "letterbox")
        assert write_samples(converter, folder, domain="real", kind="photographs", provenance=made_by) == 3
    images = open_image_set(tmp_path / "out")
    assert not problems.lines and images.has == {"boxes"} and images.class_names == ("can", "jar")
    assert images.ids == ["a", "b", "c"] == images.groups and images.kind == "photographs"
    scale, shift = (1.0, 0.0) if size is None else (0.5, 5.0)
    for sample, (_, boxes) in zip(images, BOXES.items(), strict=True):
        expected = np.array([b for _, *b in boxes], np.float64).reshape(-1, 4) * scale + [0, shift, 0, shift]
        assert sample.labels.boxes == pytest.approx(expected, abs=1e-4)
        assert sample.labels.classes.tolist() == [("can", "jar").index(c) for c, *_ in boxes]
    if size is None:
        assert np.array_equal(images.image(1), picture(1, 40, 20))
    else:
        assert images.size == (20, 20)
    manifest = (tmp_path / "out" / "manifest.json").read_text()
    assert str(tmp_path) not in manifest and json.loads(manifest)["provenance"]["format"] == format


def test_our_own_layout_goes_through_unchanged_and_is_watched(tmp_path, coco_folder):
    def imported(source, target, **options):
        converter = Converter(read_source(options.pop("format"), source), Problems(), **options)
        with fresh_folder(target) as folder:
            write_samples(converter, folder, domain="real", kind="photographs", provenance={})
        return open_image_set(target)

    first = imported(coco_folder, tmp_path / "a", format="coco")
    second = imported(tmp_path / "a", tmp_path / "b", format="layout")
    assert first.digest == second.digest and second.groups == ["g0", "g0", "g1"]
    save_picture(tmp_path / "a" / "images" / "1.png", 77)
    source = read_source("layout", tmp_path / "a")
    problems = Problems()
    assert [sample.id for sample in Converter(source, problems).samples()] == ["0", "2"]
    assert problems.counts == {"changed": 1} and "is not what the manifest says" in problems.lines[0]


def test_images_without_labels(tmp_path):
    save_picture(tmp_path / "in" / "x" / "a.JPG", format="JPEG")
    save_picture(tmp_path / "in" / ".hidden" / "b.png", 1)
    (tmp_path / "in" / "notes.txt").write_text("x")
    converter = Converter(read_source("images", tmp_path / "in"), Problems(), size=16)
    with fresh_folder(tmp_path / "out") as folder:
        assert write_samples(converter, folder, domain="real", kind="photographs", provenance={}) == 1
    images = open_image_set(tmp_path / "out")
    assert images.has == frozenset() and images[0].labels.boxes is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        read_source("images", tmp_path / "empty")


def test_a_failed_import_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), fresh_folder(tmp_path / "out") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_only_image_sets_are_replaced(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("dear")
    with pytest.raises(DataError, match="exists already; choose another folder, or add --overwrite"), \
            fresh_folder(tmp_path / "full"):
        pass
    with pytest.raises(DataError, match="is no image set, so --overwrite leaves it alone"), \
            fresh_folder(tmp_path / "full", overwrite=True):
        pass
    assert (tmp_path / "full" / "diary.txt").read_text() == "dear"
    (tmp_path / "full" / "manifest.json").write_text("{}")
    with fresh_folder(tmp_path / "full", overwrite=True) as folder:
        (folder / "new").write_text("x")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["new"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"Not a directory|exists"), fresh_folder(tmp_path / "file" / "sub"):
        pass


def test_nothing_usable(tmp_path, coco_folder):
    for path in (coco_folder / "images").iterdir():
        path.write_text("x")
    converter = Converter(read_source("coco", coco_folder), Problems())
    with pytest.raises(DataError, match=r"no usable image is left: 3 problems \(3 broken image\)"):
        write_samples(converter, tmp_path / "out", domain="real", kind="photographs", provenance={})


def test_backgrounds_are_fitted(tmp_path, coco_folder):
    scene = save_picture(tmp_path / "empty.jpg", 5, 80, 40)
    converter = Converter(read_source("coco", coco_folder), Problems(), size=20)
    write_samples(converter, tmp_path / "out", domain="real", kind="photographs", provenance={}, backgrounds=[scene])
    assert [image.shape for image in open_image_set(tmp_path / "out").backgrounds()] == [(20, 20, 3)]
    scene.write_text("x")
    with pytest.raises(DataError, match=r"empty\.jpg: not a readable image"):
        write_samples(converter, tmp_path / "o", domain="real", kind="photographs", provenance={}, backgrounds=[scene])


def test_the_registry_knows_every_file():
    assert format_names() == [
        "bop", "camvid", "cityscapes", "coco", "csv", "depth", "gta5", "imagefolder", "images", "kitti", "layout",
        "masks", "nyuv2", "unity", "vkitti", "voc", "yolo",
    ]  # fmt: skip
    options = reader_options()
    shared = {option.name: formats for option, formats in options.items()}
    assert shared["split"] == ["bop", "camvid", "cityscapes", "imagefolder", "nyuv2", "unity", "voc", "yolo"]
    assert shared["filter"] == ["csv"]
    for option, formats in options.items():
        assert all(f"{name}" in option_help(option, formats) for name in formats)
    assert all(summary(name).endswith(".") for name in format_names())
    with pytest.raises(UsageError, match=r"unknown format 'cocoa' \(did you mean 'coco'\?\)"):
        read_source("cocoa", None)
