"""TOML, JSON, YAML, XML and CSV that are too large, too deep, or say strange things: one line, exit code 2."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.baseline import load_side
from bench.claims import read_claims
from bench.errors import BenchError, DataError, UsageError, did_you_mean
from bench.formats.layout import open_image_set
from bench.reading import read_json, read_toml
from bench.results import read_rows
from bench.suite import load_suite
from bench.worlds.bop_files import read_instances
from tests.hostile import seeds
from tests.hostile.conftest import Said

Bench = Callable[..., Said]
DEEP = 100_000
SUITES = {
    "a megabyte of comments": ("#" * 79 + "\n") * 13_200,
    "a megabyte of a string": f'title = "{"x" * 2**20}"',
    "ten megabytes": "x = 1\n" * 1_700_000,
    "deep arrays": "x = " + "[" * DEEP + "]" * DEEP,
    "deep tables": "x = " + "{a=" * DEEP + "1" + "}" * DEEP,
    "deep keys": ".".join(["a"] * DEEP) + " = 1",
    "deep quoted keys": ".".join(['"a"'] * DEEP) + " = 1",
    "a deep header": "[" + ".".join(["a"] * DEEP) + "]",
    "many keys": "".join(f"k{k} = 1\n" for k in range(60_000)),
    "a misspelt key of 200 kB": f"{'x' * 200_000} = 1",
    "a huge integer": "seed = " + "9" * 5000,
    "an integer of 400 digits": "seed = " + "9" * 400,
    "a key twice": "schema = 1\nschema = 1",
    "a table twice": "[world]\n[world]",
    "nan": seeds.SUITE.replace("ratio = 1.5", "ratio = nan"),
    "inf": seeds.SUITE.replace("ratio = 1.5", "ratio = inf"),
    "nan for a plug-in": seeds.SUITE + '[refiner.toy-brighten]\ngain = nan\n',
    "-inf in a list": seeds.SUITE.replace('name = "toy-world"', 'name = "toy-world", x = [1.0, -inf]'),
    "a billion replicates": seeds.SUITE.replace("replicates = 2", "replicates = 1000000000"),
    "a thousand times a thousand cells": seeds.SUITE.replace("replicates = 2", "replicates = 10000").replace(
        "models = [", "models = [" + '"toy-level", ' * 50
    ).replace("[profiles.quick]", "[profiles.quick]\nreplicates = 10000"),
    "a NUL": "x = \"a\0b\"", "a control character": "x = \"a\x1bb\"", "half a character": b"x = '\xc3'",
    "UTF-16": seeds.SUITE.encode("utf-16"), "a byte order mark alone": b"\xef\xbb\xbf",
    "profiles that are no table": seeds.SUITE.split("[profiles")[0].replace("schema", "profiles = 3\nschema"),
    "a profile that is no table": seeds.SUITE.split("[profiles")[0] + "[profiles]\nquick = 3",
    "variants that are no table": "variants = [1]\n" + seeds.SUITE.split("[variants")[0],
    "a world without a name": seeds.SUITE.replace('name = "toy-world"', "name = 3"),
    "a world that is a number": seeds.SUITE.replace('world = { name = "toy-world" }', "world = 3"),
    "arms that are tables": seeds.SUITE.replace('"synthetic", "refined(toy-same)"', "{}, []"),
    "an arm of a megabyte less": seeds.SUITE.replace('"real"', f'"{"(" * 500_000}"'),
}  # fmt: skip


@pytest.mark.parametrize("name", SUITES)
def test_suite_files(name: str, tmp_path: Path, bench: Bench) -> None:
    text = SUITES[name]
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    started = time.monotonic()
    said = bench("plan", "--suite", path, "--store", tmp_path / "store", "--plugin", seeds.__file__.replace(
        "hostile/seeds.py", "toy.py"))  # fmt: skip
    assert said.code == 2 and len(said.lines) == 1 and len(said.err) < 3000
    assert "mine.toml" in said.err or "arm" in said.err
    assert time.monotonic() - started < 20


HEAVY = [name for name in SUITES if any(word in name for word in ("deep", "integer", "a megabyte of"))]


@pytest.mark.parametrize("name", HEAVY)
def test_other_toml(name: str, tmp_path: Path) -> None:
    for file, read in (("claims.toml", read_claims), ("suite.toml", lambda path: load_side(path.parent))):
        seeds.tables(tmp_path)
        (tmp_path / file).write_text(str(SUITES[name]))
        with pytest.raises(BenchError):
            read(tmp_path / file)


def test_a_suite_of_just_under_a_megabyte_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(("#" * 79 + "\n") * 13_000 + seeds.SUITE)
    assert load_suite(str(tmp_path / "x.toml")).name == "toy"


JSONS = {
    "deep arrays": "[" * DEEP + "]" * DEEP, "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "never closed": "[" * DEEP,
    "a huge integer": "9" * 5000, "a key twice": '{"images": [], "images": []}', "nothing": "", "a NUL": "\0",
    "not UTF-8": b"\xff\xfe{}",
}  # fmt: skip


@pytest.mark.parametrize("name", JSONS)
def test_json_everywhere(name: str, tmp_path: Path, bench: Bench) -> None:
    data = JSONS[name] if isinstance(JSONS[name], bytes) else str(JSONS[name]).encode()
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"\w"):
        read_json(tmp_path / "x.json")
    seeds.coco(tmp_path / "coco")
    (tmp_path / "coco" / "annotations.json").write_bytes(data)
    seeds.bop(tmp_path / "bop")
    (tmp_path / "bop" / "000001" / "scene_gt.json").write_bytes(data)
    with pytest.raises(DataError):
        read_instances([tmp_path / "bop"])
    seeds.layout(tmp_path / "layout")
    (tmp_path / "layout" / "annotations.json").write_bytes(data)
    with pytest.raises(DataError):
        open_image_set(tmp_path / "layout")
    for format in ("coco", "bop", "layout"):
        said = bench("data", "import", "--format", format, tmp_path / format, tmp_path / "x", "--domain", "real")
        assert said.code == 2 and len(said.lines) == 1 and not (tmp_path / "x").exists()
    assert bench("data", "verify", tmp_path / "layout").code == 2
    seeds.fit(tmp_path / "fit")
    (tmp_path / "fit" / "artifact.json").write_bytes(data)
    seeds.tables(tmp_path / "run")
    (tmp_path / "run" / "environment.json").write_bytes(data)
    (tmp_path / "run" / "keys.json").write_bytes(data)
    for refiner in ("fit", "run"):
        said = bench(
            "refine", "--refiner", tmp_path / refiner, "--input", tmp_path / "coco", "--output", tmp_path / "o"
        )
        assert said.code == 2 and len(said.lines) == 1
    assert bench("compare", tmp_path / "run", tmp_path / "run").code == 2
    assert bench("gc", "--runs", tmp_path / "run", "--store", tmp_path / "store").code == 2


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "9" * 400, '"x"', "null", "true", "[1]", "{}", "-1e300"])
def test_numbers_in_label_files(value: str, tmp_path: Path, bench: Bench) -> None:
    """In the place of each number of a COCO file, a BOP scene and an image set."""
    for format, build, file, old in (
        ("coco", seeds.coco, "annotations.json", '"bbox": [2, 2, 6, 5]'),
        ("coco", seeds.coco, "annotations.json", '"width": 16'),
        ("bop", seeds.bop, "000001/scene_gt_info.json", '"bbox_visib": [2, 2, 6, 5]'),
        ("bop", seeds.bop, "000001/scene_gt_info.json", '"visib_fract": 0.9'),
        ("bop", seeds.bop, "000001/scene_camera.json", '"depth_scale": 1.0'),
        ("bop", seeds.bop, "000001/scene_gt.json", '"obj_id": 1'),
        ("layout", seeds.layout, "annotations.json", '"bbox":[2.0,2.0,7.0,6.0]'),
        ("layout", seeds.layout, "annotations.json", '"width":16'),
        ("layout", seeds.layout, "annotations.json", '"v":[1.0,1.0,1.0]'),
    ):  # fmt: skip
        root = tmp_path / f"{format}{len(list(tmp_path.iterdir()))}"
        build(root)
        text = (root / file).read_text()
        key, _, number = old.partition(":")
        new = f"{key}: [{', '.join([value] * 4)}]" if "[" in number else f"{key}: {value}"
        assert old in text
        (root / file).write_text(text.replace(old, new, 1))
        target = root.with_name(f"{root.name}-x")
        said = bench("data", "import", "--format", format, root, target, "--domain", "real")
        assert said.code in (0, 2) and (said.code == 0) == target.exists()
        if target.exists():
            assert all(sample.image.size for sample in open_image_set(target))


def test_yaml_that_unfolds(tmp_path: Path, bench: Bench) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    for text in (
        "\n".join([*lines, "names: *a11"]), "\n".join([*lines, "names: [*a11]"]), "names: " + "[" * 3000 + "]" * 3000,
        "names: [" + "x, " * 200_000 + "]", "names: " + "- " * 50_000, "names: {0: a, 2: b}",
        "names: {0: a, b: c}", "names: 3", "- names", "&a *a",
        "names: &n [*n]", "names: [2001-13-45]",
    ):  # fmt: skip
        seeds.yolo(tmp_path / "in")
        (tmp_path / "in" / "data.yaml").write_text(text)
        said = bench("data", "import", "--format", "yolo", tmp_path / "in", tmp_path / "x", "--domain", "real")
        assert said.code == 2 and len(said.lines) == 1 and len(said.err) < 3000, text[:60]
        for path in sorted((tmp_path / "in").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


XML = '<?xml version="1.0"?><!DOCTYPE a [{}]><annotation><filename>{}</filename></annotation>'


def test_xml_entities(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    laughs = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 12))
    outer = f'<!ENTITY x SYSTEM "file://{tmp_path}/secret.txt">'
    documents = [XML.format(laughs, "&a11;"), XML.format(outer, "&x;"), "<a>" * DEEP + "</a>" * DEEP, "<a>" * DEEP, ""]
    for number, document in enumerate([*documents, XML.format(laughs, "&a11;").encode("utf-16")]):
        root = tmp_path / str(number)
        seeds.voc(root)
        data = document if isinstance(document, bytes) else document.encode()
        (root / "Annotations" / "1.xml").write_bytes(data)
        said = bench("data", "import", "--format", "voc", root, tmp_path / f"x{number}", "--domain", "real")
        deep = number == 2  # many elements in each other are no harm: an image without objects
        assert said.code == 0 and len(said.lines) == (0 if deep else 1) and "secret" not in said.err
        assert len(open_image_set(tmp_path / f"x{number}")) == (3 if deep else 2)


def test_csv_tables(tmp_path: Path, bench: Bench) -> None:
    for number, tail in enumerate(['"' + "x" * 200_000, "x" * 200_000, "\0", "\r\r\r", '"a\n' * 5, "a,b,c," * 10_000]):
        root = tmp_path / str(number)
        seeds.csv(root)
        with (root / "boxes.csv").open("a") as file:
            file.write(tail)
        said = bench("data", "import", "--format", "csv", root, tmp_path / f"x{number}", "--domain", "real")
        assert said.code in (0, 2) and all(len(line) < 3000 for line in said.lines)
        seeds.tables(root)
        for name in ("rows.csv", "quality.csv"):
            with (root / name).open("a") as file:
                file.write(tail)
        if tail.strip("\r"):
            with pytest.raises(DataError, match=r"rows\.csv"):
                read_rows(root / "rows.csv")


def test_suggestions_take_no_time_and_no_page() -> None:
    many = [f"class number {k}" for k in range(200_000)]
    started = time.process_time()
    assert len(did_you_mean("clas number 3", many)) < 2000 and len(did_you_mean("x" * 10**6, ["y" * 10])) < 100
    assert time.process_time() - started < 2


def test_toml_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"a = 1\r\n[b]\r\nc = 'x'\r\n")
    assert read_toml(tmp_path / "x.toml") == {"a": 1, "b": {"c": "x"}}
    with pytest.raises(UsageError, match="no such suite file"):
        load_suite(str(tmp_path / "y.toml"))
