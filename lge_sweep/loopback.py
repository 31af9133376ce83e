"""The browser pages' server: one process, the loopback address, and no answer to any other page than its own."""

import socketserver
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lge_sweep.errors import RunsError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
READING = ("GET", "HEAD")
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"
"""What a browser lets a page load and call: nothing of any other address."""


@dataclass(frozen=True)
class Page:
    """What a browser is shown.

    Attributes:
        application: what answers.
        path: what to show first.
        read_only: where it must only be read, the sentence that says so to who tries more.
    """

    application: WSGIApplication
    path: str
    read_only: str = ""


class PageServer(ThreadingMixIn, WSGIServer):
    """A port of the loopback address, taken; `run` serves an application on it.

    It starts no process, so that nothing outlives it, however it ends.

    Args:
        port: port; 0 takes a free one.

    Raises:
        RunsError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        """Take the port: a browser that asks from now on waits until `run`."""
        try:
            super().__init__((HOST, port), _Quiet)
        except OSError as error:
            raise RunsError(
                f"port {port} on {HOST} cannot be used ({error.strerror}); give another with --port"
            ) from error

    def run(self, page: Page, announce: Callable[[str], object]) -> None:
        """Serve a page until interrupted.

        Args:
            page: the page.
            announce: told its address as soon as it can be asked for.
        """
        self.set_app(guard(page.application, self.server_port, page.read_only))
        with suppress(KeyboardInterrupt):
            announce(f"http://{HOST}:{self.server_port}/{page.path}")
            self.serve_forever()

    def server_bind(self) -> None:
        """Bind, without the name look-up of `http.server`."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, unless it is a browser's that did not wait for its answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Quiet(WSGIRequestHandler):
    """Does not print every request."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def guard(application: WSGIApplication, port: int, read_only: str = "") -> WSGIApplication:
    """Return an application that is deaf to the pages of other addresses, and whose own pages talk to it alone.

    Any page in the user's browser can send requests to the loopback address. Such a request names where it comes from
    (Origin), or, if the page's own name was made to point here (DNS rebinding), that name (Host).

    Args:
        application: what answers the others.
        port: where it is served.
        read_only: a sentence; if there is one, only reading is allowed.
    """
    hosts = {f"{name}:{port}" for name in NAMES} | set(NAMES if port == 80 else ())

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            return start_response(status, [*headers, ("Content-Security-Policy", POLICY)], exc_info)

        if foreign := _foreign(environ, hosts, port):
            return refuse(environ, start, "403 Forbidden", foreign)
        if read_only and environ["REQUEST_METHOD"] not in READING:
            return refuse(environ, start, "405 Method Not Allowed", read_only, ("Allow", ", ".join(READING)))
        return application(environ, start)

    return answer


def _foreign(environ: WSGIEnvironment, hosts: Collection[str], port: int) -> str:
    """Return why a request is refused, or nothing."""
    host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
    if host not in hosts:
        return (
            f"This page answers to http://{HOST}:{port} (or localhost) alone, and was asked as {host[:80]!r}. From "
            f"another machine, use a tunnel with the same port on both sides: ssh -L {port}:{HOST}:{port} MACHINE"
        )
    if origin is not None and origin != f"http://{host}":
        return f"This page answers itself alone, and was asked by a page of {origin[:80]!r}."
    return ""


def refuse(
    environ: WSGIEnvironment, start: StartResponse, status: str, why: str, *headers: tuple[str, str]
) -> Iterable[bytes]:
    """Answer a request with a status and the sentence that says why."""
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal():  # a connection closed before what was sent is read (here up to 10 MB) loses the answer
        environ["wsgi.input"].read(int(length[:7]))
    body = f"{why}\n".encode()
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *headers])
    return [body]
