"""MLflow's global functions, which know no client: the store that they use for a while."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow

from lge_sweep.tracking.mlflow import Tracker


@contextmanager
def pointing_to(tracker: Tracker) -> Iterator[None]:
    """Let MLflow's global functions use a store and an experiment; leave no trace of it.

    MLflow's setters also set environment variables, which processes started later would inherit, and saving a model may
    add its code to `sys.path`.
    """
    path = sys.path
    before = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    try:
        mlflow.set_tracking_uri(tracker.uri)
        mlflow.set_registry_uri(tracker.uri)
        mlflow.set_experiment(experiment_id=tracker.experiment)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        yield
    finally:
        sys.path = path
        for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in before]:
            del os.environ[name]
        os.environ.update(before)
