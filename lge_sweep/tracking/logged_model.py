"""A model of a run, logged with few calls.

MLflow's own `log_model` asks for the history of every metric of the run, a call each, and tries the model.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from lge_sweep.tracking.run import log_metrics, storing

Save = Callable[..., object]
"""Saves a model into the folder `path`, as MLflow's `mlflow_model`; `save_model` of a flavor, with all else given."""


def log_model(client: MlflowClient, run: Run, tags: Mapping[str, str], save: Save) -> LoggedModel:
    """Log a model of a run, with the run's parameters and latest metrics.

    Args:
        client: of the server.
        run: the run.
        tags: facts about the model.
        save: writes it.

    Raises:
        MlflowException, OSError: it cannot be logged.
    """
    about = run.info
    logged = client.create_logged_model(about.experiment_id, "model", about.run_id, dict(tags), dict(run.data.params))
    try:
        with tempfile.TemporaryDirectory(prefix="lge_sweep-model-") as place:
            folder = Path(place, "model")
            described = Model(
                artifact_path=logged.artifact_location,
                run_id=about.run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            )
            save(path=str(folder), mlflow_model=described)
            _upload(folder, logged, client)
        client.log_outputs(about.run_id, [LoggedModelOutput(logged.model_id, 0)])
        _show_metrics(client, run, logged)
    except BaseException:
        with suppress(MlflowException):  # the server may be what failed
            client.finalize_logged_model(logged.model_id, LoggedModelStatus.FAILED)
        raise
    return client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)


def _upload(folder: Path, logged: LoggedModel, client: MlflowClient) -> None:
    # the client's own way asks where once more, and keeps places by ids, which a copy of a runs directory shares
    store: Any = get_artifact_repository(logged.artifact_location, client.tracking_uri)
    with storing("its files"):
        store.log_artifacts(str(folder))


def _show_metrics(client: MlflowClient, run: Run, logged: LoggedModel) -> None:
    """Show a run's latest metrics with its model, too."""
    known = [
        Metric(
            metric.key, metric.value, metric.timestamp, metric.step, model_id=logged.model_id, run_id=run.info.run_id
        )
        for metric in run.data.to_proto().metrics
    ]
    log_metrics(client, run.info.run_id, known)
