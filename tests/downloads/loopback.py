"""A server on this machine that serves files well, or as badly as it is told."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Loopback:
    """What the server has and how it behaves.

    Attributes:
        files: bytes by path, such as "/a.zip".
        moods: for a path, how its next answers go, one taken a request; the last one stays. See `Handler.do_GET`.
        etags: by path; sent with its answers and compared with If-Range.
        asked: (path, its Range header or "") of every request so far.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.moods: dict[str, list[str]] = {}
        self.etags: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    def mood(self, path: str) -> str:
        left = self.moods.get(path, ["well"])
        return left.pop(0) if len(left) > 1 else left[0]


class Handler(BaseHTTPRequestHandler):
    """Answers GET as the path's mood says."""

    loopback: Loopback

    def log_message(self, *_: object) -> None:
        """Nothing: the tests read `Loopback.asked`."""

    def do_GET(self) -> None:
        told, path, asked = self.loopback, self.path, self.headers.get("Range", "")
        told.asked.append((path, asked))
        mood, _, detail = told.mood(path).partition(" ")
        data = told.files.get(path)
        if mood == "status":
            self.send_response(int(detail))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if mood == "redirect":
            self.send_response(302)
            self.send_header("Location", detail)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if data is None:
            self.send_error(404)
            return
        if mood == "corrupt":
            data = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
        start, status = self._start(asked, mood, len(data))
        if status == 416:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = data[start:]
        self.send_response(status)
        length = len(body) + (int(detail) if mood == "lies" else 0)
        if mood != "endless":
            self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if path in told.etags:
            self.send_header("ETag", told.etags[path])
        self.end_headers()
        if mood == "breaks":
            body = body[: int(detail)]
        if mood == "hangs":
            self.wfile.write(body[:10])
            self.wfile.flush()
            time.sleep(float(detail))
            return
        self.wfile.write(body)

    def _start(self, asked: str, mood: str, size: int) -> tuple[int, int]:
        found = re.fullmatch(r"bytes=(\d+)-", asked)
        condition = self.headers.get("If-Range")
        if not found or mood == "whole" or (condition and condition != self.loopback.etags.get(self.path)):
            return 0, 200
        start = int(found[1])
        return (start, 206) if start < size else (0, 416)


@contextmanager
def serving() -> Iterator[Loopback]:
    """A running server; its address is `Loopback.url`."""
    told = Loopback()
    handler = type("Told", (Handler,), {"loopback": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are part of the tests
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
