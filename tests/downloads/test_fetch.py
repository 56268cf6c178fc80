"""``bench data fetch`` as a user types it: exit code, the lines, and what lies on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.downloads.fetch import PROGRESS_SECONDS, Pace
from bench.lease import Lease
from tests.downloads.archives import packed_zip
from tests.downloads.loopback import Loopback

Toy = Callable[..., int]
FILE = b"a picture" * 1000
SHA256 = hashlib.sha256(FILE).hexdigest()
ONE = 'mirrors = ["URL/set"]\nfiles = ["a.bin"]'
CHECKED = f'mirrors = ["URL/set"]\nfiles = [{{ path = "a.bin", sha256 = "{SHA256}" }}]'
PACKED = 'mirrors = ["URL/set"]\nunpack = "."\nfiles = ["x.zip"]'


def files(root: Path = Path("here")) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def packed(server: Loopback, tmp_path: Path) -> bytes:
    data = packed_zip(tmp_path / "made.zip", {"images/1.png": b"one", "images/2.png": b"two"}).read_bytes()
    server.files["/set/x.zip"] = data
    return data


def test_a_file_comes_once(toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    server.files["/set/a.bin"] = FILE
    assert toy(CHECKED) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "here: Toy: 1 of 1 files new",
        "licence: CC0, http://127.0.0.1/terms",
        "next: python -m bench data import here sets/toy --format images --domain real",
    ]
    assert err == "" and files() == [".fetched/a.bin.json", "a.bin"]
    assert toy(CHECKED) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "here: Toy: here already and right, nothing to do" and err == ""
    assert server.asked == [("/set/a.bin", "")]


def test_without_a_published_digest_the_first_one_counts(
    toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["/set/a.bin"] = FILE
    assert toy(ONE) == 0
    said = "a.bin: nobody published a digest; its sha256 is recorded in here/.fetched/a.bin.json, to be compared from"
    assert capsys.readouterr().err.splitlines() == [f"{said} now on"]
    assert json.loads(Path("here/.fetched/a.bin.json").read_text())["sha256"] == SHA256
    Path("here/a.bin").unlink()
    server.files["/set/a.bin"] = FILE + b"!"
    assert toy(ONE) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "/set/a.bin: sha256 is " in lines[0]
    assert lines[1].startswith("bench: here/a.bin: could not be fetched from its mirror")
    assert lines[1].endswith("if its publisher replaced it since the first time, remove here/.fetched/a.bin.json")
    assert files() == [".fetched/a.bin.json"]
    Path("here/.fetched/a.bin.json").unlink()
    assert toy(ONE) == 0


def test_a_file_that_was_changed_is_named_and_left_alone(
    toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["/set/a.bin"] = FILE
    assert toy(ONE) == 0
    Path("here/a.bin").write_bytes(FILE[::-1])
    capsys.readouterr()
    assert toy(ONE) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: here/a.bin: sha256 is ") and "remove it, or here/.fetched/a.bin.json if it" in line
    assert Path("here/a.bin").read_bytes() == FILE[::-1]


def test_an_archive_is_unpacked_and_removed(toy: Toy, server: Loopback, packed: bytes) -> None:
    assert toy(PACKED) == 0
    assert files() == [".fetched/x.zip.json", "images/1.png", "images/2.png"]
    assert toy(PACKED) == 0 and len(server.asked) == 1
    Path("here/images/2.png").unlink()
    assert toy(PACKED, "--keep") == 0
    assert files() == [".fetched/x.zip.json", "images/1.png", "images/2.png", "x.zip"] and len(server.asked) == 2


def test_a_stop_between_arrival_and_unpacking(toy: Toy, server: Loopback, packed: bytes) -> None:
    """The archive is there, and its record says that it came from here: no second download, and removed in the end."""
    Path("here/.fetched").mkdir(parents=True)
    Path("here/x.zip").write_bytes(packed)
    record = {"sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed), "files": {}}
    Path("here/.fetched/x.zip.json").write_text(json.dumps(record))
    Path("here/.fetched/x.zip.unpacked/images").mkdir(parents=True)
    assert toy(PACKED) == 0
    assert files() == [".fetched/x.zip.json", "images/1.png", "images/2.png"] and server.asked == []


def test_a_broken_archive_is_one_line(toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    server.files["/set/x.zip"] = b"<html>please log in</html>"
    assert toy(PACKED) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "bench: here/x.zip: broken archive (File is not a zip file); remove it and fetch it again"
    )
    assert files() == [".fetched/x.zip.json", "x.zip"]


def test_terms_come_first(toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    server.files["/set/a.bin"] = FILE
    assert toy(ONE, access="licence") == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == ["Toy", "licence: CC0, http://127.0.0.1/terms"]
    assert err == "bench: toy: read its terms at http://127.0.0.1/terms, then add --accept-licence\n"
    assert not Path("here").exists() and server.asked == []
    assert toy(ONE, "--accept-licence", access="licence") == 0
    assert toy(ONE, access="licence") == 0, "what is here asks for nothing"


LOGIN = 'unpack = "."\nfiles = ["x.zip", "y.zip"]\nplace = ["1. log in", "2. put both into {root}"]'


def test_a_login_is_explained_and_what_was_placed_is_unpacked(
    toy: Toy, server: Loopback, packed: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("here").mkdir()
    Path("here/y.zip").write_bytes(packed)
    assert toy(LOGIN, access="login") == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "Toy",
        "licence: CC0, http://127.0.0.1/terms",
        "1. log in",
        "2. put both into here",
        "then: python -m bench data import here sets/toy --format images --domain real",
    ]
    assert err == "bench: toy: needs a login, so only you can fetch it; put x.zip into here\n"
    assert files() == ["y.zip"]
    Path("here/x.zip").write_bytes(packed)
    assert toy(LOGIN, access="login") == 0
    assert files() == [
        ".fetched/x.zip.json", ".fetched/y.zip.json", "images/1.png", "images/2.png", "x.zip", "y.zip",
    ], "what a person placed stays"  # fmt: skip
    assert capsys.readouterr().out.splitlines()[0] == "here: Toy: 2 of 2 files new" and server.asked == []


def test_a_dry_run_asks_nobody(toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    lines = f'mirrors = ["URL/one", "URL/two"]\nfiles = ["b.bin", {{ path = "a.bin", bytes = 9, sha256 = "{SHA256}" }}]'
    assert toy(lines, "--dry-run", access="licence") == 0
    assert capsys.readouterr().out.splitlines() == [
        "here: Toy (size not known in all), access: licence",
        "licence: CC0, http://127.0.0.1/terms",
        f"b.bin: size not known, no digest known, from {server.url}/one/b.bin (2 mirrors)",
        f"a.bin: 9 B, sha256 known, from {server.url}/one/a.bin (2 mirrors)",
    ]
    assert server.asked == [] and not Path("here").exists()
    assert toy(LOGIN, "--dry-run", access="login") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[2:5] == [*[f"{name}.zip: size not known, no digest known, by hand" for name in "xy"], "1. log in"]


def test_part_of_a_set(toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    server.files |= {"/set/01_images.bin": FILE, "/set/day/02_images.bin": FILE}
    lines = 'mirrors = ["URL/set"]\nfiles = ["01_images.bin", "day/02_images.bin"]'
    assert toy(lines, "--only", "01_*") == 0
    assert toy(lines, "--only", "day/*") == 0
    assert [path for path, _ in server.asked] == ["/set/01_images.bin", "/set/day/02_images.bin"]
    capsys.readouterr()
    assert toy(lines, "--only", "3*") == 2
    line = "bench: --only 3*: matches no file (there are 01_images.bin, 02_images.bin, ...)\n"
    assert capsys.readouterr().err == line


def test_mirrors_of_ones_own_come_first(toy: Toy, server: Loopback) -> None:
    server.files |= {"/company/a.bin": FILE, "/set/a.bin": FILE}
    assert toy(CHECKED + '\n[mirrors]\ntoy = ["URL/company"]') == 0
    assert server.asked == [("/company/a.bin", "")]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mnits"], "unknown public set 'mnits' (did you mean 'mnist'?); `bench data fetch` lists all"),
        (["mnist", "--timeout", "0"], "--timeout must be above 0, and --retries 0 or more"),
        (["mnist", "--retries", "-1"], "--timeout must be above 0, and --retries 0 or more"),
        (["mnist", "--catalogue", "none.toml"], "none.toml: cannot be read ([Errno 2] No such file or directory: "),
        (["mnist", "--root", "taken"], "taken: is a file; name a folder with --root"),
    ],
)
def test_impossible_requests(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    assert main(["data", "fetch", *arguments]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"bench: {line}")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_two_at_once_in_one_folder(toy: Toy, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    lease = Lease(Path("here/.fetched/lock"))
    assert lease.acquire()
    with lease:
        assert toy(ONE) == 2
    assert capsys.readouterr().err == "bench: here: another fetch is at work there; wait for it\n"
    server.files["/set/a.bin"] = FILE
    assert toy(ONE) == 0


def test_a_record_that_cannot_be_read_counts_as_none(toy: Toy, server: Loopback) -> None:
    server.files["/set/a.bin"] = FILE
    assert toy(ONE) == 0
    for broken in ("", "[]", '{"sha256": "x"}', '{"sha256": "x", "bytes": 1, "files": [1]}'):
        Path("here/.fetched/a.bin.json").write_text(broken)
        assert toy(ONE) == 0
        assert json.loads(Path("here/.fetched/a.bin.json").read_text())["sha256"] == SHA256
    assert len(server.asked) == 1, "the file itself was there"


def test_progress_is_told_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from bench.downloads import fetch as fetching

    now = [0.0]
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: now[0]))
    lines: list[str] = []
    pace = Pace("a.bin", lines.append)
    for second in range(25):
        now[0] = float(second)
        pace(second * 1_000_000, 50_000_000 if second < 15 else None)
    assert PROGRESS_SECONDS == 10
    assert lines == ["a.bin: 10 MB of 50 MB, 1 MB/s", "a.bin: 20 MB, 1 MB/s"]
