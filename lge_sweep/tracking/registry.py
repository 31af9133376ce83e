"""The model registry: one champion a stage and one of both stages, without pickled code."""

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS
from numpy.typing import NDArray

from lge_sweep.errors import RunsError
from lge_sweep.text import hide_credentials
from lge_sweep.tracking.active import pointing_to
from lge_sweep.tracking.code import copy_code
from lge_sweep.tracking.logged_model import log_model
from lge_sweep.tracking.look_up import REGISTRY
from lge_sweep.tracking.mlflow import Tracker
from lge_sweep.tracking.run import KEY, STANDS

ALIAS = "champion"
GRAPH_NEEDS = ("mlflow", "torch", "numpy")
PACKAGE_NEEDS = (
    "lazy-loader", "mlflow", "numpy", "onnxruntime", "opencv-python-headless", "pandas", "pillow", "pydantic", "pyyaml",
    "scipy", "sqlalchemy",
)  # fmt: skip
"""What loading needs, at the versions installed here."""


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """What the registry is told of a model.

    Attributes:
        name: of the registered model.
        key: identifies what went into it, weights included, for ever.
        run_key: key of the run it is a model of.
        example: an input; saved with the model, so that it must not be a patient's.
        facts: tags of the model's version.
        description: what it is, what goes in and what comes out.
    """

    name: str
    key: str
    run_key: str
    example: NDArray[Any]
    facts: Mapping[str, str]
    description: str


@dataclass(frozen=True, kw_only=True)
class NetworkEntry(ModelEntry):
    """A network to register; its example is uint8 [2, 3, S, S].

    Attributes:
        network: a torch module in evaluation mode, on the CPU.
    """

    network: Any


@dataclass(frozen=True, kw_only=True)
class PackageEntry(ModelEntry):
    """A folder and the code that predicts with it, to register; its example is float32 [N, H, W].

    Attributes:
        folder: the model's files; the code finds them as the artifact of the folder's name.
        code: a file of this package that ends in `set_served`.
        settings: what `mlflow.pyfunc.load_model(..., model_config=...)` may change, with their defaults.
    """

    folder: Path
    code: Path
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """A registered version of a model: its number, the key it was registered with, and its tags."""

    number: str
    key: str
    tags: Mapping[str, str]


def find_version(tracker: Tracker, name: str, key: str) -> Version | None:
    """Return the newest version of a registered model with a key whose files are still there, None if there is none.

    Args:
        tracker: where the registry is.
        name: the registered model's name.
        key: the key.
    """
    found = tracker.client.search_model_versions(f"name = '{name}' AND tag.`{KEY}` = '{key}'")
    whole = [version for version in found if _is_there(tracker, version)]
    return _read(max(whole, key=lambda version: int(version.version))) if whole else None


def describe_version(tracker: Tracker, name: str, key: str, text: str) -> None:
    """Put a text below the description of a registered version, in place of what was put there before.

    Args:
        tracker: MLflow.
        name: of the registered model.
        key: of the version; where there is none, nothing is done.
        text: Markdown that begins with a heading.
    """
    found = tracker.client.search_model_versions(f"name = '{name}' AND tag.`{KEY}` = '{key}'")
    heading = text.partition("\n")[0]
    for entry in found:
        own = (entry.description or "").partition(f"\n\n{heading}\n")[0]
        tracker.client.update_model_version(name, str(entry.version), f"{own}\n\n{text}")


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


def promote(tracker: Tracker, name: str, version: Version, family: str, *, new: bool, remedy: str) -> str:
    """Make a version the champion, where it may be: the rules of who gives way to whom.

    A champion of another family gives way to a new selection only, and none that stands gives way to a model that
    collapsed. Versions have the tag `collapsed`, see `collapsed_tag`.

    Args:
        tracker: MLflow.
        name: of the registered model.
        version: the candidate.
        family: what the keys of versions of the same origin begin with.
        new: whether the selection behind the candidate is new.
        remedy: the command that makes it champion after all.

    Returns:
        A sentence on what was registered and what the champion is.
    """
    before = find_champion(tracker, name)
    said = f"Registered as {name} version {version.number}"
    if before is not None and before.key == version.key:
        return f"{said}, the champion: models:/{name}@{ALIAS}."
    collapsed = version.tags["collapsed"] != STANDS
    if before is not None and collapsed and before.tags.get("collapsed") == STANDS:
        return f"{said}; it collapsed, so version {before.number} ({before.key}) stays champion."
    if before is not None and not new and not before.key.startswith(family):
        return f"{said}; version {before.number} ({before.key}) stays champion. To change that: {remedy}"
    tracker.client.set_registered_model_alias(name, ALIAS, version.number)
    replaced = "" if before is None else f" in place of version {before.number} ({before.key})"
    return f"{said}, the champion{replaced}: models:/{name}@{ALIAS}."


def register(tracker: Tracker, champion: NetworkEntry) -> Version:
    """Log a network as a model of its trial's run and register it; `find_version` says whether it is there already.

    The model is saved as an exported graph (PyTorch's pt2), so that loading it needs neither this package nor pickle.

    Raises:
        RunsError: the trial's run is not there, or the model cannot be saved.
    """
    import mlflow.pytorch  # takes five seconds, with Lightning; a driver that registers none needs it not

    size = champion.example.shape[-1]
    inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, 3, size, size))])
    outputs = Schema([TensorSpec(np.dtype(np.float32), (-1, -1, size, size))])
    return _register(
        tracker,
        champion,
        GRAPH_NEEDS,
        mlflow.pytorch,
        pytorch_model=champion.network,
        serialization_format="pt2",
        signature=ModelSignature(inputs, outputs),
    )


def register_package(tracker: Tracker, package: PackageEntry) -> Version:
    """Log a folder and its code as a model of a run and register it; `find_version` says whether it is there already.

    The model has a copy of what its code needs of this package, so that loading it needs none installed; nothing is
    pickled, the code is a file ("models from code"). Its input is float32 [N, H, W], which holds all intensities of up
    to 24 bit exactly.

    Raises:
        RunsError: the run is not there, or the model cannot be saved.
    """
    exam, labels = (TensorSpec(np.dtype(kind), (-1, -1, -1)) for kind in (np.float32, np.uint8))
    with tempfile.TemporaryDirectory(prefix="lge_sweep-code-") as place:
        return _register(
            tracker,
            package,
            PACKAGE_NEEDS,
            mlflow.pyfunc,
            python_model=str(package.code),
            # a URI: in a path MLflow would read %20 as a space
            artifacts={package.folder.name: package.folder.absolute().as_uri()},
            code_paths=[str(copy_code(package.code, Path(place)))],
            model_config=dict(package.settings),
            signature=ModelSignature(Schema([exam]), Schema([labels])),
        )


def _register(tracker: Tracker, entry: ModelEntry, needs: Iterable[str], flavor: ModuleType, **model: Any) -> Version:
    """Log a model and register it.

    Args:
        tracker: MLflow.
        entry: what the registry is told of it.
        needs: what loading it needs.
        flavor: MLflow's module that saves it; to look into it loads it, with warnings of its own.
        model: goes to its `save_model`.
    """
    run = tracker.find(entry.run_key)
    if run is None:
        raise RunsError(f"MLflow has no run of {entry.run_key}; repeat the command that makes it to send it again")
    wanted = [f"{name}=={version(name)}" for name in needs]
    try:
        with (
            pointing_to(tracker),
            warnings.catch_warnings(),
            _quiet("mlflow", "torch"),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")  # MLflow's and torch.export's deprecations of their own
            save = partial(flavor.save_model, input_example=entry.example, pip_requirements=wanted, **model)
            logged = log_model(tracker.client, run, entry.facts, save)
            return _read(_create_version(tracker.client, entry, logged))
    except (OSError, MlflowException) as error:
        raise RunsError(f"the model {entry.name} cannot be saved: {hide_credentials(str(error))}") from error


def _create_version(client: MlflowClient, entry: ModelEntry, logged: LoggedModel) -> ModelVersion:
    """Make a logged model, which is whole, a version of a registered one."""
    try:
        client.create_registered_model(entry.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        entry.name,
        f"{REGISTRY}{logged.model_id}",
        logged.source_run_id,
        {**entry.facts, KEY: entry.key},
        description=entry.description,
        model_id=logged.model_id,
    )
    named = [{"name": made.name, "version": made.version}]
    client.set_logged_model_tags(logged.model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(named)})  # for its page
    return made


def _read(version: ModelVersion) -> Version:
    return Version(str(version.version), str(version.tags.get(KEY)), dict(version.tags))


def _is_there(tracker: Tracker, version: ModelVersion) -> bool:
    """Whether the files of a version, which is a model of its run, are where they should be."""
    identifier = str(version.source).removeprefix(REGISTRY)
    try:
        place = tracker.client.get_logged_model(identifier).artifact_location
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return bool(get_artifact_repository(place, tracker.uri).list_artifacts())


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
