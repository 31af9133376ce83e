"""What the servers for a browser share: this machine alone, a free port, a window once they answer."""

import socket
import threading
import time
import webbrowser
from contextlib import closing, suppress
from urllib.request import urlopen

from lge_sweep.errors import RunsError

HOST = "127.0.0.1"


def check_port(port: int) -> None:
    """Make sure that a port of this machine is free.

    Raises:
        RunsError: it is not.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RunsError(
                f"port {port} on {HOST} cannot be used ({error.strerror}); give another with --port"
            ) from error


def open_when_up(address: str, probe: str) -> None:
    """Open a browser window as soon as a server answers, without waiting for it.

    Args:
        address: what to show.
        probe: an address that answers when the server is up.
    """

    def wait() -> None:
        for _ in range(120):
            with suppress(OSError), urlopen(probe, timeout=2):
                webbrowser.open(address)
                return
            time.sleep(0.5)

    threading.Thread(target=wait, daemon=True).start()
