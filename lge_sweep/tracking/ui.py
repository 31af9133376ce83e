"""Serve the MLflow UI of a runs directory on this machine alone."""

import os
import warnings
from pathlib import Path

from lge_sweep.errors import RunsError
from lge_sweep.loopback import NAMES, PageServer
from lge_sweep.terminal import say
from lge_sweep.tracking.database import DATABASE, database_uri
from lge_sweep.tracking.mlflow import EXPERIMENT, Tracker


def serve(runs: Path, port: int, browser: bool) -> None:
    """Run MLflow's server until interrupted.

    It is the part of MLflow's server that the UI of runs and models needs, in this process. `mlflow server` would also
    start its job runners, and serve its gateway and its assistant, which call out and run commands.

    Args:
        runs: the runs directory.
        port: port on the loopback address.
        browser: open a browser on the experiment.

    Raises:
        RunsError: there is nothing to show, or the port is taken.
    """
    if not (runs / DATABASE).is_file():
        raise RunsError(f"{runs}: no runs yet; begin with 'make phase1' (lge-sweep phase1)")
    with PageServer(port) as server:
        experiment = Tracker(runs).experiment
        os.environ.update(_settings(runs, server.server_port))
        warnings.simplefilter("ignore")  # MLflow's own deprecations are no help to a user
        from mlflow.server import app  # reads its settings when it is imported

        say(f"MLflow UI of {runs}, experiment {EXPERIMENT}:")
        server.run(app, f"#/experiments/{experiment}/runs?workflowType=machine_learning", browser)


def _settings(runs: Path, port: int) -> dict[str, str]:
    """Return what `mlflow server` would tell its workers, which is read when `mlflow.server` is imported."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": database_uri(runs),
        "_MLFLOW_SERVER_REGISTRY_STORE": database_uri(runs),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (runs.resolve() / "artifacts").as_uri(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{name}:{port}" for name in NAMES),  # as `guard` does before
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
