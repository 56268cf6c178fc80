"""One HTTP request: http and https alone, redirects followed with care, a timeout, a range."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from bench import __version__

MAX_REDIRECTS = 8
_CIRCLE = "redirects in a circle, or too often"


class RefusedError(Exception):
    """An answer that asking again will not change; the next mirror may."""


class TroubleError(Exception):
    """A fault that may pass: a time-out, a broken connection, a busy server.

    Attributes:
        wait: seconds that the server asks to wait, or 0.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_redirect(req.full_url, newurl)
        except RefusedError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def check_redirect(old: str, new: str) -> None:
    """Raise `RefusedError` for a redirect that leaves http and https, or goes from https to http."""
    scheme = urlsplit(new).scheme
    if scheme not in ("http", "https"):
        raise RefusedError(f"redirects to a {scheme or 'nameless'}: address, which is not followed")
    if urlsplit(old).scheme == "https" and scheme == "http":
        raise RefusedError("redirects from https to http, which is not followed")


def _opener() -> urllib.request.OpenerDirector:
    """Like urllib's own, without its handlers of file:, ftp: and data:."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _Redirects,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


@dataclass(slots=True)
class Answer:
    """A response whose body is still to be read.

    Attributes:
        body: the open response.
        start: first byte of the file that the body has: 0 for the whole file.
        total: bytes of the whole file, or None where the server does not say.
        validator: what ``If-Range`` may name later: a strong ETag, else Last-Modified; "" without either.
    """

    body: Any
    start: int
    total: int | None
    validator: str

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes; raises `TroubleError` when the connection breaks."""
        try:
            return bytes(self.body.read(count))
        except (OSError, http.client.HTTPException) as error:
            raise TroubleError(_reason(error)) from None

    def close(self) -> None:
        """Give the connection back."""
        self.body.close()


class BeyondEndError(Exception):
    """The server has nothing from the asked byte on; ``total`` is the file's size, where it says so."""

    def __init__(self, total: int | None) -> None:
        super().__init__("range not satisfiable")
        self.total = total


def ask(url: str, *, start: int = 0, validator: str = "", timeout: float) -> Answer:
    """Request a file from byte ``start`` on; the answer may be the whole file all the same.

    Args:
        url: an http or https address.
        start: bytes that are here already.
        validator: with ``start``, what the bytes that are here belong to; "" asks without a condition.
        timeout: seconds without a byte after which the connection counts as broken.

    Raises:
        BeyondEndError: the file has no byte ``start``.
        RefusedError: the file is not there, not to be had without a login, or behind a redirect that is not followed.
        TroubleError: anything that may be better in a moment.
    """
    headers = {"User-Agent": f"refiner-bench/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
        assert response is not None
    except urllib.error.HTTPError as error:
        with error:
            raise _of_status(error, start) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TroubleError(_reason(error)) from None
    return _answer(response, start)


def _answer(response: Any, start: int) -> Answer:
    header = response.headers
    length = header.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    begins = 0
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.get("Content-Range", "").strip())
        begins = int(found[1]) if found else -1
        total = int(found[2]) if found and found[2].isdecimal() else None
        if begins != start:
            response.close()
            raise TroubleError("sent another part of the file than was asked for")
    elif response.status != 200:
        response.close()
        raise RefusedError(f"answered {response.status}")
    etag = header.get("ETag", "")
    validator = etag if etag.startswith('"') else header.get("Last-Modified", "")
    return Answer(response, begins, total, validator)


def _of_status(error: urllib.error.HTTPError, start: int) -> Exception:
    code = error.code
    if code == 416 and start:
        found = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", "").strip())
        return BeyondEndError(int(found[1]) if found else None)
    if code in (408, 425, 429) or code >= 500:
        after = error.headers.get("Retry-After", "")
        return TroubleError(f"answered {code} ({error.reason})", float(after) if after.isdecimal() else 0.0)
    if 300 <= code < 400:
        elsewhere = "not allowed" in str(error.reason)  # urllib's words for anything but http, https and ftp
        return RefusedError("redirects to an address that is not http" if elsewhere else _CIRCLE)
    if code in (401, 403, 407):
        return RefusedError(f"answered {code} ({error.reason}): it wants a login, or keeps programs out")
    return RefusedError(f"answered {code} ({error.reason})")


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return " ".join(text.split()) or type(inner).__name__
