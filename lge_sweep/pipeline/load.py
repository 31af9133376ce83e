"""Load a segmenter from its folder, or from the model registry."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from lge_sweep.choices import look_up
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.errors import ModelError
from lge_sweep.paths import runs_folder
from lge_sweep.pipeline.runtime import load_onnx, load_pt2
from lge_sweep.pipeline.segment import TwoStageSegmenter
from lge_sweep.whole import file_digest

Runtime = Literal["onnx", "torch"]
NAME = "lge-two-stage"
"""Of the registered model."""
SETTINGS = "settings.json"
REGISTRY = "models:/"
LOADERS = {"onnx": (".onnx", load_onnx), "torch": (".pt2", load_pt2)}
assert set(LOADERS) == set(get_args(Runtime))


def load_segmenter(model: str | Path, runtime: str = "onnx", runs: Path | None = None) -> TwoStageSegmenter:
    """Load a segmenter; no code that lies with it is run, and nothing is unpickled.

    Args:
        model: `models:/lge-two-stage@champion` or another of MLflow's registry, or a folder: that of an MLflow model,
            or one that `write_segmenter` wrote.
        runtime: `onnx`, which needs no torch, or `torch`.
        runs: the runs directory, for a model of the registry; see `runs_folder`.

    Raises:
        ConfigError: there is no such runtime.
        ModelError: there is no such model, or its folder is not as it was written.
        RunsError: the registry cannot be opened.
    """
    suffix, load = look_up("runtime", runtime, LOADERS)
    folder = find_segmenter(model, runs)
    settings = read_settings(folder)
    networks = []
    for stage in (1, 2):
        path = folder / f"stage{stage}{suffix}"
        if not path.is_file() or file_digest(path) != settings.files.get(path.name):
            raise ModelError(f"{path}: missing or not as it was written (its SHA-256 is not the one in {SETTINGS})")
        networks.append(load(path))
    return TwoStageSegmenter(networks[0], networks[1], settings.size, settings.intensity, settings.options)


def find_segmenter(model: str | Path, runs: Path | None = None) -> Path:
    """Return the folder of a segmenter's files.

    Args:
        model: as for `load_segmenter`.
        runs: the runs directory, for a model of the registry.

    Raises:
        ModelError: there is no such model.
        RunsError: the registry cannot be opened.
    """
    folder = _fetch(str(model), runs_folder(runs)) if str(model).startswith(REGISTRY) else Path(model)
    return next((path.parent for path in folder.glob(f"artifacts/*/{SETTINGS}")), folder)  # in an MLflow model


def read_settings(folder: Path) -> SegmenterSettings:
    """Read the settings of a segmenter's folder.

    Raises:
        ModelError: the folder is none of a segmenter's.
    """
    path = folder / SETTINGS
    try:
        return SegmenterSettings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{folder}: holds no segmenter ({SETTINGS} cannot be read: {error.strerror}); give the folder of one, or "
            f"{REGISTRY}NAME@champion"
        ) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ModelError(
            f"{path}: not the settings of a segmenter of this version ({problems}); ship it again: phase3"
        ) from error


def _fetch(model: str, runs: Path) -> Path:
    from lge_sweep.tracking.database import DATABASE
    from lge_sweep.tracking.mlflow import Tracker
    from lge_sweep.tracking.registry import locate  # MLflow takes seconds to import

    if not (runs / DATABASE).is_file():
        raise ModelError(
            f"{model}: there is no registry in {runs}; run phase 3 first (make phase3), name its runs directory with "
            "--runs, or give the folder of a segmenter with --model"
        )
    return locate(Tracker(runs), model)
