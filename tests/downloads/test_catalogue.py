"""The shipped catalogue is sound and its commands are real; broken ones of users are one line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli.main import build_parser, main
from bench.downloads.catalogue import SHIPPED, known_sets, read_catalogue, size_text
from bench.errors import DataError
from bench.formats.registry import reader_options
from bench.suite import load_suite
from tests.downloads.conftest import SET

SETS = known_sets()
PAGE = (Path(__file__).parent.parent.parent / "docs" / "public-sets.md").read_text(encoding="utf-8")
WANTED = "lm nyuv2 kitti vkitti camvid cityscapes gta5 mnist usps mnist-m groceries-real synthdet"


def test_the_sets_of_the_papers_are_there() -> None:
    assert set(WANTED.split()) <= set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_every_shipped_set(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It has a licence and terms; its commands parse, and their suites, variants and settings exist."""
    chosen = SETS[name]
    assert chosen.licence and chosen.terms and chosen.home
    assert not any("\n" in text for text in (chosen.title, chosen.licence, chosen.purpose))
    for command in chosen.then:
        args = build_parser().parse_args(shlex.split(command.replace("{root}", "data/public/x"), comments=True))
        if args.verb == "run":
            suite = load_suite(args.suite, args.profile, args.settings, args.variant)
            assert str(suite.world["root"]).endswith("data/public/x") if isinstance(suite.world, dict) else suite.world
        else:
            given = {key.removeprefix("reader_") for key, value in vars(args).items() if "reader_" in key and value}
            known = {option.key for option, formats in reader_options().items() if args.format in formats}
            assert given <= known, "options of that format"
    assert main(["data", "fetch", name, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert chosen.terms in out and len(out.splitlines()) >= 2 + len(chosen.files)


@pytest.mark.parametrize("name", SETS)
def test_the_documentation_has_every_set(name: str) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(name)}` \|.*$", PAGE, re.MULTILINE)
    chosen = SETS[name]
    assert f"| {chosen.access} |" in row and chosen.terms in row
    if chosen.access == "login":
        assert f"### {name}" in PAGE


def test_each_file_of_the_folder_says_where_it_was_verified() -> None:
    for path in SHIPPED.glob("*.toml"):
        assert path.read_text(encoding="utf-8").startswith("# ")


def test_sets_of_one_world_share_a_folder() -> None:
    assert {SETS[name].folder for name in ("mnist", "usps", "mnist-m")} == {"digits"}


def test_without_a_name_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1:2]] == list(SETS)
    assert any("2.97 GB" in line and "nyuv2" in line for line in lines)


def test_cityscapes_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "fetch", "cityscapes"]) == 2
    out, err = capsys.readouterr()
    assert "3. put both into data/public/cityscapes, as they are, and run this command again" in out
    assert "then: python -m bench data import data/public/cityscapes sets/city-val --format cityscapes" in out
    assert len(err.splitlines()) == 1 and "needs a login" in err and not list(tmp_path.iterdir())


GOOD = SET.replace("ACCESS", "open") + 'mirrors = ["http://x.org/y"]\nfiles = ["a.zip"]\n'


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("title", "titel", "unknown key (did you mean 'title'?)"),
        ('licence = "CC0"', "", "sets.toy.licence: is missing"),
        ('"CC0"', '""', "sets.toy.licence: String should have at least 1 character"),
        ('"open"', '"free"', "sets.toy.access: Input should be 'open', 'licence' or 'login'"),
        ('"open"', '"login"', "'place' says what to do by hand"),
        ("http://x.org/y", "ftp://x.org/y", "must be an http or https address"),
        ("http://x.org/y", "http://me:secret@x.org/y", "must be an http or https address"),
        ("http://x.org/y", "file:///etc", "must be an http or https address"),
        ('mirrors = ["http://x.org/y"]', "", "'a.zip' has no address"),
        ('["a.zip"]', "[]", "sets.toy.files: Tuple should have at least 1 item"),
        ('["a.zip"]', '["../a.zip"]', "must be a relative path"),
        ('["a.zip"]', '["/a.zip"]', "must be a relative path"),
        ('["a.zip"]', '["a.zip", "b/a.zip"]', "two files are called 'a.zip'"),
        ('"a.zip"', '{ path = "a.zip", unpack = ".." }', "must be a relative path"),
        ('"a.zip"', '{ path = "a.rar", unpack = "." }', "'a.rar' cannot be unpacked"),
        ('"a.zip"', '{ path = "a.zip", inside = "x" }', "'inside' needs 'unpack'"),
        ('"a.zip"', '{ path = "a.zip", sha256 = "12" }', "sets.toy.files.0.sha256: String should match pattern"),
        ('"a.zip"', '{ path = "a.zip", bytes = 0 }', "sets.toy.files.0.bytes: Input should be greater than or equal"),
        ("[sets.toy]", '[sets."To y"]', "names are small letters"),
        ("[sets.toy]", "[sets.toy", "cannot be read"),
        ("files =", '[mirrors]\nother = ["http://x.org"]\n[sets.more]\nfiles =', "sets.toy.files: is missing"),
    ],
)
def test_broken_catalogues_are_one_line(old: str, new: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(DataError) as caught:
        known_sets(path)
    assert str(caught.value).startswith(str(path)) and line in str(caught.value) and "\n" not in str(caught.value)


def test_a_catalogue_of_ones_own_replaces_and_adds(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace("sets.toy", "sets.mnist") + '[mirrors]\nusps = ["http://x.org/usps"]\n')
    sets = known_sets(path)
    assert sets["mnist"].title == "Toy" and set(sets) == set(SETS)
    assert sets["usps"].addresses(sets["usps"].files[0])[0] == "http://x.org/usps/usps.bz2"
    path.write_text('[mirrors]\nuspss = ["http://x.org/usps"]\n')
    with pytest.raises(DataError, match=r"own\.toml: mirrors\.uspss: no such set \(did you mean 'usps'\?\)"):
        known_sets(path)
    path.write_text("")
    assert read_catalogue(path).sets == {}


def test_addresses_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace('"a.zip"', '"b c/a#1.zip"'))
    toy = known_sets(path)["toy"]
    assert toy.addresses(toy.files[0]) == ("http://x.org/y/b%20c/a%231.zip",)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (2_972_037_809, "2.97 GB")]
)
def test_sizes_in_words(count: int, text: str) -> None:
    assert size_text(count) == text
