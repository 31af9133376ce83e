"""The model registry: one champion a stage, as a graph without pickled code."""

import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow
import mlflow.pytorch
import numpy as np
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from lge_sweep.errors import RunsError
from lge_sweep.tracking.mlflow import KEY, Tracker

ALIAS = "champion"
REQUIREMENTS = ("mlflow", "torch", "numpy")


@dataclass(frozen=True)
class Champion:
    """A network to register.

    Attributes:
        name: of the registered model.
        key: identifies sweep, cell and weights for ever.
        run_key: key of the trial's run.
        network: a torch module in evaluation mode, on the CPU.
        example: uint8 [2, 3, S, S], an input; saved with the model, so that it must not be a patient's.
        facts: tags of the model's version.
        description: what it is, what goes in and what comes out.
    """

    name: str
    key: str
    run_key: str
    network: Any
    example: NDArray[np.uint8]
    facts: Mapping[str, str]
    description: str


@dataclass(frozen=True)
class Version:
    """A registered version of a model: its number, the key it was registered with, and its tags."""

    number: str
    key: str
    tags: Mapping[str, str]


def find_version(tracker: Tracker, name: str, key: str) -> Version | None:
    """Return the newest version of a registered model with a key whose files are still there, None if there is none."""
    found = tracker.client.search_model_versions(f"name = '{name}' AND tag.`{KEY}` = '{key}'")
    whole = [version for version in found if _is_there(tracker, version)]
    return _read(max(whole, key=lambda version: int(version.version))) if whole else None


def find_champion(tracker: Tracker, name: str) -> Version | None:
    """Return a registered model's champion, None if there is none or its files are gone."""
    try:
        if ALIAS not in tracker.client.get_registered_model(name).aliases:
            return None
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    version = tracker.client.get_model_version_by_alias(name, ALIAS)
    return _read(version) if _is_there(tracker, version) else None


def set_champion(tracker: Tracker, name: str, version: Version) -> None:
    """Point the alias at a version."""
    tracker.client.set_registered_model_alias(name, ALIAS, version.number)


def register(tracker: Tracker, champion: Champion) -> Version:
    """Log a network as a model of its trial's run and register it.

    The model is saved as an exported graph (PyTorch's pt2), so that loading it needs neither this package nor pickle.

    Raises:
        RunsError: the trial's run is not there, or the model cannot be saved.
    """
    run = tracker.find(champion.run_key)
    if run is None:
        raise RunsError(f"MLflow has no run of {champion.run_key}; repeat the sweep's command to send it again")
    size = champion.example.shape[-1]
    inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, 3, size, size))])
    outputs = Schema([TensorSpec(np.dtype(np.float32), (-1, -1, size, size))])
    try:
        with (
            _pointing_to(tracker),
            warnings.catch_warnings(),
            _quiet("mlflow", "torch"),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")  # MLflow's and torch.export's deprecations of their own
            info = Model.log(
                artifact_path=None,
                name="model",
                flavor=mlflow.pytorch,
                run_id=run.info.run_id,
                registered_model_name=champion.name,
                pytorch_model=champion.network,
                serialization_format="pt2",
                signature=ModelSignature(inputs, outputs),
                input_example=champion.example,
                pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
                tags=dict(champion.facts),
            )
    except (OSError, MlflowException) as error:
        raise RunsError(f"the model {champion.name} cannot be saved: {error}") from error
    number = str(info.registered_model_version)
    tracker.client.update_model_version(champion.name, number, champion.description)
    for key, value in {**champion.facts, KEY: champion.key}.items():  # the key last: a version with it is whole
        tracker.client.set_model_version_tag(champion.name, number, key, value)
    return Version(number, champion.key, champion.facts)


def _read(version: ModelVersion) -> Version:
    return Version(str(version.version), str(version.tags.get(KEY)), dict(version.tags))


def _is_there(tracker: Tracker, version: ModelVersion) -> bool:
    """Whether the files of a version, which is a model of its run, are on disk."""
    identifier = str(version.source).removeprefix("models:/")
    try:
        place = tracker.client.get_logged_model(identifier).artifact_location
    except MlflowException:
        return False
    return Path(url2pathname(urlparse(str(place)).path)).is_dir()


@contextmanager
def _pointing_to(tracker: Tracker) -> Iterator[None]:
    """Let MLflow's global functions use a store and an experiment; leave no trace of it in the environment.

    Without an experiment a logged model goes to the experiment 0 and a folder `mlruns` here; MLflow's setters also set
    environment variables, which processes started later would inherit.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    try:
        mlflow.set_tracking_uri(tracker.uri)
        mlflow.set_registry_uri(tracker.uri)
        mlflow.set_experiment(experiment_id=tracker.experiment)
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in before]:
            del os.environ[name]
        os.environ.update(before)


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
