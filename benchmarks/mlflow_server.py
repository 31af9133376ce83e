"""An MLflow server of one's own, which can be killed and started again."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from alive import free_port

START = 180.0
"""Seconds in which it answers."""


class MlflowServer:
    """A server on the loopback address, with its files in a folder.

    Args:
        folder: of its artifacts and its log; made if it is not there.
        backend: address of the database that keeps its runs.
    """

    def __init__(self, folder: Path, backend: str) -> None:
        """Choose a port."""
        self.folder, self.backend = folder, backend
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; it answers after a while."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", self.backend]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, cwd=self.folder,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def await_answer(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + START
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=10):
                return
            time.sleep(0.5)
        sys.exit(f"the MLflow server does not answer, see {self.folder / 'log'}")

    def kill(self) -> None:
        """Kill all of its processes."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
