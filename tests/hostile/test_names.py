"""File and class names in any script, of any length, with marks that are not seen: kept, or refused in one line."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.formats.layout import open_image_set
from bench.formats.names import ids_of
from bench.formats.source import Problems
from bench.reading import shown
from tests.hostile import seeds
from tests.hostile.conftest import Said

Bench = Callable[..., Said]
STEMS = [
    "صورة", "图片", "изображение", "תמונה", "写真", "ภาพ", "🧃🥫", "👩‍🔬", "e\u0301\u0302\u0323", "a\u202egnp",
    "\u200fx", "-rf",
    "--help", " x ", "x y",
    "a\nb", "a\tb", "\x1b[31mred", "x" * 251, "é" * 125, "'; rm -rf", "$(touch x)", "`x`", "%s",
    "a&b", "<b>", "CON", "nul", "x.tar", "…", "#x", "~", "a=b", "*", "?", "[x]", "{x}",
]  # fmt: skip


@pytest.mark.parametrize("stem", STEMS)
def test_file_names(stem: str, tmp_path: Path, bench: Bench, refine: Bench) -> None:
    seeds.coco(tmp_path / "in")
    (tmp_path / "in" / "1.png").rename(tmp_path / "in" / f"{stem}.png")
    data = json.loads((tmp_path / "in" / "annotations.json").read_text())
    data["images"][1]["file_name"] = f"{stem}.png"
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(data))
    (tmp_path / "plain").mkdir()
    for path in (tmp_path / "in").glob("*.png"):
        (tmp_path / "plain" / path.name).write_bytes(path.read_bytes())
    expected = 3 if stem == stem.strip() else 2
    said = bench("data", "import", "--format", "coco", tmp_path / "in", tmp_path / "x", "--domain", "real")
    assert said.code == 0 and len(open_image_set(tmp_path / "x")) == expected
    assert bench("data", "verify", tmp_path / "x").code == 0
    said = bench("data", "import", "--format", "images", tmp_path / "plain", tmp_path / "y", "--domain", "real")
    assert said.code == 0 and len(open_image_set(tmp_path / "y")) == 3
    assert bench("data", "export", tmp_path / "x", tmp_path / "yolo", "--format", "yolo").code == 0
    assert refine(tmp_path / "plain", tmp_path / "out").code == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {p.name for p in (tmp_path / "plain").iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit", "in", "out", "plain", "x", "y", "yolo"]


def test_a_name_that_is_no_utf_8(tmp_path: Path, bench: Bench, refine: Bench) -> None:
    seeds.coco(tmp_path / "in")
    (tmp_path / "in" / "annotations.json").unlink()
    os.rename(tmp_path / "in" / "1.png", os.fsencode(tmp_path / "in") + b"/\xff\xfe.png")  # noqa: PTH104 - bytes
    said = bench("data", "import", "--format", "images", tmp_path / "in", tmp_path / "x", "--domain", "real")
    assert said.code == 0 and len(open_image_set(tmp_path / "x")) == 3
    assert bench("data", "verify", tmp_path / "x").code == 0
    assert refine(tmp_path / "in", tmp_path / "out").code == 0


def test_names_too_alike(tmp_path: Path, bench: Bench) -> None:
    for pair in (("A", "a"), ("ß", "SS"), (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"))):
        with pytest.raises(DataError, match="too alike for one folder"):
            ids_of([f"{name}.png" for name in pair])
    seeds.coco(tmp_path / "in")
    (tmp_path / "in" / "X.png").write_bytes((tmp_path / "in" / "1.png").read_bytes())
    (tmp_path / "in" / "1.png").rename(tmp_path / "in" / "x.png")
    said = bench("data", "import", "--format", "images", tmp_path / "in", tmp_path / "x", "--domain", "real")
    assert said.code == 2 and len(said.lines) == 1 and not (tmp_path / "x").exists()


def test_long_paths_become_short_ids_that_differ() -> None:
    names = [f"{'a' * 100}/{'b' * 100}/{k}/{'c' * 100}.png" for k in range(3)]
    ids = ids_of(names)
    assert len(set(ids)) == 3 and all(len(id.encode()) <= 230 for id in ids)
    assert ids_of(["文" * 84 + ".png"]) != ids_of(["文" * 83 + "字.png"])


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\x1b[2J", "x" * 300, "\ud800", "a\u2028b"])
def test_class_names_that_no_list_can_hold(name: str, tmp_path: Path, bench: Bench) -> None:
    seeds.coco(tmp_path / "in")
    data = json.loads((tmp_path / "in" / "annotations.json").read_text())
    data["categories"][0]["name"] = name
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(data))
    said = bench("data", "import", "--format", "coco", tmp_path / "in", tmp_path / "x", "--domain", "real")
    assert said.code == 2 and len(said.lines) == 1 and "class" in said.err and "\x1b" not in said.err
    seeds.layout(tmp_path / "set")
    data = json.loads((tmp_path / "set" / "manifest.json").read_text())
    (tmp_path / "set" / "manifest.json").write_text(json.dumps(data | {"classes": [name, "can"]}))
    with pytest.raises(DataError, match="class"):
        open_image_set(tmp_path / "set")


@pytest.mark.parametrize(
    "name", ["علبة", "罐", "🥫", "<b>jar</b>", "=1+1", "a,b", 'a"b', "a: b", "null", "-", "a\u202eb"],
)
def test_class_names_in_any_script(name: str, tmp_path: Path, bench: Bench) -> None:
    seeds.coco(tmp_path / "in")
    data = json.loads((tmp_path / "in" / "annotations.json").read_text())
    data["categories"][0]["name"] = name
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(data))
    assert bench("data", "import", "--format", "coco", tmp_path / "in", tmp_path / "x", "--domain", "real").code == 0
    for format in ("coco", "yolo"):
        assert bench("data", "export", tmp_path / "x", tmp_path / format, "--format", format).code == 0
        target = tmp_path / f"y{format}"
        said = bench("data", "import", "--format", format, tmp_path / format, target, "--domain", "real")
        assert said.code == 0 and open_image_set(target).class_names == (name, "can")


def test_what_is_told_is_one_visible_line() -> None:
    text = shown("a\nb\x1b]0;title\x07\r\u202ec\u2066\ud800\0" + "x" * 10_000)
    assert text.startswith("a\\nb\\x1b]0;title\\x07\\r\\u202ec\\u2066\\ud800\\x00x") and len(text) < 2100
    assert shown("علبة 罐 🥫 é — “x”") == "علبة 罐 🥫 é — “x”"
    told: list[str] = []
    Problems(told.append).add("kind", "a\nb: forged", "\x1b[2J", "mend")
    assert told == ["a\\nb: forged: \\x1b[2J; mend"]
