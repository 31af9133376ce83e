"""Load a segmenter from its folder, or from the model registry."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, get_args

from pydantic import ValidationError

from lge_sweep.choices import look_up
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.errors import ModelError
from lge_sweep.hashing import file_digest
from lge_sweep.paths import runs_folder
from lge_sweep.segmenter.runtime import load_onnx, load_pt2
from lge_sweep.segmenter.segment import Network, TwoStageSegmenter

T = TypeVar("T")
Runtime = Literal["onnx", "torch"]
NAME = "lge-two-stage"
"""Of the registered model."""
SETTINGS = "settings.json"
SETTINGS_BYTES = 1 << 20
NETWORK_BYTES = 1 << 30
REGISTRY = "models:/"


class Loader(NamedTuple):
    """How a runtime loads a network."""

    suffix: str
    load: Callable[[Path], Network]
    runs_anything: bool
    """Whether a file can run any command as it is loaded."""


LOADERS = {"onnx": Loader(".onnx", load_onnx, False), "torch": Loader(".pt2", load_pt2, True)}
assert set(LOADERS) == set(get_args(Runtime))


def load_segmenter(
    model: str | Path, runtime: str = "onnx", runs: Path | None = None, trust: bool = False
) -> TwoStageSegmenter:
    """Load a segmenter. Nothing that lies with it is run, unless it is trusted like a program and torch loads it.

    Args:
        model: `models:/lge-two-stage@champion` or another of MLflow's registry, or a folder: that of an MLflow model,
            or one that `write_segmenter` wrote.
        runtime: `onnx`, which needs no torch, or `torch`.
        runs: the runs directory, for a model of the registry; see `runs_folder`.
        trust: whether a folder may run any command, which `torch` lets it. What is in the user's own registry may.

    Raises:
        ConfigError: there is no such runtime.
        ModelError: there is no such model, its folder is not as it was written, or it is not trusted and `torch` is
            asked for.
        RunsError: the registry cannot be opened.
    """
    suffix, load, runs_anything = look_up("runtime", runtime, LOADERS)
    if runs_anything and not (trust or is_registered(model)):
        raise ModelError(
            f"{model}: the runtime '{runtime}' loads {suffix} files, and a {suffix} file can run any command as it is "
            "loaded. Take the runtime 'onnx', which segments as well and runs nothing else; or add --trust "
            "(trust=True), only if you made this model, or trust who made it as you would trust a program"
        )
    folder = find_segmenter(model, runs)
    settings = read_settings(folder)
    networks = []
    for stage in (1, 2):
        path = folder / f"stage{stage}{suffix}"
        if path.is_file() and path.stat().st_size > NETWORK_BYTES:
            raise ModelError(f"{path}: is larger than {NETWORK_BYTES >> 30} GiB, which no network of a segmenter is")
        if not path.is_file() or file_digest(path) != settings.files.get(path.name):
            raise ModelError(f"{path}: missing or not as it was written (its SHA-256 is not the one in {SETTINGS})")
        if not (runs_anything or trust or is_registered(model)):
            from lge_sweep.segmenter.foreign import check_network  # a served model does without it, and without onnx

            check_network(path)
        networks.append(_network(path, load))
    return TwoStageSegmenter(networks[0], networks[1], settings.size, settings.intensity, settings.options)


def _network(path: Path, load: Callable[[Path], Network]) -> Network:
    """Load a network, of which any failure, now or when it runs, is a ModelError."""

    def attempt(what: str, step: Callable[[], T]) -> T:
        try:
            return step()
        except ModelError:
            raise
        except Exception as error:  # each runtime has dozens of its own
            cause = f"{what} ({type(error).__name__})"
            raise ModelError(
                f"{path}: {cause}: broken, or no network of a segmenter; get the folder again, or ship it again: phase3"
            ) from error

    network = attempt("cannot be loaded", lambda: load(path))
    return lambda inputs: attempt("does not run", lambda: network(inputs))


def is_registered(model: str | Path) -> bool:
    """Whether a model is named by its place in the registry, and not by its folder."""
    return str(model).startswith(REGISTRY)


def find_segmenter(model: str | Path, runs: Path | None = None) -> Path:
    """Return the folder of a segmenter's files.

    Args:
        model: as for `load_segmenter`.
        runs: the runs directory, for a model of the registry.

    Raises:
        ModelError: there is no such model.
        RunsError: the registry cannot be opened.
    """
    folder = _fetch(str(model), runs_folder(runs)) if is_registered(model) else Path(model)
    return next((path.parent for path in folder.glob(f"artifacts/*/{SETTINGS}")), folder)  # in an MLflow model


def read_settings(folder: Path) -> SegmenterSettings:
    """Read the settings of a segmenter's folder.

    Raises:
        ModelError: the folder is none of a segmenter's.
    """
    path = folder / SETTINGS
    try:
        # a pipe would be waited for, a device has no end
        problem = "" if path.is_file() else "is missing, or is no file"
        problem = problem or "is larger than 1 MiB" * (path.stat().st_size > SETTINGS_BYTES)
        content = b"" if problem else path.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if problem:
        raise ModelError(
            f"{folder}: holds no segmenter ({SETTINGS} {problem}); give the folder of one, or {REGISTRY}NAME@champion"
        )
    try:
        return SegmenterSettings.model_validate_json(content)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))[:40] or 'file'}: {e['msg'][:80]}" for e in error.errors()[:5]]
        problems = "; ".join([*told, *(["and more"] if error.error_count() > len(told) else [])])
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
