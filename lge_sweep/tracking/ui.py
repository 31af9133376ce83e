"""Serve the MLflow UI of a runs directory on this machine alone."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from lge_sweep.errors import RunsError
from lge_sweep.loopback import HOST, check_port, open_when_up
from lge_sweep.terminal import say
from lge_sweep.tracking.mlflow import EXPERIMENT, Tracker, database_uri


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
    check_port(port)
    experiment = Tracker(runs).experiment
    address = f"http://{HOST}:{port}/#/experiments/{experiment}/runs?workflowType=machine_learning"
    say(f"MLflow UI of {runs}, experiment {EXPERIMENT}: {address}", "Stop it with Ctrl-C.")
    if browser:
        open_when_up(address, f"http://{HOST}:{port}/health")
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
        "--backend-store-uri", database_uri(runs), "--default-artifact-root", (runs.resolve() / "artifacts").as_uri(),
        "--registry-store-uri", database_uri(runs), "--no-serve-artifacts", "--uvicorn-opts", "--log-level warning",
    ]  # fmt: skip
    # What the server prints of its own is no help to a user; its own deprecation warnings least of all.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    with suppress(KeyboardInterrupt), subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as server:
        try:
            for line in server.stderr or ():
                if not line.startswith(b"[MLflow] Security"):  # it advises to open the server to other machines
                    sys.stderr.buffer.write(line)
        finally:
            server.terminate()
