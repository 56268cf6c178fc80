"""A headless Chromium, spoken to over its debugging pipe: the standard library is all that it takes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe",
)  # fmt: skip
SECONDS = 60.0


def found() -> str | None:
    """The browser's program: ``$CHROMIUM``, or the first of the usual names that is there."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. Messages are JSON and a zero byte each (Chrome DevTools Protocol, ``--remote-debugging-pipe``)."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._number, self._rest = to, back, 0, b""
        self.events: list[dict[str, Any]] = []
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come in between are kept in ``events``."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(SECONDS)
            if answer is None:
                raise TimeoutError(f"{method}: no answer from the browser in {SECONDS:.0f} s")
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + seconds
        while b"\0" not in self._rest:
            if not select.select([self._back], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            more = os.read(self._back, 1 << 20)
            if not more:
                raise RuntimeError("the browser closed its end of the pipe")
            self._rest += more
        line, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(line))

    def wait_for(self, method: str, seconds: float = SECONDS) -> dict[str, Any]:
        """The first event of a kind, one that has come already included; it is taken out of ``events``."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event.get("method") == method:
                    self.events.remove(event)
                    return dict(event["params"])
            event = self._receive(deadline - time.monotonic())
            if event is None:
                raise TimeoutError(f"{method} did not come in {seconds:.0f} s")
            self.events.append(event)

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there with all its pictures."""
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def look(self, width: int, height: int = 800, dark: bool = False) -> None:
        """The size of the window in CSS pixels, and the reader's colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def ask(self, expression: str) -> Any:
        """The value of an expression, asked by the debugger: the page itself may have its scripts switched off."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the first element, as a reader does."""
        quoted = json.dumps(selector)
        self.ask(f"document.querySelector({quoted}).scrollIntoView({{behavior: 'instant', block: 'center'}})")
        middle = "[r.x + Math.min(r.width, innerWidth - r.x) / 2, r.y + r.height / 2]"
        x, y = self.ask(f"(r => {middle})(document.querySelector({quoted}).getClientRects()[0])")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browser(program: str, folder: Path) -> Iterator[Page]:
    """Start Chromium with a profile in ``folder``, and end it afterwards."""
    ours, theirs = os.pipe(), os.pipe()
    # The protocol asks for file descriptors 3 (commands) and 4 (answers), which a shell arranges.
    line = f'exec "$0" "$@" 3<&{ours[0]} 4>&{theirs[1]}'
    command = ["bash", "-c", line, program, *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            command, pass_fds=(ours[0], theirs[1]), stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
    for descriptor in (ours[0], theirs[1]):
        os.close(descriptor)
    try:
        yield Page(ours[1], theirs[0])
    finally:
        for descriptor in (ours[1], theirs[0]):
            os.close(descriptor)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
