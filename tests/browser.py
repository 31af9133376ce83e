"""A real browser, driven through two pipes: Chromium's own protocol, without a socket."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--remote-debugging-pipe",
    "--proxy-server=127.0.0.1:1", "--window-size=1440,900",
)  # fmt: skip
STARTED = (
    "import os, sys\na, b = (os.dup(int(one)) for one in sys.argv[1:3])\nos.dup2(a, 3)\nos.dup2(b, 4)\n"
    "os.set_inheritable(3, True)\nos.set_inheritable(4, True)\nos.execv(sys.argv[3], sys.argv[3:])"
)
"""Chromium reads what it is told from file 3, and answers to file 4."""
LIMIT = 60
"""Seconds."""
SHIFT = 8
CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, "Enter": 13}


class BrowserError(Exception):
    """What was asked cannot be done, as while a page gives way to another."""


class Browser:
    """A page that is open in Chromium.

    Args:
        commands: where to write to it.
        answers: where to read from it.
    """

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self.commands, self.answers, self.ids = commands, answers, count(1)
        self.session, self.rest = "", b""

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.ids)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def read(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select.select([self.answers], [], [], LIMIT)[0], "the browser does not answer"
            more = os.read(self.answers.fileno(), 1 << 16)
            assert more, "the browser has ended"
            self.rest += more
        text, _, self.rest = self.rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found

    def open(self, page: Path) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.navigate", url=page.as_uri())
        self.wait("location.protocol === 'file:' && document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        """Return what an expression, or a promise of it, comes to in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a condition holds in the page, a minute at most; then until it has drawn."""
        end = time.monotonic() + LIMIT
        while not self._holds(condition):
            assert time.monotonic() < end, f"{condition}: {self.ask('document.body.innerText')[:2000]}"
            time.sleep(0.05)
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.ask(f"Boolean({condition})"))
        except BrowserError:
            return False

    def reload(self, condition: str) -> None:
        """Open the page again, as it was, and wait for a condition."""
        self.ask("window.before = true")
        self.send("Page.reload")
        self.wait(f"!window.before && {condition}")

    def press(self, key: str, shift: bool = False) -> None:
        """Press a key, as a person does: it goes to what has the focus."""
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        code = CODES.get(key, ord(key[0].upper()))
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": SHIFT * shift}
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)
        self.wait("true")

    def drag(self, start: tuple[float, float], by: tuple[float, float], button: str = "left") -> None:
        """Drag the mouse from a point of the window."""
        end = (start[0] + by[0], start[1] + by[1])
        buttons = {"left": 1, "right": 2}[button]
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            about = {"button": button, "buttons": buttons, "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **about)
        self.wait("true")

    def wheel(self, at: tuple[float, float], down: float) -> None:
        """Turn the wheel over a point of the window."""
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=at[0], y=at[1], deltaX=0, deltaY=down)
        self.wait("true")


@contextmanager
def browsing(page: Path, home: Path) -> Iterator[Browser]:
    """Open a page in Chromium, which can reach no network, as somebody whose home is an empty folder."""
    assert CHROMIUM is not None
    from_us, to_it = os.pipe()
    to_us, from_it = os.pipe()
    command = [sys.executable, "-c", STARTED, str(from_us), str(from_it), CHROMIUM, *OPTIONS]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},  # the guard ends what it forks
        "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home),
    }  # fmt: skip
    process = subprocess.Popen(
        [*command, f"--user-data-dir={home / 'profile'}"], pass_fds=(from_us, from_it), env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(from_us)
    os.close(from_it)
    try:
        with os.fdopen(to_it, "wb") as commands, os.fdopen(to_us, "rb") as answers:
            browser = Browser(commands, answers)
            browser.open(page)
            yield browser
    finally:
        process.kill()
        process.wait()
