"""What mask values and colours mean, tables of colours, and the remapping of class lists on import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folders import convert, picture, save_picture
from PIL import Image

from bench.cli.data_show import draw_tiles
from bench.cli.main import main
from bench.drawing import class_colour, draw_semantic
from bench.errors import DataError, UsageError
from bench.formats.layout import ImageSetWriter, open_image_set
from bench.formats.registry import read_source
from bench.formats.semantic import VOID, Codes, read_colours
from bench.formats.source import Problems
from bench.formats.verify import verify_set
from bench.samples import Labels

MAP = np.array([[0, 0, 1, 2], [0, 255, 1, 2]], np.uint8)


def save_mask(path: Path, array: np.ndarray = MAP, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if mode == "P":
        image = image.convert("L")
        palette = Image.new("P", image.size)
        palette.putpalette([v for k in range(256) for v in (255 - k, k // 2, 7)])
        palette.putdata(list(array.ravel().tolist()))
        image = palette
    image.save(path)
    return path


def test_values() -> None:
    codes = Codes({7: 0, 8: 1, 0: VOID})
    array = np.array([[7, 8], [0, 255]], np.uint8)
    assert codes.decode(Image.fromarray(array)).tolist() == [[0, 1], [255, 255]]
    assert codes.decode(Image.fromarray(np.repeat(array[..., None], 3, 2))).tolist() == [[0, 1], [255, 255]]
    with pytest.raises(ValueError, match="value 9 is no class"):
        codes.decode(Image.fromarray(array + np.uint8(2)))
    with pytest.raises(ValueError, match="is it a picture in colours"):
        codes.decode(Image.fromarray(picture(0, 4, 4)))
    with pytest.raises(ValueError, match="values from 0 to 700"):
        codes.decode(Image.fromarray(np.array([[0, 700]], np.int32)))


def test_colours() -> None:
    codes = Codes(colours={(1, 2, 3): 4, (0, 0, 0): VOID, (255, 254, 253): 0})
    array = np.array([[(1, 2, 3), (255, 254, 253)], [(0, 0, 0), (1, 2, 3)]], np.uint8)
    assert codes.decode(Image.fromarray(array)).tolist() == [[4, 0], [255, 4]]
    array[1, 0] = (1, 2, 4)
    with pytest.raises(ValueError, match="colour 1,2,4 is no class"):
        codes.decode(Image.fromarray(array))


def test_tables_of_colours(tmp_path: Path) -> None:
    table = tmp_path / "colours.txt"
    table.write_text("# comment\n64 128 64\tAnimal\n0 0 0\t\tVoid\n\n1 2 3 traffic light\n4 5 6 Animal\n")
    assert read_colours(table) == (
        ("Animal", "traffic light"), {(64, 128, 64): 0, (0, 0, 0): 255, (1, 2, 3): 1, (4, 5, 6): 0}
    )
    table.write_text("name,r,g,b\nroad,1,2,3\ntraffic light,7,8,9\n")
    assert read_colours(table) == (("road", "traffic light"), {(1, 2, 3): 0, (7, 8, 9): 1})
    for text, complaint in (
        ("1 2 road", r":1: '1 2 road' is no colour and name"), ("1 2 300 road", ":1: colour 1 2 300 is none"),
        ("1 2 3 a\n1 2 3 b", ":2: colour 1 2 3 occurs before"), ("0 0 0 void", "no class in it"),
    ):  # fmt: skip
        table.write_text(text)
        with pytest.raises(DataError, match=complaint):
            read_colours(table)
    with pytest.raises(DataError, match=r"nowhere\.txt: no such file"):
        read_colours(tmp_path / "nowhere.txt")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two images of 4x2 with index masks of three classes, one of them below a folder."""
    for seed, name in enumerate(("a", "sub/b")):
        save_picture(tmp_path / "images" / f"{name}.jpg", seed, 4, 2)
        save_mask(tmp_path / "masks" / f"{name}.png")
    return tmp_path


def read(folder: Path, **options: object) -> tuple[list[np.ndarray], Problems]:
    problems = Problems()
    source = read_source("masks", folder, options, problems)
    assert source.labels == {"semantic"}
    samples, problems = convert(source, problems=problems)
    return [sample.labels.semantic for sample in samples], problems


def test_index_masks(folders: Path) -> None:
    maps, problems = read(folders, classes=["a", "b", "c"])
    assert not problems.lines and [m.tolist() for m in maps] == [MAP.tolist()] * 2
    maps, problems = read(folders, classes=["b", "c"], first="1", void=["0"])
    assert maps[0].tolist() == [[255, 255, 0, 1], [255, 255, 0, 1]]
    (folders / "names.txt").write_text("a\nb\nc\n")
    source = read_source("masks", folders, {"names": "names.txt", "classes": ["c", "a", "b"]})
    assert source.class_names == ("a", "b", "c")
    samples, _ = convert(source, class_names=["c", "a", "b"])
    assert samples[0].labels.semantic.tolist() == [[1, 1, 2, 0], [1, 255, 2, 0]]


def test_palettes_suffixes_lists_and_one_folder(folders: Path) -> None:
    save_mask(folders / "masks" / "a.png", mode="P")
    assert read(folders, classes=["a", "b", "c"])[0][0].tolist() == MAP.tolist()
    (folders / "list.txt").write_text("/somewhere/b.jpg 1\n")
    maps, problems = read(folders, classes=["a", "b", "c"], list="list.txt")
    assert len(maps) == 1 and not problems.lines
    for name in ("x", "y"):
        save_picture(folders / "one" / f"{name}.png", 5 + ord(name), 4, 2)
        save_mask(folders / "one" / f"{name}_M.png")
    maps, problems = read(folders, classes=["a", "b", "c"], images="one", masks="one", mask_suffix="_M")
    assert len(maps) == 2 and not problems.lines
    with pytest.raises(UsageError, match="tell them apart with --mask-suffix"):
        read(folders, classes=["a"], images="one", masks="one")


def test_colour_masks(folders: Path) -> None:
    (folders / "colours.txt").write_text("10 0 0 road\n0 20 0 sky\n0 0 30 car\n0 0 0 void\n")
    palette = np.array([(10, 0, 0), (0, 20, 0), (0, 0, 30), *[(0, 0, 0)] * 253], np.uint8)
    for name in ("a", "sub/b"):
        save_mask(folders / "masks" / f"{name}.png", palette[MAP])
    maps, problems = read(folders, colours="colours.txt")
    assert not problems.lines and maps[1].tolist() == MAP.tolist()


def test_what_is_broken_is_named_and_left_out(folders: Path) -> None:
    (folders / "masks" / "sub" / "b.png").unlink()
    save_mask(folders / "masks" / "ghost.png")
    maps, problems = read(folders, classes=["a", "b"])
    assert not maps and problems.counts == {"missing image": 1, "broken mask": 1, "missing mask": 1}
    assert any("a.png: value 2 is no class; image left out" in line for line in problems.lines)
    assert any("ghost.png: no image of that name" in line for line in problems.lines)
    save_mask(folders / "masks" / "a.png", np.zeros((3, 4), np.uint8))
    _, problems = read(folders, classes=["a", "b"])
    assert any("shape (3, 4), the image is 4x2" in line for line in problems.lines)
    for options, error, complaint in (
        ({}, UsageError, "no class names; give --classes"), ({"images": "none"}, DataError, "no folder none with the"),
        ({"classes": ["a"], "first": "x"}, UsageError, "--first x: a whole number"),
        ({"classes": ["a"], "first": "255"}, DataError, "1 classes from value 255 on reach 255"),
    ):  # fmt: skip
        with pytest.raises(error, match=complaint):
            read(folders, **options)


def test_ignored_classes_become_void_and_unknown_ones_leave_the_image_out(folders: Path) -> None:
    source = read_source("masks", folders, {"classes": ["a", "b", "c"]})
    samples, _ = convert(source, ignore=["b"])
    assert samples[0].labels.semantic.tolist() == [[0, 0, 255, 1], [0, 255, 255, 1]]
    samples, problems = convert(source, class_names=["a", "c"])
    assert not samples and "unknown class 'b'" in problems.lines[0] and "--ignore-class" in problems.lines[0]


def test_whole_way_to_a_set_of_ours_and_back(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folders / "set"
    arguments = ["data", "import", str(folders), str(target), "--format", "masks", "--domain", "synthetic"]
    assert main([*arguments, "--classes", "a,b,c", "--size", "8"]) == 0
    assert "8x8, semantic (a, b, c)" in capsys.readouterr().out
    images = open_image_set(target)
    assert images.has == {"semantic"} and images.class_names == ("a", "b", "c") and images.ids == ["a", "b"]
    rows = images[0].labels.semantic
    assert (rows[:2] == 255).all() and (rows[6:] == 255).all()  # bars above and below are void
    assert rows[2].tolist() == np.repeat(MAP[0], 2).tolist() and rows[5].tolist() == np.repeat(MAP[1], 2).tolist()
    problems = Problems()
    verify_set(target, problems)
    assert not problems.lines
    # Again from our own layout, with another order of classes and one of them gone.
    samples, problems = convert(read_source("layout", target), class_names=["c", "b", "a"], ignore=["b"])
    assert not problems.lines and samples[0].labels.semantic[2].tolist() == [1, 1, 1, 1, 255, 255, 0, 0]


def test_verify_names_values_that_are_no_class(tmp_path: Path) -> None:
    writer = ImageSetWriter(tmp_path, domain="real", kind="photographs", class_names=["a"], labels=["semantic"])
    writer.add("x", picture(0, 4, 2), Labels(semantic=MAP))
    writer.close()
    problems = Problems()
    verify_set(tmp_path, problems)
    assert problems.counts == {"broken semantic": 1} and "value 1, but there are 1 classes" in problems.lines[0]


def test_pictures_are_tinted_by_class(folders: Path) -> None:
    image = np.full((2, 4, 3), 100, np.uint8)
    tinted = draw_semantic(image, MAP, 0.5)
    assert tinted[1, 1].tolist() == [100, 100, 100]
    assert tinted[0, 2].tolist() == pytest.approx([50 + v / 2 for v in class_colour(1)], abs=1)
    main(["data", "import", str(folders), str(folders / "set"), "--format", "masks", "--domain", "real",
          "--classes", "a,b,c"])  # fmt: skip
    images = open_image_set(folders / "set")
    tiles, titles = draw_tiles(images, [0])
    scale = tiles[0].shape[1] // 4
    shown = tiles[0][scale // 2 :: scale, scale // 2 :: scale]
    assert titles == ["a"]
    np.testing.assert_array_equal(shown, draw_semantic(images.image(0), MAP))
