"""Serve the MLflow UI of a runs directory on this machine alone."""

import os
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from contextlib import closing, suppress
from pathlib import Path
from urllib.request import urlopen

from lge_sweep.errors import RunsError
from lge_sweep.tracking.mlflow import EXPERIMENT, Tracker, database_uri

HOST = "127.0.0.1"


def serve(runs: Path, port: int, browser: bool) -> None:
    """Run MLflow's server until interrupted.

    Args:
        runs: the runs directory.
        port: port on the loopback address.
        browser: open a browser on the experiment once the server answers.

    Raises:
        RunsError: there is nothing to show, or the port is taken.
    """
    if not (runs / "mlflow.db").is_file():
        raise RunsError(f"{runs}: no runs yet; begin with 'make phase1' (lge-sweep phase1)")
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RunsError(
                f"port {port} on {HOST} cannot be used ({error.strerror}); give another with --port"
            ) from error
    address = f"http://{HOST}:{port}/#/experiments/{Tracker(runs).experiment}/runs"
    print(f"MLflow UI of {runs}, experiment {EXPERIMENT}: {address}\nStop it with Ctrl-C.", flush=True)
    if browser:
        threading.Thread(target=_open_when_up, args=(address,), daemon=True).start()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
        "--backend-store-uri", database_uri(runs), "--default-artifact-root", (runs.resolve() / "artifacts").as_uri(),
        "--registry-store-uri", database_uri(runs), "--no-serve-artifacts", "--uvicorn-opts", "--log-level warning",
    ]  # fmt: skip
    # What the server prints of its own is no help to a user; its own deprecation warnings least of all.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    with suppress(KeyboardInterrupt):
        subprocess.run(command, env=environment, check=False)


def _open_when_up(address: str) -> None:
    for _ in range(120):
        with suppress(OSError), urlopen(address.split("/#")[0] + "/health", timeout=2):
            webbrowser.open(address)
            return
        time.sleep(0.5)
