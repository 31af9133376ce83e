"""What MLflow has of a runs directory."""

from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from lge_sweep.run_store import RunStore
from lge_sweep.tracking import EXPERIMENT


def child_runs(runs: Path) -> tuple[list[Run], list[Run]]:
    """Return parents and children of a runs directory's MLflow store."""
    client = MlflowClient(tracking_uri=RunStore(runs).tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = [entry for entry in found if "mlflow.parentRunId" not in entry.data.tags]
    return parents, [entry for entry in found if "mlflow.parentRunId" in entry.data.tags]
