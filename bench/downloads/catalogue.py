"""The catalogue of public data sets: one TOML file a set, or a file of the user's with several."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.errors import DataError, UsageError, did_you_mean
from bench.suite import explain

SHIPPED = Path(__file__).parent / "sets"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".gz")
"""What can be unpacked."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _safe(name: str) -> str:
    """A relative path without ``..``, or a `ValueError`."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise ValueError("must be a relative path with forward slashes and without '..'")
    return name


def _address(url: str) -> str:
    """An http(s) address with a host and without a user's name in it, or a `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or re.search(r"\s", url):
        raise ValueError("must be an http or https address without spaces and user name")
    return url


class Download(_Part):
    """One file of a set.

    Attributes:
        path: where it lies below each mirror; its last part is its name here.
        save: folder here, relative to the set's root, where a file that is not unpacked is kept.
        urls: whole addresses, tried before the set's mirrors.
        bytes: its exact size, where that is known.
        sha256: its digest, where one was published.
        md5: the publisher's weaker digest, where that is all there is: it finds accidents, not forgeries.
        unpack: folder here, relative to the set's root, into which it is unpacked; None keeps it as it is.
        inside: take only what lies below this folder of the archive (``*`` matches within a name), without it.
    """

    path: str
    save: str = "."
    urls: tuple[str, ...] = ()
    bytes: int | None = Field(default=None, ge=1)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    md5: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    unpack: str | None = None
    inside: str | None = None

    @field_validator("path", "save", "unpack", "inside")
    @classmethod
    def _inside_the_root(cls, value: str | None) -> str | None:
        return None if value is None else _safe(value)

    @field_validator("urls")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_address, value))

    @model_validator(mode="after")
    def _known_archive(self) -> Download:
        if self.unpack is not None and not self.name.endswith(ARCHIVES):
            raise ValueError(f"'{self.name}' cannot be unpacked; archives end in {', '.join(ARCHIVES)}")
        if self.inside is not None and self.unpack is None:
            raise ValueError("'inside' needs 'unpack'")
        return self

    @property
    def name(self) -> str:
        """Its name here."""
        return PurePosixPath(self.path).name

    @property
    def kept(self) -> str:
        """Where it lies here, relative to the set's root, as long as it is not unpacked."""
        return str(PurePosixPath(self.save) / self.name)


class PublicSet(_Part):
    """A public data set.

    Attributes:
        title: what it is, in a line.
        purpose: what it is for here.
        home: its authors' page.
        licence: in a few words.
        terms: address of the licence or terms.
        access: "open"; "licence" (nothing asks, but its terms must be accepted); "login" (only a person can get it).
        size: in words, where the files' exact sizes are not all known.
        folder: default folder below ``data/public``; sets that one world reads together share one.
        mirrors: addresses of folders, tried in order.
        unpack: as `Download.unpack`, for files that do not say it themselves.
        files: what there is to fetch, or, with "login", to place.
        place: with "login": what to do by hand, line by line.
        then: the commands that read it; ``{root}`` is its folder.
    """

    title: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    home: str
    licence: str = Field(min_length=1)
    terms: str
    access: Literal["open", "licence", "login"]
    size: str = ""
    folder: str = ""
    mirrors: tuple[str, ...] = ()
    unpack: str | None = None
    files: tuple[Download, ...] = Field(min_length=1)
    place: tuple[str, ...] = ()
    then: tuple[str, ...] = Field(min_length=1)

    @field_validator("home", "terms")
    @classmethod
    def _page(cls, value: str) -> str:
        return _address(value)

    @field_validator("mirrors")
    @classmethod
    def _folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(url if url.endswith("/") else f"{url}/") for url in value)

    @field_validator("folder")
    @classmethod
    def _below(cls, value: str) -> str:
        return _safe(value) if value else value

    @model_validator(mode="before")
    @classmethod
    def _short_files(cls, data: Any) -> Any:
        """A file may be its path alone; ``unpack`` of the set is that of its files."""
        if isinstance(data, dict) and isinstance(data.get("files"), list):
            default = {} if data.get("unpack") is None else {"unpack": data["unpack"]}
            tables = [{"path": file} if isinstance(file, str) else file for file in data["files"]]
            data = data | {"files": [default | file if isinstance(file, dict) else file for file in tables]}
        return data

    @model_validator(mode="after")
    def _reachable(self) -> PublicSet:
        names = [file.kept for file in self.files]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two files are called '{twice}'")
        for file in self.files:
            if self.access != "login" and not file.urls and not self.mirrors:
                raise ValueError(f"'{file.path}' has no address: give it 'urls', or the set 'mirrors'")
        if (self.access == "login") != bool(self.place):
            raise ValueError("'place' says what to do by hand, and belongs to access = \"login\" alone")
        return self

    def addresses(self, file: Download) -> tuple[str, ...]:
        """Where a file may be had, in the order to try."""
        return (*file.urls, *(urljoin(mirror, quote(file.path)) for mirror in self.mirrors))

    def size_text(self) -> str:
        """Such as ``11.6 MB``; the words of the catalogue where a file's size is not known."""
        sizes = [file.bytes for file in self.files]
        known = sum(size for size in sizes if size)
        return size_text(known) if None not in sizes else self.size or "size not known"


class Catalogue(_Part):
    """A file of sets; ``mirrors`` are further addresses of sets by name, tried before their own."""

    sets: dict[str, PublicSet] = {}
    mirrors: dict[str, tuple[str, ...]] = {}

    @field_validator("sets")
    @classmethod
    def _names(cls, value: dict[str, PublicSet]) -> dict[str, PublicSet]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
                raise ValueError(f"'{name}': names are small letters, digits, '.', '-' and '_'")
        return value

    @field_validator("mirrors")
    @classmethod
    def _folders(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(_address(url if url.endswith("/") else f"{url}/") for url in urls)
            for name, urls in value.items()
        }


def size_text(count: int) -> str:
    """Such as ``2.97 GB``: three figures, powers of a thousand."""
    number, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.3g} {units[0]}"


def read_catalogue(path: Path) -> Catalogue:
    """Read one file; raises `DataError` for broken TOML, or an unknown, missing or impossible key."""
    try:
        return Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    except ValidationError as error:
        known = [*Catalogue.model_fields, *PublicSet.model_fields, *Download.model_fields]
        raise DataError(explain(error, str(path), known)) from None


def known_sets(own: Path | None = None) -> dict[str, PublicSet]:
    """Every set by name: the shipped ones, then those of ``own``, which replace shipped ones of the same name.

    Raises:
        DataError: a file that cannot be used, or mirrors of a set that there is not.
    """
    files = [read_catalogue(path) for path in sorted(SHIPPED.glob("*.toml"))]
    files += [read_catalogue(own)] if own else []
    found: dict[str, PublicSet] = {}
    for file in files:
        found |= file.sets
        for name, mirrors in file.mirrors.items():
            if name not in found:
                raise DataError(f"{own}: mirrors.{name}: no such set{did_you_mean(name, found)}")
            found[name] = found[name].model_copy(update={"mirrors": (*mirrors, *found[name].mirrors)})
    return dict(sorted(found.items()))


def choose_set(name: str, sets: dict[str, PublicSet]) -> PublicSet:
    """The set of a name; raises `UsageError` with the nearest one."""
    if name not in sets:
        raise UsageError(f"unknown public set '{name}'{did_you_mean(name, sets)}; `bench data fetch` lists all")
    return sets[name]


def chosen_files(chosen: PublicSet, patterns: Iterable[str]) -> tuple[Download, ...]:
    """The files whose path or name matches one of the patterns (``*``, ``?``); all of them without a pattern.

    Raises:
        UsageError: a pattern that matches nothing.
    """
    patterns = list(patterns)
    for pattern in patterns:
        if not any(_matches(file, pattern) for file in chosen.files):
            some = [file.name for file in chosen.files][:5]
            raise UsageError(f"--only {pattern}: matches no file (there are {', '.join(some)}, ...)")
    return tuple(file for file in chosen.files if not patterns or any(_matches(file, text) for text in patterns))


def _matches(file: Download, pattern: str) -> bool:
    return PurePosixPath(file.name).match(pattern) or PurePosixPath(file.path).match(pattern)
