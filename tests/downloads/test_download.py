"""One file from servers that serve well and badly: what is left on disk, what is said, what is asked."""

from __future__ import annotations

import errno
import hashlib
import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.downloads import download as downloading
from bench.downloads.download import Expected, Policy, download
from bench.downloads.http import RefusedError, check_redirect
from bench.errors import DataError
from tests.downloads.loopback import Loopback

DATA = np.random.default_rng(0).bytes(300_000)
SHA256, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()
QUICK = Policy(timeout=5, retries=3)


class Fetching:
    """Downloads to one place; what was told and where progress was."""

    def __init__(self, root: Path, server: Loopback) -> None:
        self.target, self.server = root / "data.bin", server
        self.lines: list[str] = []
        self.progress: list[tuple[int, int | None]] = []

    def __call__(self, *paths: str, policy: Policy = QUICK, **expected: Any) -> str:
        urls = [path if "://" in path else self.server.url + path for path in paths]
        return download(
            urls, self.target, Expected(**expected), policy=policy, tell=self.lines.append,
            progress=lambda count, total: self.progress.append((count, total)),
        )  # fmt: skip

    def left(self) -> list[str]:
        return sorted(path.name for path in self.target.parent.iterdir())


@pytest.fixture
def fetching(tmp_path: Path, server: Loopback) -> Fetching:
    (tmp_path / "root").mkdir()
    server.files |= {"/a": DATA, "/b": DATA}
    return Fetching(tmp_path / "root", server)


def test_a_good_server_is_asked_once(fetching: Fetching) -> None:
    assert fetching("/a", sha256=SHA256, size=len(DATA)) == SHA256
    assert fetching.target.read_bytes() == DATA
    assert (fetching.left(), fetching.lines) == (["data.bin"], [])
    assert fetching.server.asked == [("/a", "")]
    assert fetching.progress[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"md5": MD5}, {}])
def test_a_broken_connection_is_gone_on_with(fetching: Fetching, waits: list[float], known: dict[str, str]) -> None:
    fetching.server.moods["/a"] = ["breaks 100000", "breaks 50000", "well"]
    fetching.server.etags["/a"] = '"one"'
    assert fetching("/a", **known) == SHA256
    assert fetching.target.read_bytes() == DATA and fetching.left() == ["data.bin"]
    assert [asked for _, asked in fetching.server.asked] == ["", "bytes=100000-", "bytes=150000-"]
    assert fetching.lines == [
        "data.bin: broke off after 100 kB of 300 kB; trying again in 1 s",
        "data.bin: broke off after 150 kB of 300 kB; trying again in 1 s",
    ]
    assert waits == [1, 1], "a try that brought something counts as none"


def test_waits_double_and_end(fetching: Fetching, waits: list[float]) -> None:
    fetching.server.moods["/a"] = ["status 503"]
    with pytest.raises(DataError, match=r"data\.bin: could not be fetched from its mirror; see the lines above"):
        fetching("/a")
    assert waits == [1, 2, 4] and fetching.left() == []
    assert fetching.lines[-1].endswith("/a: answered 503 (Service Unavailable) (4 tries)")


def test_a_later_run_goes_on_where_the_last_one_stopped(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["breaks 1000", "breaks 0"]
    fetching.server.etags["/a"] = '"one"'
    with pytest.raises(DataError, match=r"1 kB are kept, run the same command again to go on$"):
        fetching("/a")
    assert fetching.left() == ["data.bin.part", "data.bin.part.json"]
    assert (fetching.target.parent / "data.bin.part").read_bytes() == DATA[:1000]
    fetching.server.moods["/a"] = ["well"]
    assert fetching("/a") == SHA256
    assert fetching.server.asked[-1] == ("/a", "bytes=1000-") and fetching.left() == ["data.bin"]


def test_another_version_on_the_server_is_fetched_whole(fetching: Fetching) -> None:
    """The first bytes are of the old one: If-Range says so, and the server sends all of the new one."""
    fetching.server.moods["/a"] = ["breaks 1000", "breaks 0"]
    fetching.server.etags["/a"] = '"old"'
    with pytest.raises(DataError):
        fetching("/a")
    fetching.server.moods["/a"], fetching.server.etags["/a"] = ["well"], '"new"'
    fetching.server.files["/a"] = DATA[::-1]
    fetching("/a")
    assert fetching.target.read_bytes() == DATA[::-1]
    assert "has another version; starting again" in fetching.lines[-1]


def test_without_validator_and_digest_nothing_is_resumed(fetching: Fetching) -> None:
    """Nobody could tell whether the rest belongs to the bytes that are here."""
    fetching.server.moods["/a"] = ["breaks 1000", "well"]
    fetching("/a")
    assert [asked for _, asked in fetching.server.asked] == ["", ""]
    assert fetching.target.read_bytes() == DATA


def test_a_server_that_ignores_ranges_starts_again(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["breaks 1000", "whole"]
    assert fetching("/a", sha256=SHA256) == SHA256
    assert fetching.server.asked[-1] == ("/a", "bytes=1000-") and fetching.target.read_bytes() == DATA


def test_a_server_that_always_breaks_off_and_ignores_ranges_is_given_up(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["breaks 500"]
    with pytest.raises(DataError, match="could not be fetched"):
        fetching("/a")
    assert len(fetching.server.asked) == 4 and not fetching.target.exists()


def test_a_corrupted_byte_sends_to_the_next_mirror(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["corrupt"]
    assert fetching("/a", "/b", sha256=SHA256) == SHA256
    assert fetching.left() == ["data.bin"] and fetching.target.read_bytes() == DATA
    (line,) = fetching.lines
    assert line.startswith(f"data.bin: {fetching.server.url}/a: sha256 is ") and line.endswith("trying the next mirror")


def test_corrupt_everywhere_leaves_nothing(fetching: Fetching) -> None:
    fetching.server.moods |= {"/a": ["corrupt"], "/b": ["corrupt"]}
    with pytest.raises(DataError, match="could not be fetched from any of 2 mirrors; see the lines above"):
        fetching("/a", "/b", md5=MD5)
    assert fetching.left() == []


def test_a_rest_that_does_not_fit_is_fetched_whole_once(fetching: Fetching) -> None:
    """The first mirror breaks off in wrong bytes; the digest finds it after the second one's rest."""
    fetching.server.files["/a"] = bytes(1000)
    fetching.server.moods["/a"] = ["lies 500", "status 404"]
    assert fetching("/a", "/b", sha256=SHA256) == SHA256
    assert [asked for path, asked in fetching.server.asked if path == "/b"] == ["bytes=1000-", ""]
    assert "the resumed file is wrong" in fetching.lines[-1] and fetching.target.read_bytes() == DATA


def test_a_length_that_is_too_long_is_believed_only_without_a_digest(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["lies 7"]
    assert fetching("/a", sha256=SHA256) == SHA256
    fetching.target.unlink()
    with pytest.raises(DataError, match="could not be fetched"):
        fetching("/a")
    assert not fetching.target.exists()


def test_a_length_that_is_too_short_is_found(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["lies -7"]
    with pytest.raises(DataError):
        fetching("/a", size=len(DATA))
    assert fetching.left() == [] and f"is {len(DATA) - 7} bytes long, not {len(DATA)}" in fetching.lines[-1]


def test_more_than_the_known_size_is_not_read(fetching: Fetching) -> None:
    """Neither when the server says how much there is, nor when it goes on and on."""
    fetching.server.files["/a"] = bytes(20_000_000)
    with pytest.raises(DataError):
        fetching("/a", size=1000)
    assert fetching.lines[-1].endswith("/a: is 20000000 bytes long, not 1000")
    fetching.server.moods["/a"] = ["endless"]
    with pytest.raises(DataError):
        fetching("/a", size=1000)
    assert fetching.left() == [] and fetching.progress[-1][0] <= 2 << 20


def test_a_whole_part_needs_no_server(fetching: Fetching) -> None:
    (fetching.target.parent / "data.bin.part").write_bytes(DATA)
    assert fetching("/a", sha256=SHA256, size=len(DATA)) == SHA256
    assert fetching.server.asked == [] and fetching.left() == ["data.bin"]


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_nothing_left_to_send(fetching: Fetching, extra: bytes) -> None:
    """416: the part is the whole file, or longer than it and dropped."""
    (fetching.target.parent / "data.bin.part").write_bytes(DATA + extra)
    assert fetching("/a", sha256=SHA256) == SHA256
    assert fetching.server.asked == [("/a", f"bytes={len(DATA) + len(extra)}-"), *([("/a", "")] if extra else [])]
    assert fetching.target.read_bytes() == DATA


def test_a_server_that_hangs_is_left(fetching: Fetching) -> None:
    fetching.server.moods["/a"] = ["hangs 3"]
    assert fetching("/a", "/b", sha256=SHA256, policy=Policy(timeout=0.2, retries=1)) == SHA256
    assert fetching.lines[-1].endswith("/a: no answer in time (2 tries); trying the next mirror")


def test_nobody_listens(fetching: Fetching) -> None:
    with pytest.raises(DataError):
        fetching("http://127.0.0.1:9/a", policy=Policy(timeout=1, retries=0))
    assert fetching.lines == ["data.bin: http://127.0.0.1:9/a: Connection refused (1 tries)"]


@pytest.mark.parametrize(
    ("mood", "word", "times"),
    [
        ("status 404", "answered 404 (Not Found)", 1),
        ("status 403", "answered 403 (Forbidden): it wants a login, or keeps programs out", 1),
        ("status 204", "answered 204", 1),
        ("redirect /a", "redirects in a circle, or too often", 3),
        ("redirect file:///etc/passwd", "redirects to an address that is not http", 1),
        ("redirect ftp://127.0.0.1/a", "redirects to a ftp: address, which is not followed", 1),
    ],
)
def test_what_is_not_tried_again(fetching: Fetching, mood: str, word: str, times: int) -> None:
    fetching.server.moods["/a"] = [mood]
    assert fetching("/a", "/b") == SHA256
    assert fetching.lines == [f"data.bin: {fetching.server.url}/a: {word}; trying the next mirror"]
    assert fetching.server.asked == [*[("/a", "")] * times, ("/b", "")]


def test_a_long_chain_of_redirects_ends(fetching: Fetching) -> None:
    for number in range(12):
        fetching.server.moods[f"/{number}"] = [f"redirect /{number + 1}"]
    with pytest.raises(DataError):
        fetching("/0")
    assert len(fetching.server.asked) == 9 and "too often" in fetching.lines[-1]


def test_a_redirect_is_followed_with_its_range(fetching: Fetching) -> None:
    fetching.server.moods |= {"/x": ["redirect /a"], "/a": ["breaks 1000", "well"]}
    assert fetching("/x", sha256=SHA256) == SHA256
    assert fetching.server.asked[-1] == ("/a", "bytes=1000-")


def test_redirects_that_are_not_followed() -> None:
    check_redirect("http://a/", "https://b/")
    check_redirect("http://a/", "http://b/")
    check_redirect("https://a/", "https://b/")
    for new, word in (("http://b/", "from https to http"), ("file:///etc/passwd", "a file: address")):
        with pytest.raises(RefusedError, match=word):
            check_redirect("https://a/", new)


@pytest.mark.parametrize("status", [404, 503])
def test_bad_then_good(fetching: Fetching, status: int) -> None:
    fetching.server.moods["/a"] = [f"status {status}", "well"]
    assert fetching("/a", "/a") == SHA256
    assert len(fetching.server.asked) == 2


def test_a_full_disk_is_one_line_and_keeps_the_part(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda _: usage(1000))
    with pytest.raises(DataError, match=r"data\.bin: not enough room on the disk \(300 kB to come, 1 kB free\)"):
        fetching("/a")
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda _: usage(1 << 40))

    def full(count: int, total: int | None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"data\.bin: the disk is full \(300 kB are kept\); free some space and run"):
        download([f"{fetching.server.url}/a"], fetching.target, Expected(), policy=QUICK, tell=print, progress=full)
    assert not fetching.target.exists()


def test_notes_that_cannot_be_read_are_no_notes(fetching: Fetching) -> None:
    part = fetching.target.parent / "data.bin.part"
    for notes in ("", "[]", json.dumps({"url": "http://elsewhere/", "validator": '"x"'})):
        part.write_bytes(b"other bytes")
        part.with_name("data.bin.part.json").write_text(notes)
        assert fetching("/a") == SHA256
        assert fetching.server.asked[-1] == ("/a", "")
