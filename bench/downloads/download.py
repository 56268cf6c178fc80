"""One file from the first mirror that gives it whole: resumed, checked while it streams, renamed last."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.downloads.catalogue import Download, size_text
from bench.downloads.http import Answer, BeyondEndError, RefusedError, TroubleError, ask
from bench.errors import DataError

CHUNK = 1 << 20
LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Policy:
    """How patient a download is.

    Attributes:
        timeout: seconds without a byte after which a connection counts as broken.
        retries: how often a mirror is asked again without having given a further byte.
        backoff: seconds before the first further try; each one waits twice as long, at most a minute.
    """

    timeout: float = 30.0
    retries: int = 4
    backoff: float = 1.0


@dataclass(frozen=True)
class Expected:
    """What a file must be: ``size`` in bytes and digests in hex, None where nobody knows."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @classmethod
    def of(cls, file: Download, sha256: str | None = None) -> Expected:
        """What the catalogue says; ``sha256`` is what an earlier download had, used where it says nothing."""
        return cls(file.bytes, file.sha256 or sha256, file.md5)

    @property
    def digest(self) -> bool:
        """Whether a digest tells the right bytes from others."""
        return bool(self.sha256 or self.md5)

    def fault(self, size: int, digests: Digests) -> str:
        """What is wrong with a whole file, or ""."""
        for name, wanted in (("sha256", self.sha256), ("md5", self.md5)):
            found = digests.hex(name)
            if wanted and found != wanted:
                return f"{name} is {found[:12]}..., not {wanted[:12]}..."
        if self.size is not None and size != self.size:
            return f"is {size} bytes long, not {self.size}"
        return ""


class Digests:
    """sha256 and md5 of the bytes so far."""

    def __init__(self) -> None:
        self._found = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        for found in self._found.values():
            found.update(data)

    def hex(self, name: str) -> str:
        """One of them."""
        return self._found[name].hexdigest()

    @classmethod
    def of(cls, path: Path) -> Digests:
        """Those of a file."""
        made = cls()
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                made.update(data)
        return made


def download(
    urls: Sequence[str],
    target: Path,
    expected: Expected,
    *,
    policy: Policy,
    tell: Callable[[str], None],
    progress: Callable[[int, int | None], None],
) -> str:
    """Bring a file to ``target``; return its sha256.

    What has arrived lies in ``target`` + ``.part`` until it is whole and right, and is gone on with after any stop.

    Args:
        urls: the mirrors, in the order to try.
        target: where it shall lie; its folder exists.
        expected: its size and digests, where known.
        policy: time-outs and tries.
        tell: takes one line a fault.
        progress: called with the bytes that are here and the whole size, where known.

    Raises:
        DataError: no mirror gave it, or the disk is full.
    """
    part = _Part(target, expected, policy, tell, progress)
    for number, url in enumerate(urls, 1):
        try:
            digest = _from_mirror(url, part)
        except (RefusedError, TroubleError) as error:
            tell(f"{target.name}: {url}: {error}" + ("; trying the next mirror" if number < len(urls) else ""))
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _full(target, part) from None
            raise
        part.become(target)
        return digest
    kept = f"; {size_text(part.size())} are kept, run the same command again to go on" if part.size() else ""
    many = "its mirror" if len(urls) == 1 else f"any of {len(urls)} mirrors"
    raise DataError(f"{target}: could not be fetched from {many}{kept or '; see the lines above'}")


class _Part:
    """The file that is on its way, and what is known of it."""

    def __init__(
        self,
        target: Path,
        expected: Expected,
        policy: Policy,
        tell: Callable[[str], None],
        progress: Callable[[int, int | None], None],
    ) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.notes = target.with_name(f"{target.name}.part.json")
        self.expected, self.policy, self.progress = expected, policy, progress
        self._tell, self._name = tell, target.name

    def tell(self, what: str) -> None:
        self._tell(f"{self._name}: {what}")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def validator(self, url: str) -> str:
        """What the bytes that are here belonged to when this address gave them; "" where nobody knows."""
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            return str(notes["validator"]) if notes["url"] == url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def begin(self, url: str, answer: Answer) -> None:
        self.notes.write_text(json.dumps({"url": url, "validator": answer.validator}), encoding="utf-8")

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def become(self, target: Path) -> None:
        self.path.replace(target)
        self.notes.unlink(missing_ok=True)


def _full(target: Path, part: _Part) -> DataError:
    here = size_text(part.size())
    return DataError(f"{target}: the disk is full ({here} are kept); free some space and run the same command again")


def _from_mirror(url: str, part: _Part) -> str:
    """Ask one mirror until the file is whole or nothing further comes; return the sha256."""
    policy, tries, most, resumed_wrong = part.policy, 0, part.size(), False
    while True:
        resumed = part.size() > 0
        try:
            digests = _attempt(url, part)
        except TroubleError as error:
            if part.size() > most:
                most, tries = part.size(), 0
            if tries >= policy.retries:
                raise TroubleError(f"{error} ({tries + 1} tries)") from None
            wait = min(max(policy.backoff * 2**tries, error.wait), LONGEST_WAIT)
            part.tell(f"{error}; trying again in {wait:.3g} s")
            time.sleep(wait)
            tries += 1
            continue
        fault = part.expected.fault(part.size(), digests)
        if not fault:
            return digests.hex("sha256")
        part.drop()
        # The first bytes may have been another mirror's or another version's: once, all of them from here.
        if not resumed or resumed_wrong:
            raise RefusedError(fault)
        resumed_wrong, most, tries = True, 0, 0
        part.tell(f"the resumed file is wrong ({fault}); fetching it whole")


def _attempt(url: str, part: _Part) -> Digests:
    """One request; return the digests of the whole file, or raise with what has come kept."""
    expected, here, validator = part.expected, part.size(), part.validator(url)
    if here and not validator and not expected.digest:
        part.drop()  # nothing could tell whether the rest belongs to these bytes
        here = 0
    if here and expected.size is not None and here >= expected.size:
        digests = Digests.of(part.path)
        if not expected.fault(here, digests):
            return digests
        part.drop()
        here = 0
    try:
        answer = ask(url, start=here, validator=validator, timeout=part.policy.timeout)
    except BeyondEndError as error:
        digests = Digests.of(part.path)
        if error.total == here and not expected.fault(here, digests):
            return digests
        part.drop()
        answer = ask(url, timeout=part.policy.timeout)
    try:
        return _stream(url, answer, part)
    finally:
        answer.close()


def _stream(url: str, answer: Answer, part: _Part) -> Digests:
    limit = part.expected.size
    if limit is not None and answer.total not in (None, limit):
        raise RefusedError(f"is {answer.total} bytes long, not {limit}")
    digests = Digests.of(part.path) if answer.start else Digests()
    if part.size() and not answer.start:
        part.tell("its server cannot go on where it stopped, or has another version; starting again")
    part.begin(url, answer)
    _room(part, answer)
    count = answer.start
    with part.path.open("ab" if answer.start else "wb") as file:
        while data := answer.read(CHUNK):
            file.write(data)
            digests.update(data)
            count += len(data)
            part.progress(count, limit or answer.total)
            if limit is not None and count > limit:
                return digests  # and its size will be found wrong
    if answer.total is not None and count < answer.total and (
        not part.expected.digest or part.expected.fault(count, digests)
    ):
        raise TroubleError(f"broke off after {size_text(count)} of {size_text(answer.total)}")
    return digests


def _room(part: _Part, answer: Answer) -> None:
    """Raise `DataError` before anything is written where the disk cannot hold the file."""
    total = part.expected.size or answer.total
    free: Any = shutil.disk_usage(part.path.parent).free
    if total and total - answer.start > free:
        target = part.path.with_suffix("")
        what = f"{size_text(total - answer.start)} to come, {size_text(free)} free"
        raise DataError(f"{target}: not enough room on the disk ({what}); free some, or choose another --root")
