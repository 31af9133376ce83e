"""Where the files of a registered model are: in the runs directory, or fetched from a server, once."""

import hashlib
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

from lge_sweep.atomic import atomic_folder
from lge_sweep.errors import ModelError
from lge_sweep.paths import cache_folder
from lge_sweep.text import hide_credentials
from lge_sweep.tracking.active import pointing_to
from lge_sweep.tracking.look_up import NO_MODEL, REGISTRY
from lge_sweep.tracking.mlflow import Tracker
from lge_sweep.tracking.moved import path_of

_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow calls a model or a version that is not there, and an alias that is not."""
FILES = "artifacts"
"""Folder of a model that has its files; code, beside it, is for MLflow's own functions, and five times as many."""


def locate(tracker: Tracker, model: str) -> Path:
    """Return the folder of a model of the registry.

    Args:
        tracker: MLflow.
        model: such as `models:/lge-two-stage@champion` or `models:/lge-two-stage/3`.

    Returns:
        Where its files are on this machine; of a server's, a copy in the user's cache, without its code.

    Raises:
        ModelError: there is none, or its files are gone.
    """
    repositories: Any = ModelsArtifactRepository  # which has no types
    try:
        with pointing_to(tracker):
            place = model
            while place.startswith(REGISTRY):
                place = str(repositories.get_underlying_uri(place))
            if place.startswith("file:"):
                return _on_disk(path_of(place))
            return _fetched(place, tracker)
    except (OSError, MlflowException) as error:
        store, reason = tracker.store, hide_credentials(str(error)).rstrip(".")
        beside = f" ({store.left_alone})" if store.left_alone else ""
        remedy = f"; {NO_MODEL}" if getattr(error, "error_code", "") in _UNKNOWN else ""
        said = f"{model}: not to be had from {store.tracking_shown}: {reason}{remedy}{beside}"
        raise ModelError(said) from error


def _on_disk(folder: Path) -> Path:
    """Return a folder of this machine, if it is there."""
    if not folder.is_dir():
        raise FileNotFoundError(f"its files are gone: there is no folder {folder}")
    return folder


def _fetched(place: str, tracker: Tracker) -> Path:
    """Return the user's own copy of what a server keeps at a place; it is fetched once, as no model ever changes."""
    digest = hashlib.sha256(f"{tracker.store.tracking_shown} {place}".encode()).hexdigest()[:32]
    folder = cache_folder() / "models" / digest
    if not folder.is_dir():
        try:
            with atomic_folder(folder) as unfinished:
                server: Any = get_artifact_repository(place, tracker.uri)
                whole = FILES not in {file.path for file in server.list_artifacts()}
                server.download_artifacts("" if whole else FILES, str(unfinished))
        except OSError:
            if not folder.is_dir():  # another process was faster
                raise
    return folder
