"""The model registry: one champion a stage, as a graph without pickled code."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import mlflow
import mlflow.pytorch
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from lge_sweep.errors import RunsError
from lge_sweep.tracking.mlflow import Tracker

ALIAS = "champion"
KEY = "lge.key"
REQUIREMENTS = ("mlflow", "torch", "numpy")


@dataclass(frozen=True)
class Champion:
    """A network to register.

    Attributes:
        name: of the registered model.
        key: identifies sweep and cell for ever.
        network: a torch module in evaluation mode, on the CPU.
        example: uint8 [2, 3, S, S], an input.
        facts: tags of the model's version.
        description: what it is, what goes in and what comes out.
    """

    name: str
    key: str
    network: Any
    example: NDArray[np.uint8]
    facts: Mapping[str, str]
    description: str


def find_champion(tracker: Tracker, name: str) -> tuple[str, str] | None:
    """Return key and version of a registered model's champion, None if there is none."""
    try:
        found = tracker.client.get_model_version_by_alias(name, ALIAS)
    except MlflowException:
        return None
    return str(found.tags.get(KEY)), str(found.version)


def register(tracker: Tracker, champion: Champion) -> str:
    """Log a network as a model of its trial's run, register it and make it the champion.

    The model is saved as an exported graph (PyTorch's pt2), so that loading it needs neither this package nor pickle.

    Returns:
        The version.

    Raises:
        RunsError: the trial's run is not there, or the model cannot be saved.
    """
    sweep, cell = champion.key.split("/")
    runs = tracker.client.search_runs(
        [tracker.experiment], f"tags.sweep = '{sweep}' AND tags.cell = '{cell}' AND attributes.status = 'FINISHED'"
    )
    if not runs:
        raise RunsError(f"MLflow has no finished run of {champion.key}; repeat the sweep's command to send it again")
    size = champion.example.shape[-1]
    outputs = TensorSpec(np.dtype(np.float32), (-1, -1, size, size))
    signature = ModelSignature(Schema([TensorSpec(np.dtype(np.uint8), (-1, 3, size, size))]), Schema([outputs]))
    mlflow.set_tracking_uri(tracker.uri)
    mlflow.set_registry_uri(tracker.uri)
    with warnings.catch_warnings(), _quiet("mlflow", "torch"), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # MLflow's and torch.export's deprecations of their own
        info = Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow.pytorch,
            run_id=runs[0].info.run_id,
            registered_model_name=champion.name,
            pytorch_model=champion.network,
            serialization_format="pt2",
            signature=signature,
            input_example=champion.example,
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            tags=dict(champion.facts),
        )
    number = str(info.registered_model_version)
    for key, value in {KEY: champion.key, **champion.facts}.items():
        tracker.client.set_model_version_tag(champion.name, number, key, value)
    tracker.client.update_model_version(champion.name, number, champion.description)
    tracker.client.set_registered_model_alias(champion.name, ALIAS, number)
    return number


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep libraries from logging what no user can act on."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
